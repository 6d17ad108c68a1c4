"""LightGBM models: live objects of both of its interfaces, .txt files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.signature import Array
from edgekit.sources.base import LoadRequest, Provenance
from edgekit.sources.boosters import Boosted, BoostedSource, first_line, not_fitted
from edgekit.sources.provenance import file_provenance

_PACKAGES = ("lightgbm", "scikit-learn")


class LightgbmSource(BoostedSource):
    """An ``LGBMModel`` or a ``Booster``."""

    framework = "lightgbm"


def load(request: LoadRequest) -> LightgbmSource:
    """Load a .txt file that ``save_model`` wrote.

    Raises:
        InputError: truncated, or no model of LightGBM.
    """
    path = Path(request.model)
    return _source(_read(path), request, file_provenance(path, *_PACKAGES))


def wrap(native: Any, request: LoadRequest) -> LightgbmSource:
    """A source around a live, fitted model.

    Raises:
        InputError: not fitted, or none of LightGBM's models.
    """
    return _source(native, request, file_provenance(None, *_PACKAGES))


def _source(native: Any, request: LoadRequest, provenance: Provenance) -> LightgbmSource:
    booster = _booster_of(native)
    own = tuple(booster.feature_name())
    # The names that it gives to columns without.
    named = own != tuple(f"Column_{index}" for index in range(len(own)))
    names = own if named else ()
    model = Boosted(
        native, booster.num_feature(), names, _answers(native), _categories(booster, own), partial(_splits, booster)
    )
    return LightgbmSource(model, request, provenance)


def _booster_of(native: Any) -> Any:
    import lightgbm

    name = type(native).__name__
    if isinstance(native, lightgbm.Booster):
        booster = native
    elif not isinstance(native, lightgbm.LGBMModel):
        raise InputError(f"convert a {name}", "it is no model of LightGBM", "give an LGBMModel or a Booster")
    elif not native.__sklearn_is_fitted__():
        raise not_fitted(name)
    else:
        booster = native.booster_
    if not booster.num_trees():
        raise not_fitted(name)
    return booster


def _answers(native: Any) -> dict[str, Callable[[Array], Any]]:
    """The answers of ``predict`` and, of classifiers, ``predict_proba``, to a matrix in the model's order."""
    import lightgbm

    if not isinstance(native, lightgbm.LGBMClassifier):
        return {"prediction": native.predict}
    if callable(native.objective_):
        why = "with an objective function of its own it gives neither labels nor probabilities"
        raise InputError("convert an LGBMClassifier", why, "convert its booster_, which gives the raw scores")
    return {"label": native.predict, "probabilities": native.predict_proba}


def _splits(booster: Any) -> dict[int, list[float]]:
    """The thresholds of all trees by column; sets of categories have none."""
    found: dict[int, list[float]] = {}
    nodes = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while nodes:
        node = nodes.pop()
        if "split_feature" not in node:
            continue
        if node["decision_type"] == "<=":
            found.setdefault(node["split_feature"], []).append(float(node["threshold"]))
        nodes += [node["left_child"], node["right_child"]]
    return found


def _categories(booster: Any, names: tuple[str, ...]) -> dict[str, Sequence[Any]]:
    """What the positions of pandas' categorical columns stand for."""
    listed = booster.pandas_categorical or []
    infos = re.search(r"^feature_infos=(.*)$", booster.model_to_string(num_iteration=1), re.MULTILINE)
    # A column of numbers has its bounds, [0:1], one of categories the categories: 0:2:1.
    found = infos[1].split() if infos else []
    columns = [name for name, info in zip(names, found, strict=False) if not info.startswith("[") and info != "none"]
    return dict(zip(columns, listed, strict=True)) if len(columns) == len(listed) else {}


def _read(path: Path) -> Any:
    import lightgbm

    from edgekit.classical.trees.lightgbm import parse

    asked = f"load {path}"
    if not path.is_file():
        raise InputError(asked, "no such file", "check the path")
    data = path.read_bytes()
    if data.split(b"\n", 1)[0].strip() != b"tree":
        todo = "write it with booster.save_model(path)"
        raise InputError(asked, "it holds no model of LightGBM (its first line is not 'tree')", todo)
    try:
        text = data.decode().replace("\r\n", "\n")
        # LightGBM itself ends the process on some damaged files.
        _require_places(text)
        parse(text)
        return lightgbm.Booster(model_str=text)
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        why = f"truncated or damaged ({first_line(error)})"
        raise InputError(asked, why, "copy the file again, or save it again") from error


def _require_places(text: str) -> None:
    """Refuse a text in which the trees do not stand where its head says: LightGBM would read them from there.

    Raises:
        ValueError: a tree stands elsewhere, or the settings at the end are cut.
    """
    sizes = re.search(r"^tree_sizes=([\d ]*)$", text, re.MULTILINE)
    data = text.encode()
    place = data.find(b"\nTree=0\n") + 1
    for index, size in enumerate(sizes[1].split() if sizes else []):
        if not data.startswith(b"Tree=%d\n" % index, place):
            raise ValueError(f"tree {index} does not stand where its head says")
        place += int(size)
    if sizes and not data.startswith(b"end of trees", place):
        raise ValueError("its trees are cut")
    if "\nparameters:" in text and "\nend of parameters" not in text:
        raise ValueError("its settings are cut")
