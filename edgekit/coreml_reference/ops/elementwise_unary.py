"""Elementwise operations of one operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.coreml_reference.lazy import array, tensor, torch
from edgekit.coreml_reference.program import KERNEL_TYPES
from edgekit.coreml_reference.registry import op
from edgekit.signature import Array

_SPEC = "iOS15 elementwise_unary"

# Operations that numpy has as they are defined: ``round`` takes halves to the even neighbour.
_NUMPY: dict[str, Callable[[Array], Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "asin": np.arcsin,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "exp2": np.exp2,
    "floor": np.floor,
    "logical_not": np.logical_not,
    "round": np.round,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
}


def _kernel(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    def apply(x: Array) -> Array:
        result: Array = function(x)
        return result

    return apply


for _name, _function in _NUMPY.items():
    op(_name, spec=_SPEC)(_kernel(_function))


@op("erf", spec=_SPEC)
def erf(x: Array) -> Array:
    """The Gauss error function."""
    return array(torch.erf(tensor(x)))


@op("tanh", spec=_SPEC)
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return array(torch.tanh(tensor(x)))


@op("clip", spec="iOS17 elementwise_unary")
def clip(x: Array, alpha: float, beta: float) -> Array:
    """``min(max(x, alpha), beta)``: beta where alpha is above it."""
    return array(torch.clamp(tensor(x), alpha, beta))


@op("threshold", spec=_SPEC)
def threshold(x: Array, alpha: float) -> Array:
    """``max(x, alpha)``."""
    return array(torch.clamp_min(tensor(x), alpha))


@op("inverse", spec="iOS17 elementwise_unary")
def inverse(x: Array, epsilon: float = 1e-4) -> Array:
    """``1 / (x + epsilon)``."""
    result: Array = np.reciprocal(x + np.float32(epsilon))
    return result


@op("log", spec="iOS17 elementwise_unary")
def log(x: Array, epsilon: float = 1e-45) -> Array:
    """``log(x + epsilon)``; half precision knows no 1e-45, and gives minus infinity for zero."""
    result: Array = np.log(x + np.float32(epsilon))
    return result


@op("rsqrt", spec="iOS17 elementwise_unary")
def rsqrt(x: Array, epsilon: float = 1e-12) -> Array:
    """``1 / sqrt(x + epsilon)``."""
    result: Array = np.reciprocal(np.sqrt(x + np.float32(epsilon)))
    return result


@op("cast", spec="iOS17 elementwise_unary")
def cast(x: Array, dtype: str) -> Array:
    """Another dtype; fractions are cut off towards zero, and anything but zero is true.

    What an integer dtype cannot hold becomes its nearest bound, and NaN zero, as on Apple's processors; between two
    integer dtypes the low bits stay.
    """
    kind: np.dtype[Any] = np.dtype(KERNEL_TYPES[dtype])
    if x.dtype.kind != "f" or kind.kind not in "iu":
        return x.astype(kind, copy=False)
    bounds = np.iinfo(kind)
    # The largest of 64 bits is no float64: the next one below is.
    top = bounds.max if kind.itemsize < 8 else np.nextafter(float(bounds.max), 0.0)
    return np.clip(np.nan_to_num(x.astype(np.float64)), bounds.min, top).astype(kind)
