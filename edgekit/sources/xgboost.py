"""XGBoost models: live objects of both of its interfaces, .json and .ubj files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array
from edgekit.sources.base import LoadRequest, Provenance
from edgekit.sources.boosters import Boosted, BoostedSource, not_fitted
from edgekit.sources.provenance import file_provenance
from edgekit.sources.xgboost_files import read_model

_PACKAGES = ("xgboost", "xgboost-cpu", "scikit-learn")


class XgboostSource(BoostedSource):
    """An ``XGBModel`` or a ``Booster``."""

    framework = "xgboost"


def load(request: LoadRequest) -> XgboostSource:
    """Load a .json or .ubj file that ``save_model`` wrote.

    Raises:
        InputError: truncated, or no model of XGBoost.
    """
    path = Path(request.model)
    return _source(read_model(path), request, file_provenance(path, *_PACKAGES))


def wrap(native: Any, request: LoadRequest) -> XgboostSource:
    """A source around a live, fitted model.

    Raises:
        InputError: not fitted, or none of XGBoost's models.
    """
    return _source(native, request, file_provenance(None, *_PACKAGES))


def _source(native: Any, request: LoadRequest, provenance: Provenance) -> XgboostSource:
    booster = _booster_of(native)
    features = booster.num_features()
    names = tuple(booster.feature_names or ())
    model = Boosted(
        native,
        features,
        names,
        _answers(native),
        _categories(booster),
        partial(_splits, booster),
        _notes(native, booster),
    )
    return XgboostSource(model, request, provenance)


def _booster_of(native: Any) -> Any:
    import xgboost

    name = type(native).__name__
    if isinstance(native, xgboost.Booster):
        booster = native
    elif not isinstance(native, xgboost.XGBModel):
        raise InputError(f"convert a {name}", "it is no model of XGBoost", "give an XGBModel or a Booster")
    elif not native.__sklearn_is_fitted__():
        raise not_fitted(name)
    else:
        booster = native.get_booster()
    try:
        booster.num_features()
    except ValueError as error:  # XGBoostError: it has none
        raise not_fitted(name) from error
    return booster


def _answers(native: Any) -> dict[str, Callable[[Array], Any]]:
    """The answers of ``predict`` and, of classifiers, ``predict_proba``, to a matrix in the model's order."""
    import xgboost

    if isinstance(native, xgboost.Booster):
        return {"prediction": lambda rows: native.predict(_matrix(native, rows), validate_features=False)}

    def predict(rows: Array) -> Any:
        return native.predict(rows, validate_features=False)

    if not isinstance(native, xgboost.XGBClassifier):
        return {"prediction": predict}
    answers: dict[str, Callable[[Array], Any]] = {"label": predict}
    if native.objective != "binary:logitraw":
        answers["probabilities"] = lambda rows: native.predict_proba(rows, validate_features=False)
    return answers


def _matrix(booster: Any, rows: Array) -> Any:
    import xgboost

    return xgboost.DMatrix(rows, feature_names=booster.feature_names, feature_types=booster.feature_types)


def _notes(native: Any, booster: Any) -> tuple[str, ...]:
    best = booster.attr("best_iteration")
    if native is booster and best is not None and int(best) + 1 < booster.num_boosted_rounds():
        rounds = f"all {booster.num_boosted_rounds()} rounds answer, as in Booster.predict"
        return (f"{rounds}; early stopping found round {best} best: booster[: {int(best) + 1}] keeps up to it",)
    return ()


def _splits(booster: Any) -> dict[int, list[float]]:
    """The thresholds of all trees by column; sets of categories have none."""
    machine = json.loads(booster.save_raw(raw_format="json"))["learner"]["gradient_booster"]
    found: dict[int, list[float]] = {}
    for tree in machine.get("gbtree", machine).get("model", {}).get("trees", ()):
        nodes = zip(
            tree["split_indices"], tree["split_conditions"], tree["left_children"], tree["split_type"], strict=True
        )
        for column, threshold, left, kind in nodes:
            if left != -1 and kind == 0:
                found.setdefault(column, []).append(threshold)
    return found


def _categories(booster: Any) -> dict[str, Sequence[Any]]:
    """What the positions of categorical columns stand for, where the model keeps it (since XGBoost 3.1)."""
    types = booster.feature_types or []
    if "c" not in types:
        return {}
    learner = json.loads(booster.save_raw(raw_format="json"))["learner"]["gradient_booster"]
    model = learner.get("gbtree", learner)["model"]
    encodings = model.get("cats", {}).get("enc", [])
    found: dict[str, Sequence[Any]] = {}
    for index, encoding in enumerate(encodings):
        values = _decoded(encoding)
        if values:
            found[booster.feature_names[index] if booster.feature_names else f"x{index}"] = values
    return found


def _decoded(encoding: dict[str, Any]) -> list[Any]:
    """The texts (bytes between offsets) or the numbers of one column's categories."""
    offsets, values = encoding.get("offsets"), encoding.get("values", [])
    if offsets is None:
        return list(values)
    data = np.array(values, np.int8).tobytes()
    return [data[start:end].decode() for start, end in pairwise(offsets)]
