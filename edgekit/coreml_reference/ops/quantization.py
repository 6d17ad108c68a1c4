"""Quantized activations: to integers of eight bits, and back."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.ops.constexpr import along
from edgekit.coreml_reference.program import NUMPY_TYPES
from edgekit.coreml_reference.registry import op
from edgekit.signature import Array

_SPEC = "iOS17 quantization_ops"


@op("quantize", spec=_SPEC)
def quantize(
    input: Array,  # noqa: A002 - the definition's name
    scale: Array,
    output_dtype: str,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """``round(input / scale) + zero_point``, halves to the even neighbour, saturated at the dtype's bounds."""
    kind = np.dtype(NUMPY_TYPES[output_dtype])
    bounds = np.iinfo(kind)
    values: Array = np.divide(input, along(scale, axis, input.ndim), dtype=np.float32)
    values = np.rint(values)
    if zero_point is not None:
        values += along(zero_point, axis, input.ndim)
    return np.clip(values, bounds.min, bounds.max).astype(kind)


@op("dequantize", spec=_SPEC)
def dequantize(
    input: Array,  # noqa: A002 - the definition's name
    scale: Array,
    zero_point: Array | None = None,
    axis: int | None = None,
) -> Array:
    """``scale * (input - zero_point)``; scale and zero point are numbers, or vectors along an axis."""
    if zero_point is None:
        return np.multiply(input, along(scale, axis, input.ndim), dtype=np.float32)
    values: Array = np.subtract(input, along(zero_point, axis, input.ndim), dtype=np.float32)
    # Not in place: of a number numpy gives a scalar.
    return np.multiply(values, along(scale, axis, input.ndim))
