"""Core ML packages: importing coremltools at a third of its cost, and a package's signature and metadata."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.interface import signature_of
from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.model import Described
from edgekit.coreml_reference.package import read_package
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Signature, TensorSpec

_FRAMEWORKS = {"tensorflow", "sklearn", "xgboost", "torch"}
_MODEL = Path("Data/com.apple.CoreML/model.mlmodel")


# Core ML wants an upper bound for a flexible dimension.
_LARGEST_BATCH = 64
# What a multi-array can hold for each dtype that a model may take.
_DTYPES = {"float32": np.float32, "float16": np.float16, "int64": np.int32, "int32": np.int32}


def require_dtypes(inputs: Iterable[TensorSpec]) -> None:
    """Refuse inputs of a dtype that Core ML has no arrays for.

    Raises:
        InputError: names the first.
    """
    for spec in inputs:
        if spec.dtype not in _DTYPES:
            takes = ", ".join(_DTYPES)
            raise InputError(f"convert to coreml with input {spec}", f"Core ML takes {takes}", "leave coreml out")


def tensor_type(coremltools: ModuleType, spec: TensorSpec, name: str, shape: Sequence[int], *, dynamic: bool) -> Any:
    """An input as coremltools wants it described, its batch open where that is asked and the source's is."""
    sizes: list[Any] = list(shape)
    if dynamic and spec.shape[:1] == (None,):
        sizes[0] = coremltools.RangeDim(1, _LARGEST_BATCH, default=1)
    return coremltools.TensorType(name=name, shape=tuple(sizes), dtype=_DTYPES[spec.dtype])


def program_options(coremltools: ModuleType, scheme: str) -> dict[str, Any]:
    """The arguments of ``coremltools.convert`` for an ML Program in a scheme, for the oldest iOS that holds it."""
    half = scheme == "float16"
    return {
        "convert_to": "mlprogram",
        "compute_precision": coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32,
        "minimum_deployment_target": coremltools.target.iOS16 if half else coremltools.target.iOS15,
        "skip_model_load": True,
    }


class _Hidden(MetaPathFinder):
    """Frameworks that coremltools imports whenever they are installed, although this conversion has no use for them."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        del path, target
        if fullname.partition(".")[0] in self.names:
            raise ImportError(f"{fullname} is hidden while coremltools is imported")


# What the coremltools of this process did not see when it was imported.
_hidden_so_far: set[str] = set()


def _forget_coremltools() -> None:
    """Drop its modules, but those in machine code, which cannot be loaded twice."""
    compiled = tuple(EXTENSION_SUFFIXES)
    for name, module in list(sys.modules.items()):
        own = name.partition(".")[0] == "coremltools"
        if own and not str(getattr(module, "__file__", "")).endswith(compiled):
            del sys.modules[name]


def import_coremltools(*needed: str) -> ModuleType:
    """``coremltools``, without the frameworks that this conversion does not need.

    It imports TensorFlow, scikit-learn and xgboost where they are installed: 9 s and 1.2 GB instead of 4 s and 0.4 GB.
    What an earlier conversion of this process had no need of, coremltools takes to be absent; it is then imported anew.
    """
    if "coremltools" in sys.modules:
        if not _hidden_so_far & set(needed):
            return sys.modules["coremltools"]
        _forget_coremltools()
    if "torch" in needed:
        # torch._dynamo looks for the same frameworks; imported under the blocker, it would remember them as absent.
        importlib.import_module("torch._dynamo")
    hidden = _Hidden({name for name in _FRAMEWORKS - set(needed) if name not in sys.modules})
    _hidden_so_far.clear()
    _hidden_so_far.update(hidden.names)
    sys.meta_path.insert(0, hidden)
    try:
        return importlib.import_module("coremltools")
    finally:
        sys.meta_path.remove(hidden)


def read_spec(path: Path) -> Message:
    """The ``Model`` message of a package or .mlmodel; reading it needs no coremltools.

    Raises:
        InputError: not a Core ML model, or unreadable.
    """
    return read_package(path).model


def read_signature(path: Path) -> Signature:
    """A model's own inputs and outputs; images count as uint8 NHWC without batch, flexible dimensions as ``None``."""
    try:
        return signature_of(open_model(path))
    except UnsupportedError:
        return signature_of(Described(read_package(path)))


def add_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Set user-defined metadata entries."""
    package = read_package(path)
    metadata = package.model.description.metadata
    kept = [entry for entry in metadata.userDefined if entry.key not in entries]
    del metadata.userDefined[:]
    metadata.userDefined.extend(kept)
    for key, value in entries.items():
        metadata.userDefined.add(key=key, value=value)
    package.file.write_bytes(package.model.SerializeToString())


def read_metadata(path: Path) -> dict[str, str]:
    """User-defined metadata entries."""
    return {entry.key: entry.value for entry in read_spec(path).description.metadata.userDefined}


def oldest_system(path: Path) -> str:
    """The oldest iOS that loads the package, by its specification version (coremltools' table of versions)."""
    releases = {1: "11", 2: "11.2", 3: "12", 4: "13", 5: "14", 6: "15", 7: "16", 8: "17", 9: "18", 10: "26"}
    version = int(read_spec(path).specificationVersion)
    return f"iOS {releases[version]}" if version in releases else f"specification version {version}"
