"""Reals as the integers that stand for them in files with integer inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

if TYPE_CHECKING:
    from edgekit.bundle.binding import Binding, Quantization


def quantize(array: Array, binding: Binding, quantization: Quantization) -> Array:
    """``round(real / scale) + zero_point`` in the file's dtype, the same shape.

    In float32, halves to the even side, as ONNX defines QuantizeLinear; what lies beyond the dtype's ends, infinity
    too, becomes its end.

    Args:
        array: reals.
        binding: of the input, with the file's dtype.
        quantization: its scale and zero point.

    Raises:
        InputError: NaN, for which no integer stands.
    """
    limits = np.iinfo(binding.dtype)
    # A real beyond float32, or so many scales, is infinite, and infinity becomes an end.
    with np.errstate(over="ignore"):
        scaled = array.astype(np.float32) / np.float32(quantization.scale)
    if np.isnan(scaled).any():
        why = f"it holds NaN, and the file's {binding.dtype} has no integer for that"
        raise InputError(f"input {binding.name!r}", why, "give numbers")
    # float32 holds every integer up to 16 bits, and their sums with a zero point.
    integers: Array = np.clip(np.rint(scaled) + np.float32(quantization.zero_point), limits.min, limits.max)
    return integers.astype(binding.dtype)


def dequantize(array: Array, quantization: Quantization) -> Array:
    """``(integer - zero_point) * scale`` in float32, the same shape."""
    difference = array.astype(np.float32) - np.float32(quantization.zero_point)
    reals: Array = difference * np.float32(quantization.scale)
    return reals
