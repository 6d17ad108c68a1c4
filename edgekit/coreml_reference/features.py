"""What a Core ML model takes and gives: its features, their flexible shapes, and values in and out of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError
from edgekit.signature import Array

# ArrayFeatureType.ArrayDataType of Apple's FeatureTypes.proto
ARRAY_TYPES: dict[int, type[Any]] = {
    65568: np.float32,
    65600: np.float64,
    131104: np.int32,
    131080: np.int8,
    65552: np.float16,
}
# ImageFeatureType.ColorSpace
COLOURS = {10: "gray", 20: "rgb", 30: "bgr", 40: "gray-float16"}
_KINDS = {
    "int64Type": "int64",
    "doubleType": "double",
    "stringType": "string",
    "imageType": "image",
    "multiArrayType": "array",
    "dictionaryType": "dictionary",
    "sequenceType": "sequence",
    "stateType": "state",
}


@dataclass(frozen=True)
class Feature:
    """A model's input, output or state.

    Attributes:
        name: its name.
        kind: ``array``, ``image``, ``int64``, ``double``, ``string``, ``dictionary``, ``sequence`` or ``state``.
        dtype: of an array or state.
        shape: the default shape of an array or state, [height, width] of an image.
        ranges: lowest and highest size of each dimension, ``None`` where there is no highest; empty where fixed.
        shapes: the only shapes allowed, where they are enumerated.
        colour: ``rgb``, ``bgr``, ``gray`` or ``gray-float16`` of an image.
        keys: ``int64`` or ``string`` keys of a dictionary.
        optional: whether it may be left out.
        default: what stands for it then, where that is a number.
    """

    name: str
    kind: str
    dtype: type[Any] | None = None
    shape: tuple[int, ...] = ()
    ranges: tuple[tuple[int, int | None], ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    colour: str = ""
    keys: str = ""
    optional: bool = False
    default: float | None = None

    def allows(self, shape: tuple[int, ...]) -> bool:
        """Whether a value of this shape may be given."""
        if self.shapes:
            return shape in self.shapes
        if self.ranges:
            return len(shape) == len(self.ranges) and all(
                low <= size and (high is None or size <= high)
                for size, (low, high) in zip(shape, self.ranges, strict=True)
            )
        # An array of undeclared shape takes any.
        return not self.shape or shape == self.shape

    def wanted(self) -> str:
        """The shapes that it takes, for people: ``[1..64, 3, 32, 32]``."""
        if self.shapes:
            return " or ".join(str(list(shape)) for shape in self.shapes)
        sizes = self.ranges or tuple((size, size) for size in self.shape)
        return (
            "["
            + ", ".join(str(low) if low == high else f"{low}..{'' if high is None else high}" for low, high in sizes)
            + "]"
        )

    def check(self, value: Any) -> Any:
        """A given value as the model takes it; arrays in the declared dtype.

        Raises:
            InputError: another shape, or a value of another kind.
        """
        if self.kind in {"array", "image"}:
            return self._check_array(value)
        kinds: dict[str, type[Any] | tuple[type[Any], ...]] = {
            "int64": (int, np.integer),
            "double": (int, float, np.number),
            "string": str,
            "dictionary": Mapping,
        }
        if isinstance(value, np.ndarray) and value.size == 1 and self.kind != "dictionary":
            value = value.item()
        if self.kind in kinds and not isinstance(value, kinds[self.kind]):
            raise InputError(f"run with {self.name!r} a {type(value).__name__}", f"it takes a {self.kind}", "give one")
        return value

    def _check_array(self, value: Any) -> Array:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InputError(f"run with {self.name!r}", f"it takes numbers ({error})", "give an array") from error
        if array.dtype.kind not in "biuf":
            raise InputError(
                f"run with {self.name!r} of dtype {array.dtype}", "it takes numbers", "give an array of them"
            )
        shape = array.shape[:2] if self.kind == "image" else array.shape
        if not self.allows(shape):
            raise InputError(
                f"run with {self.name!r} of shape {list(shape)}", f"it takes {self.wanted()}", "reshape it"
            )
        if self.dtype is None or array.dtype == self.dtype:
            return array
        cast = _cast(array, self.dtype)
        # Rounding is what a float input asks for; an integer that becomes another number is a mistake.
        if np.dtype(self.dtype).kind in "iu" and not np.array_equal(cast, array):
            raise InputError(
                f"run with {self.name!r} of dtype {array.dtype}",
                f"it takes {np.dtype(self.dtype)}, which cannot hold these values",
                "round them, or give the values that the model was made for",
            )
        return cast


def _cast(array: Array, dtype: type[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        cast: Array = array.astype(dtype)
    return cast


def read_feature(message: Message) -> Feature:
    """The feature in a ``FeatureDescription`` message.

    Raises:
        InputError: of a kind that is not known here.
    """
    which = message.type.WhichOneof("Type")
    if which not in _KINDS:
        raise InputError(f"read feature {message.name!r}", "its type is unknown here", "update edgekit")
    kind, optional = _KINDS[which], message.type.isOptional
    detail = getattr(message.type, which)
    if kind == "array":
        return _array(message.name, kind, detail, optional=optional)
    if kind == "state":
        return _array(message.name, kind, detail.arrayType, optional=optional)
    if kind == "image":
        return _image(message.name, detail, optional=optional)
    if kind == "dictionary":
        keys = (detail.WhichOneof("KeyType") or "").removesuffix("KeyType")
        return Feature(message.name, kind, keys=keys, optional=optional)
    return Feature(message.name, kind, optional=optional)


def _array(name: str, kind: str, array: Message, *, optional: bool) -> Feature:
    flexible, default = array.WhichOneof("ShapeFlexibility"), array.WhichOneof("defaultOptionalValue")
    return Feature(
        name,
        kind,
        dtype=ARRAY_TYPES.get(array.dataType),
        shape=tuple(array.shape),
        ranges=_ranges(array.shapeRange.sizeRanges) if flexible == "shapeRange" else (),
        shapes=tuple(tuple(one.shape) for one in array.enumeratedShapes.shapes),
        optional=optional,
        default=float(getattr(array, default)) if default else None,
    )


def _image(name: str, image: Message, *, optional: bool) -> Feature:
    flexible = image.WhichOneof("SizeFlexibility")
    sizes = image.imageSizeRange
    return Feature(
        name,
        "image",
        shape=(int(image.height), int(image.width)),
        ranges=_ranges((sizes.heightRange, sizes.widthRange)) if flexible == "imageSizeRange" else (),
        shapes=tuple((int(one.height), int(one.width)) for one in image.enumeratedSizes.sizes),
        colour=COLOURS.get(image.colorSpace, "rgb"),
        optional=optional,
    )


def _ranges(sizes: Iterable[Message]) -> tuple[tuple[int, int | None], ...]:
    # An upper bound below zero says that there is none.
    return tuple((int(one.lowerBound), None if one.upperBound < 0 else int(one.upperBound)) for one in sizes)


def check_inputs(features: Iterable[Feature], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every input as the model takes it; what is optional and not given has its default, or is left out.

    Raises:
        InputError: a name that the model does not have, one that is missing, or a value that does not fit.
    """
    by_name = {feature.name: feature for feature in features}
    unknown = [name for name in inputs if name not in by_name]
    if unknown:
        raise InputError(f"run with input {unknown[0]!r}", "the model has no such input", f"it has {_names(by_name)}")
    given: dict[str, Any] = {}
    for name, feature in by_name.items():
        if name in inputs:
            given[name] = feature.check(inputs[name])
        elif feature.default is not None:
            given[name] = np.full(feature.shape, feature.default, feature.dtype)
        elif not feature.optional:
            raise InputError(f"run without input {name!r}", "the model needs it", f"it takes {_names(by_name)}")
    return given


def _names(features: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in features)
