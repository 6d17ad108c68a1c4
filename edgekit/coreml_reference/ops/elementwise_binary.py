"""Elementwise operations of two operands, broadcast to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.coreml_reference.lazy import array, tensor, torch
from edgekit.coreml_reference.registry import op
from edgekit.signature import Array

_SPEC = "iOS15 elementwise_binary"

# Operations that numpy has as they are defined. ``floor_div`` rounds towards negative infinity, and ``mod`` has the
# divisor's sign. A quotient of integers is cut off to its declared dtype afterwards.
_NUMPY: dict[str, Callable[[Array, Array], Any]] = {
    "add": np.add,
    "equal": np.equal,
    "floor_div": np.floor_divide,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mod": np.mod,
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "real_div": np.true_divide,
    "sub": np.subtract,
}


def _kernel(function: Callable[[Array, Array], Any]) -> Callable[[Array, Array], Array]:
    def apply(x: Array, y: Array) -> Array:
        result: Array = function(x, y)
        return result

    return apply


for _name, _function in _NUMPY.items():
    op(_name, spec=_SPEC)(_kernel(_function))


@op("pow", spec=_SPEC)
def power(x: Array, y: Array) -> Array:
    """``x ** y``; a power of integers with a negative exponent is cut off to an integer."""
    if x.dtype.kind == "f":
        # torch knows the cheap exponents (2, 3, 0.5, -1) where the exponent is one number.
        exponent = y.item() if y.ndim == 0 else tensor(y)
        return array(torch.pow(tensor(x), exponent))
    if (y < 0).any():
        return np.power(x.astype(np.float64), y)
    return np.power(x, y)
