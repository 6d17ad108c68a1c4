"""Reductions over some axes, or over one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.coreml_reference.lazy import array, tensor, torch
from edgekit.coreml_reference.registry import Ints, op
from edgekit.signature import Array

_SPEC = "iOS15 reduction"

_Step = Callable[[Array], Any] | None

# What is done to the operand's elements, torch's (and numpy's) reduction, and what is done to its result. Of integers,
# what is no whole number is cut off to the declared dtype afterwards.
_REDUCTIONS: dict[str, tuple[_Step, str, _Step]] = {
    "reduce_l1_norm": (np.abs, "sum", None),
    "reduce_l2_norm": (np.square, "sum", np.sqrt),
    "reduce_log_sum": (None, "sum", np.log),
    "reduce_log_sum_exp": (None, "logsumexp", None),
    "reduce_max": (None, "amax", None),
    "reduce_mean": (None, "mean", None),
    "reduce_min": (None, "amin", None),
    "reduce_prod": (None, "prod", None),
    "reduce_sum": (None, "sum", None),
    "reduce_sum_square": (np.square, "sum", None),
}


def _kernel(before: _Step, name: str, after: _Step) -> Callable[..., Array]:
    def apply(x: Array, axes: Ints | None = None, *, keep_dims: bool = False) -> Array:
        over = tuple(range(x.ndim)) if axes is None else axes
        result = _reduce(name, x if before is None else before(x), over, keep=keep_dims)
        return result if after is None else after(result)

    return apply


def _reduce(name: str, x: Array, axes: Ints, *, keep: bool) -> Array:
    """By torch where it can: it sums floats more accurately than numpy, and faster."""
    if name == "logsumexp":
        # No axis is every axis to torch, and none here: the logarithm undoes the exponential.
        return array(torch.logsumexp(tensor(np.asarray(x, np.float32)), axes, keep)) if axes else x
    if x.dtype.kind == "f" and axes and name != "prod":
        return array(getattr(torch, name)(tensor(x), axes, keep))
    result: Array = getattr(np, name)(x, axis=axes, keepdims=keep)
    return result


for _name, _steps in _REDUCTIONS.items():
    op(_name, spec=_SPEC)(_kernel(*_steps))


@op("reduce_argmax", spec="iOS17 reduction")
def reduce_argmax(
    x: Array,
    axis: int = -1,
    *,
    keep_dims: bool = False,
    output_dtype: str = "int32",  # noqa: ARG001 - the declared output says the same
) -> Array:
    """The index of the largest value along the axis, the first one of several."""
    result: Array = np.argmax(x, axis=axis, keepdims=keep_dims)
    return result


@op("reduce_argmin", spec="iOS17 reduction")
def reduce_argmin(
    x: Array,
    axis: int = -1,
    *,
    keep_dims: bool = False,
    output_dtype: str = "int32",  # noqa: ARG001 - the declared output says the same
) -> Array:
    """The index of the smallest value along the axis, the first one of several."""
    result: Array = np.argmin(x, axis=axis, keepdims=keep_dims)
    return result
