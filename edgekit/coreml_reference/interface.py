"""A Core ML model's features as arrays of edgekit's: what sessions and comparisons speak."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.coreml_reference.features import Feature
from edgekit.coreml_reference.model import Model
from edgekit.errors import UnsupportedError
from edgekit.signature import Array, Shape, Signature, TensorSpec, dtype_name

_COLOUR_CHANNELS = 3


def signature_of(model: Model) -> Signature:
    """The model's inputs and outputs as tensors.

    Images are uint8 [height, width, 3] or [height, width]. Flexible sizes are ``None``. Text and numbers have no
    dimensions; a dictionary of probabilities is the float64 vector of its values, in the order of the labels.
    """
    return Signature(
        tuple(_spec(feature, feature.shape) for feature in model.inputs),
        tuple(_spec(feature, model.output_shape(feature)) for feature in model.outputs),
    )


def to_feature(feature: Feature, value: Array) -> Any:
    """An array as the model takes it.

    Raises:
        UnsupportedError: a dictionary or a sequence, which no array stands for.
    """
    if feature.kind in {"dictionary", "sequence"}:
        raise UnsupportedError(f"run with {feature.name!r}", f"no array stands for a {feature.kind}", "")
    return value if feature.kind in {"array", "image"} else value.item()


def from_feature(feature: Feature, value: Any) -> Array:
    """What the model gave, as an array."""
    if feature.kind == "dictionary":
        return np.array(list(value.values()), np.float64)
    if feature.kind == "string":
        return np.array(value, dtype=object)
    if feature.kind in {"int64", "double"}:
        return np.array(value, np.int64 if feature.kind == "int64" else np.float64)
    return np.asarray(value)


def _spec(feature: Feature, shape: Shape) -> TensorSpec:
    if feature.kind == "image":
        sizes = _flexible(feature) or feature.shape
        if feature.colour == "gray-float16":
            return TensorSpec(feature.name, "float16", sizes)
        return TensorSpec(feature.name, "uint8", sizes if feature.colour == "gray" else (*sizes, _COLOUR_CHANNELS))
    if feature.kind == "array":
        dtype = dtype_name(np.zeros(0, feature.dtype))
        return TensorSpec(feature.name, dtype, _flexible(feature) or shape)
    dtype = {"int64": "int64", "string": "string"}.get(feature.kind, "float64")
    return TensorSpec(feature.name, dtype, shape if feature.kind == "dictionary" else ())


def _flexible(feature: Feature) -> Shape:
    """The shape with ``None`` where sizes vary; empty where it is fixed."""
    if feature.ranges:
        return tuple(low if low == high else None for low, high in feature.ranges)
    if feature.shapes:
        first = feature.shapes[0]
        return tuple(
            size if all(len(one) == len(first) and one[i] == size for one in feature.shapes) else None
            for i, size in enumerate(first)
        )
    return ()
