"""Core ML packages: importing coremltools at a third of its cost, and a package's signature and metadata."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Shape, Signature, TensorSpec

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


def import_coremltools(*needed: str) -> ModuleType:
    """``coremltools``, without the frameworks that this conversion does not need.

    It imports TensorFlow, scikit-learn and xgboost where they are installed: 9 s and 1.2 GB instead of 4 s and 0.4 GB.
    """
    if "coremltools" in sys.modules:
        return sys.modules["coremltools"]
    if "torch" in needed:
        # torch._dynamo looks for the same frameworks; imported under the blocker, it would remember them as absent.
        importlib.import_module("torch._dynamo")
    hidden = _Hidden({name for name in _FRAMEWORKS - set(needed) if name not in sys.modules})
    sys.meta_path.insert(0, hidden)
    try:
        return importlib.import_module("coremltools")
    finally:
        sys.meta_path.remove(hidden)


def read_spec(path: Path) -> Any:
    """The package's (or .mlmodel's) ``Model`` message.

    Raises:
        InputError: not a Core ML package, or unreadable.
    """
    coremltools = import_coremltools()
    try:
        return coremltools.utils.load_spec(str(path))
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"load {path}", f"not a readable Core ML package ({message})", "copy it again") from error


def read_signature(path: Path) -> Signature:
    """A package's own inputs and outputs; images count as uint8 NHWC without batch, flexible dimensions as ``None``."""
    description = read_spec(path).description
    return Signature(
        tuple(_tensor(feature) for feature in description.input),
        tuple(_tensor(feature) for feature in description.output),
    )


def add_metadata(path: Path, entries: Mapping[str, str]) -> None:
    """Set user-defined metadata entries."""
    spec = read_spec(path)
    for key, value in entries.items():
        spec.description.metadata.userDefined[key] = value
    (path / _MODEL).write_bytes(spec.SerializeToString())


def _tensor(feature: Any) -> TensorSpec:
    kind = feature.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return TensorSpec(
            feature.name, _dtype(feature.type.multiArrayType.dataType), _shape(feature.type.multiArrayType)
        )
    if kind == "imageType":
        return TensorSpec(feature.name, "uint8", (feature.type.imageType.height, feature.type.imageType.width, 3))
    dtype = {"int64Type": "int64", "doubleType": "float64", "stringType": "string", "dictionaryType": "float64"}.get(
        kind
    )
    if dtype is None:
        raise InputError(
            f"Core ML feature {feature.name!r}", f"{kind} has no counterpart as an array", "use multi-arrays"
        )
    return TensorSpec(feature.name, dtype, ())


def _dtype(code: int) -> str:
    # ArrayFeatureType.ArrayDataType of Apple's FeatureTypes.proto
    return {65568: "float32", 65552: "float16", 65600: "float64", 131104: "int32", 131080: "int8"}[code]


def _shape(array: Any) -> Shape:
    fixed: list[int | None] = list(array.shape)
    if array.WhichOneof("ShapeFlexibility") == "shapeRange":
        for index, size in enumerate(array.shapeRange.sizeRanges):
            if size.upperBound != size.lowerBound:
                fixed[index] = None
    elif array.WhichOneof("ShapeFlexibility") == "enumeratedShapes":
        shapes = [tuple(one.shape) for one in array.enumeratedShapes.shapes]
        fixed = [n if all(shape[i] == n for shape in shapes) else None for i, n in enumerate(fixed)]
    return tuple(fixed)


def oldest_system(path: Path) -> str:
    """The oldest iOS that loads the package, by its specification version (coremltools' table of versions)."""
    releases = {1: "11", 2: "11.2", 3: "12", 4: "13", 5: "14", 6: "15", 7: "16", 8: "17", 9: "18", 10: "26"}
    version = int(read_spec(path).specificationVersion)
    return f"iOS {releases[version]}" if version in releases else f"specification version {version}"
