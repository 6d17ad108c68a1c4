"""Operations that read or replace a part of a tensor."""

from __future__ import annotations

from typing import Any

from edgekit.coreml_reference.registry import Bools, Ints, op
from edgekit.errors import ExecutionError
from edgekit.signature import Array


@op("slice_by_index", spec="iOS15 tensor_transformation")
def slice_by_index(
    x: Array,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Array:
    """``x[begin:end:stride, …]``."""
    part: Array = x[_selection(x.ndim, begin, end, stride, begin_mask, end_mask, squeeze_mask)]
    return part


@op("slice_update", spec="iOS18 tensor_transformation")
def slice_update(
    x: Array,
    update: Array,
    begin: Ints,
    end: Ints,
    stride: Ints | None = None,
    begin_mask: Bools | None = None,
    end_mask: Bools | None = None,
    squeeze_mask: Bools | None = None,
) -> Array:
    """A copy of x in which ``x[begin:end:stride, …]`` is replaced."""
    result: Array = x.copy()
    part = result[_selection(x.ndim, begin, end, stride, begin_mask, end_mask, squeeze_mask)]
    part[...] = update.reshape(part.shape)
    return result


def _selection(
    rank: int,
    begin: Ints,
    end: Ints,
    stride: Ints | None,
    begin_mask: Bools | None,
    end_mask: Bools | None,
    squeeze_mask: Bools | None,
) -> tuple[Any, ...]:
    """What numpy calls it: a masked bound is left off, a squeezed axis has an index instead of a slice."""
    none = (False,) * rank
    axes = zip(
        begin,
        end,
        stride or (1,) * rank,
        begin_mask or none,
        end_mask or none,
        squeeze_mask or none,
        strict=True,
    )
    # The ellipsis keeps the result an array, and a view of x, where every axis is squeezed.
    return (
        *(
            (0 if from_start else first)
            if single
            else slice(None if from_start else first, None if to_end else last, step)
            for first, last, step, from_start, to_end, single in axes
        ),
        ...,
    )


@op("slice_by_size", spec="iOS15 tensor_transformation")
def slice_by_size(x: Array, begin: Ints, size: Ints) -> Array:
    """``size`` elements from ``begin`` on along each axis; all that follow where the size is -1."""
    parts = []
    for total, first, count in zip(x.shape, begin, size, strict=True):
        start = first + total if first < 0 else first
        stop = total if count == -1 else start + count
        if not 0 <= start <= stop <= total:
            raise ExecutionError(
                f"slice {list(size)} elements from {list(begin)} on", f"the tensor has {list(x.shape)}", ""
            )
        parts.append(slice(start, stop))
    part: Array = x[tuple(parts)]
    return part
