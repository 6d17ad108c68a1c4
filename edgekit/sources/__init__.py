"""A trained model, loaded: one file a framework, and the table that says which file reads what."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from edgekit.bundle.digest import measure
from edgekit.errors import InputError, missing
from edgekit.sources.base import LoadRequest, Provenance, Source

__all__ = ["LoadRequest", "Provenance", "Source", "open_source", "wrap_object"]

# A file's suffix → the source module that reads it. Folders are SavedModels or Core ML packages.
SUFFIXES = {
    ".pt2": "torch",
    ".pt": "torch",
    ".pth": "torch",
    ".torchscript": "torch",
    ".ts": "torch",
    ".jit": "torch",
    ".keras": "tensorflow",
    ".h5": "tensorflow",
    ".hdf5": "tensorflow",
    ".joblib": "sklearn",
    ".pkl": "sklearn",
    ".pickle": "sklearn",
    ".skops": "sklearn",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".txt": "lightgbm",
    ".onnx": "onnx",
    ".tflite": "tflite",
    ".mlpackage": "coreml",
}

# What each source module imports, and the extra that brings it.
_PACKAGES = {
    "torch": ("torch", "torch"),
    "tensorflow": ("tensorflow", "tensorflow"),
    "sklearn": ("sklearn", "sklearn"),
    "xgboost": ("xgboost", "boost"),
    "lightgbm": ("lightgbm", "boost"),
    "onnx": ("onnxruntime", "runtime-onnx"),
    "tflite": ("", ""),
    "coreml": ("google.protobuf", "coreml-reference"),
}

# The frameworks whose models take rows of columns.
_OF_COLUMNS = ("sklearn", "xgboost", "lightgbm")

# A live object's framework, by the top-level modules of its class's ancestors, first match wins.
_OWNERS = {
    "torch": "torch",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "tf_keras": "tensorflow",
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


def open_source(request: LoadRequest) -> Source:
    """Load a model from a path or from ``package.module:factory``.

    Raises:
        InputError: the file is missing, of an unknown kind, or does not hold what its name says; or columns are asked
            of a model that has none.
        MissingDependencyError: the framework is not installed.
    """
    framework = framework_of(request.model, request.weights)
    if framework is None:
        return _from_factory(request)
    _require_columns(framework, request)
    loaded: Source = _module(framework, f"load {request.model}").load(request)
    return loaded


def framework_of(model: str, weights: str | None = None) -> str | None:
    """The framework that reads a model, by what can be seen without loading it; ``None`` for a factory.

    Raises:
        InputError: the file is missing, of an unknown kind, or has weights of its own beside those given.
    """
    asked = f"load {model}"
    path = Path(model)
    try:
        exists = path.exists()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(asked, error.strerror or str(error), "check the path") from error
    if not exists and _is_factory(model):
        return None
    if not exists:
        raise InputError(asked, "no such file or folder", "check the path; a factory is written package.module:factory")
    if not (path.is_file() or path.is_dir()):  # a pipe would be waited on without end
        raise InputError(asked, "it is neither a file nor a folder", _kinds())
    framework = _framework(path, asked)
    if weights:
        raise InputError(f"--weights {weights}", f"{path.name} holds its own weights", "leave --weights off")
    return framework


def _framework(path: Path, asked: str) -> str:
    suffix = path.suffix.lower()
    if path.is_dir() and suffix != ".mlpackage":
        if not ((path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file()):
            raise InputError(asked, "the folder is not a SavedModel (it has no saved_model.pb)", _kinds())
        return "tensorflow"
    if suffix == ".safetensors":
        raise InputError(asked, "weights alone say nothing of the network", _factory_hint(path))
    if suffix not in SUFFIXES:
        raise InputError(asked, f"unknown kind of file {suffix or path.name!r}", _kinds())
    return SUFFIXES[suffix]


def wrap_object(native: Any, request: LoadRequest) -> Source:
    """A source around a live object of a known framework.

    Raises:
        InputError: the object is none of them, or columns are asked of a model that has none.
    """
    for ancestor in type(native).__mro__:
        owner = _OWNERS.get(ancestor.__module__.partition(".")[0])
        if owner:
            _require_columns(owner, request)
            wrapped: Source = _module(owner, f"convert a {type(native).__name__}").wrap(native, request)
            return wrapped
    raise InputError(
        f"convert an object of type {type(native).__name__}",
        "it is no model of a known framework",
        f"give one of: {', '.join(sorted(set(_OWNERS.values())))}",
    )


def _require_columns(framework: str, request: LoadRequest) -> None:
    if request.columns and framework not in _OF_COLUMNS:
        why = f"--columns is for scikit-learn, XGBoost and LightGBM models, and {request.model} is none"
        raise InputError(f"--columns {request.columns}", why, "leave it off")


def _from_factory(request: LoadRequest) -> Source:
    asked = f"load {request.model}"
    module_name, _, attribute = request.model.partition(":")
    # A console script does not have the working folder on its path; `python -m` does. The factory is the user's.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        where = f"looked in {Path.cwd()} and the installed packages"
        raise InputError(asked, f"no module named {error.name!r}", f"{where}; check the name") from error
    except (Exception, SystemExit) as error:
        raise InputError(asked, f"importing {module_name} raised {type(error).__name__}: {error}", "mend it") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        callables = sorted(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
        has = ", ".join(callables[:12]) or "nothing that can be called"
        raise InputError(asked, f"{module_name} has no callable {attribute!r}", f"it has: {has}")
    try:
        native = factory()
    except (Exception, SystemExit) as error:
        why = f"{attribute}() raised {type(error).__name__}: {error}"
        raise InputError(asked, why, "the factory must work without arguments") from error
    return _with_weights(native, request)


def _with_weights(native: Any, request: LoadRequest) -> Source:
    if request.weights:
        weights = Path(request.weights)
        if not weights.is_file():
            raise InputError(f"--weights {request.weights}", "no such file", "check the path")
        for ancestor in type(native).__mro__:
            owner = _OWNERS.get(ancestor.__module__.partition(".")[0])
            if owner in {"torch", "tensorflow"}:
                _module(owner, f"load {weights}").load_weights(native, weights, trust=request.trust)
                break
        else:
            raise InputError(f"--weights {weights}", f"a {type(native).__name__} takes no weights", "leave it off")
    source = wrap_object(native, request)
    # Of a factory, its name and the digest of its weights say where the model came from.
    digest = measure(Path(request.weights)).sha256 if request.weights else None
    source.provenance = dataclasses.replace(source.provenance, file=request.model, sha256=digest)
    return source


def _is_factory(text: str) -> bool:
    module, colon, attribute = text.partition(":")
    return bool(colon) and attribute.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _module(framework: str, asked: str) -> ModuleType:
    package, extra = _PACKAGES[framework]
    if package and importlib.util.find_spec(package) is None:
        raise missing(asked, package, extra)
    return importlib.import_module(f"edgekit.sources.{framework}")


def _kinds() -> str:
    return f"known: {' '.join(SUFFIXES)}, SavedModel folders, package.module:factory"


def _factory_hint(path: Path) -> str:
    return f"give the code too: edgekit convert package.module:factory --weights {path.name}"
