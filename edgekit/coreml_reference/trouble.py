"""Where half precision breaks: found while the reference runs, before a phone meets it.

Three things beyond rounding go wrong in half precision, whose range ends at 65504 and at 6e-8: values overflow to
infinity, the sums of squares inside norms overflow or vanish, and a softmax becomes all or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.coreml_reference.program import Operation
from edgekit.signature import Array

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).smallest_subnormal)


@dataclass(frozen=True)
class Trouble:
    """Where half precision changes a result beyond rounding.

    Attributes:
        layer: the operation's name.
        op: its type.
        kind: ``overflow``, ``norm`` or ``saturated``.
        detail: the numbers, for people.
    """

    layer: str
    op: str
    kind: str
    detail: str

    def __str__(self) -> str:
        """One line for people."""
        return f"half precision in layer {self.layer!r} ({self.op}): {self.detail}"


def find_trouble(operation: Operation, arguments: Mapping[str, Any], exact: Array, rounded: Array) -> Trouble | None:
    """What half precision does to an operation beyond rounding, if anything.

    Args:
        operation: the operation.
        arguments: what its kernel took.
        exact: its result in float32.
        rounded: the result in half precision, held as float32.
    """
    overflow = np.isinf(rounded) & np.isfinite(exact)
    if overflow.any():
        largest = float(np.abs(exact[np.isfinite(exact)]).max())
        detail = f"{int(overflow.sum())} of {exact.size} values overflow to infinity (largest {largest:.4g})"
        return Trouble(operation.name, operation.type, "overflow", detail)
    if operation.type in _NORMS:
        return _norm(operation, arguments)
    if operation.type == "softmax":
        return _softmax(operation, arguments, exact, rounded)
    return None


def _norm(operation: Operation, arguments: Mapping[str, Any]) -> Trouble | None:
    """Norms square their input: what is fine itself may be out of range squared."""
    x = arguments["x"]
    squares = _NORMS[operation.type](x.astype(np.float64), arguments)
    epsilon = float(arguments.get("epsilon") or 0.0)
    groups = squares.size
    high = int((squares > _LARGEST).sum())
    if high:
        detail = f"the squares of {high} of {groups} norms overflow (largest {float(squares.max()):.4g})"
        return Trouble(operation.name, operation.type, "norm", detail)
    low = int(((squares > 0) & (squares + epsilon < _SMALLEST)).sum())
    if low:
        detail = f"the squares of {low} of {groups} norms vanish (smallest {float(squares[squares > 0].min()):.4g})"
        return Trouble(operation.name, operation.type, "norm", detail)
    return None


def _spread(x: Array, axes: tuple[int, ...]) -> Array:
    spread: Array = x.var(axis=axes)
    return spread


def _layer(x: Array, arguments: Mapping[str, Any]) -> Array:
    return _spread(x, tuple(arguments.get("axes") or range(1, x.ndim)))


def _instance(x: Array, _: Mapping[str, Any]) -> Array:
    return _spread(x, tuple(range(2, x.ndim)))


def _l2(x: Array, _: Mapping[str, Any]) -> Array:
    total: Array = np.square(x).sum(axis=tuple(range(max(x.ndim - 3, 0), x.ndim)))
    return total


def _reduced(x: Array, arguments: Mapping[str, Any]) -> Array:
    total: Array = np.square(x).sum(axis=arguments.get("axes"))
    return total


_NORMS = {"layer_norm": _layer, "instance_norm": _instance, "l2_norm": _l2, "reduce_l2_norm": _reduced}


def _softmax(operation: Operation, arguments: Mapping[str, Any], exact: Array, rounded: Array) -> Trouble | None:
    """Rows of which only a one is left, although their other values are not zero."""
    axis = int(arguments.get("axis", -1))
    lost = (rounded.max(axis=axis) == 1) & ((rounded != 0).sum(axis=axis) == 1) & ((exact != 0).sum(axis=axis) > 1)
    if not lost.any():
        return None
    detail = f"{int(lost.sum())} of {lost.size} rows saturate: a one beside zeros"
    return Trouble(operation.name, operation.type, "saturated", detail)
