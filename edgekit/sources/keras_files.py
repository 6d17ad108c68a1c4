"""Keras's files: .keras, .h5 and weights, each refused in one line where it cannot be read."""

from __future__ import annotations

import importlib.util
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.sources.savedmodel import line

_H5 = (".h5", ".hdf5")
_DAMAGED = "copy the file again, or save it again"


def read_model(path: Path, *, trust: bool) -> Any:
    """The Keras model that a .keras or .h5 file holds.

    Keras 3 reads it; tf_keras, where installed, reads what Keras 3 refuses.

    Raises:
        InputError: damaged, weights without a network, a layer whose class is unknown, or a Lambda without trust.
    """
    import keras

    asked = f"load {path}"
    config = _config(path, asked)
    kwargs = {"compile": False, "safe_mode": not trust}
    try:
        return keras.models.load_model(path, custom_objects=_old_layers(), **kwargs)
    except Exception as error:
        refused = _refusal(path, asked, error)
        # tf_keras runs a Lambda of an .h5 file whatever it is told.
        if importlib.util.find_spec("tf_keras") is None or (not trust and '"Lambda"' in config):
            raise refused from error
        import tf_keras

        try:
            return tf_keras.models.load_model(path, **kwargs)
        except Exception:  # noqa: BLE001 - what Keras 3 said is what the user can act on
            raise refused from error


def load_weights(model: Any, path: Path, *, trust: bool) -> None:
    """Load a .weights.h5, .h5 or .keras file's weights into a model that a factory made.

    Raises:
        InputError: unreadable, another kind of file, or weights that are not this network's.
    """
    del trust  # these files hold arrays; the network's own code is the factory's
    asked = f"--weights {path}"
    suffix = path.suffix.lower()
    if suffix not in {*_H5, ".keras"}:
        why = f"a Keras model does not read {suffix or path.name!r}"
        raise InputError(asked, why, "give .weights.h5, .h5 or .keras: model.save_weights('model.weights.h5')")
    if not (_is_h5(path) if suffix in _H5 else zipfile.is_zipfile(path)):
        raise InputError(asked, f"truncated, or not a {suffix} file", _DAMAGED)
    try:
        model.load_weights(str(path))
    except Exception as error:
        if "not yet been built" in str(error):
            why = "the factory's model has not been built, so it has no weights yet"
            raise InputError(
                asked, why, "build it in the factory: model.build(shape), or begin with keras.Input"
            ) from error
        if isinstance(error, OSError):
            raise InputError(asked, f"truncated or damaged ({line(error)})", _DAMAGED) from error
        raise InputError(
            asked, f"the weights are not this network's: {_mismatch(error)}", "give the weights of this factory"
        ) from error


def _mismatch(error: BaseException) -> str:
    """Keras says how many objects failed, then of one of them why."""
    text = re.sub(r"value=\[.*", "", str(error), flags=re.DOTALL)
    lines = [part.strip() for part in text.splitlines() if part.strip() and not part.startswith("[")]
    return " ".join(lines[:2])[:400] or type(error).__name__


def _config(path: Path, asked: str) -> str:
    """The network's own description, as JSON text, read without running anything."""
    if path.suffix.lower() in _H5:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                config = file.attrs.get("model_config")
        except OSError as error:
            raise InputError(asked, f"truncated, or not an HDF5 file ({line(error)})", _DAMAGED) from error
        if config is None:
            raise InputError(asked, "weights alone say nothing of the network", _factory_hint(path))
        text = config.decode() if isinstance(config, bytes) else str(config)
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                text = archive.read("config.json").decode()
        except (zipfile.BadZipFile, KeyError, OSError, UnicodeDecodeError) as error:
            raise InputError(asked, f"truncated, or not a .keras file ({line(error)})", _DAMAGED) from error
    try:
        json.loads(text)
    except ValueError as error:
        raise InputError(asked, f"its description of the network is no JSON ({line(error)})", _DAMAGED) from error
    return text


def _refusal(path: Path, asked: str, error: BaseException) -> InputError:
    text = str(error)
    unknown = re.search(r"(?:Could not locate (?:class|function)|Unknown (?:layer|object|class)):? '(\w+)'", text)
    if unknown:
        return InputError(
            asked,
            f"the code of its custom layer {unknown.group(1)!r} is not in the file",
            f"give the code: package.module:factory --weights {path.name}; or, in Python, register the class with "
            "keras.saving.register_keras_serializable, load the model and convert the object",
        )
    if "Lambda" in text and ("safe_mode" in text or "arbitrary code" in text):
        why = "it has a Lambda layer, whose Python code would run"
        return InputError(asked, why, "if you trust its origin, add --trust; safer: write the layer as a class")
    if isinstance(error, OSError | EOFError | zipfile.BadZipFile | KeyError):
        return InputError(asked, f"truncated or damaged ({line(error)})", _DAMAGED)
    hint = "" if importlib.util.find_spec("tf_keras") else "; for a model of Keras 2, install tf_keras"
    return InputError(
        asked, f"Keras cannot rebuild it ({_last(text) or type(error).__name__})", f"{_factory_hint(path)}{hint}"
    )


def _last(text: str) -> str:
    """Keras repeats the whole configuration before it says what happened: the last sentence says it."""
    found = re.search(r"Exception encountered: (.*)", text, flags=re.DOTALL)
    return line(ValueError(found.group(1) if found else text)).replace("  ", " ")


def _factory_hint(path: Path) -> str:
    return f"give the code too: edgekit convert package.module:factory --weights {path.name}"


def _is_h5(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def _old_layers() -> dict[str, Any]:
    """Layers of Keras 2 whose configuration Keras 3 refuses, read as the layer that Keras 3 has."""
    import keras

    class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc,unused-ignore]
        @classmethod
        def from_config(cls, config: dict[str, Any]) -> Any:
            # Keras 2 wrote the argument of its parent class, which is always one group a channel.
            if config.get("groups") == 1:
                config = {key: value for key, value in config.items() if key != "groups"}
            return keras.layers.DepthwiseConv2D.from_config(config)

    return {"DepthwiseConv2D": DepthwiseConv2D}
