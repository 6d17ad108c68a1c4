"""Pools, on [n, C, *D] values with one to three spatial dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import Ints, op
from edgekit.coreml_reference.window import Pads, pad_edges, window_pads
from edgekit.errors import UnsupportedError
from edgekit.signature import Array


@op("max_pool", spec="iOS15 pool")
def max_pool(
    x: Array,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    *,
    ceil_mode: bool = False,
) -> Array:
    """The largest element of each window; padding is smaller than any."""
    strides = strides or (1,) * len(kernel_sizes)
    pads = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode)
    call: Any = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[len(pads) - 1]
    wide, margins = tensor(x), _margins(pads, kernel_sizes)
    if margins is None:
        wide, margins = pad_edges(wide, pads, -math.inf), [0] * len(pads)
    return array(call(wide, kernel_sizes, strides, margins))


@op("avg_pool", spec="iOS15 pool")
def avg_pool(
    x: Array,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    *,
    exclude_padding_from_average: bool = False,
    ceil_mode: bool = False,
) -> Array:
    """The mean of each window, whose padding is zero and counts as elements, or does not.

    What ``ceil_mode`` appends beyond the padding never counts, as in PyTorch.
    """
    rank = len(kernel_sizes)
    strides = strides or (1,) * rank
    pads = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode)
    declared = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode=False)
    call: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[rank - 1]
    wide, margins = tensor(x), _margins(pads, kernel_sizes)
    if margins is not None and pads == declared:
        return array(call(wide, kernel_sizes, strides, margins, count_include_pad=not exclude_padding_from_average))
    means = call(pad_edges(wide, pads, 0.0), kernel_sizes, strides)
    counted = ((0, 0),) * rank if exclude_padding_from_average else declared
    return array(means.mul_(tensor(_corrections(x.shape[2:], kernel_sizes, strides, pads, counted))))


@op("l2_pool", spec="iOS15 pool")
def l2_pool(
    x: Array,
    kernel_sizes: Ints,
    pad_type: str,
    strides: Ints | None = None,
    pad: Ints | None = None,
    *,
    ceil_mode: bool = False,
) -> Array:
    """The square root of the sum of each window's squares."""
    strides = strides or (1,) * len(kernel_sizes)
    pads = _pads(x, kernel_sizes, strides, pad_type, pad, ceil_mode=ceil_mode)
    call: Any = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[len(pads) - 1]
    means = call(pad_edges(torch.square(tensor(x)), pads, 0.0), kernel_sizes, strides)
    return array(means.mul_(math.prod(kernel_sizes)).sqrt_())


def _pads(x: Array, kernel: Ints, strides: Ints, pad_type: str, pad: Ints | None, *, ceil_mode: bool) -> Pads:
    """The padding of each dimension; with ``ceil_mode``, as much more after it as the last window needs."""
    sizes = x.shape[2:]
    pads = window_pads(pad_type, pad, sizes, kernel, strides)
    if not ceil_mode:
        return pads
    return tuple(
        (before, after + _appended(size, before, after, reach, stride))
        for size, (before, after), reach, stride in zip(sizes, pads, kernel, strides, strict=True)
    )


def _appended(size: int, before: int, after: int, kernel: int, stride: int) -> int:
    """What ``ceil_mode`` appends to a dimension.

    Raises:
        UnsupportedError: the last window would hold nothing of the operand and its padding.
    """
    outputs = -(-(size + before + after - kernel) // stride) + 1
    # The last window starts in the operand or the padding before it, or is left out.
    if (outputs - 1) * stride >= size + before:
        if before + after == 0:
            raise UnsupportedError(
                f"pool {size} elements in windows of {kernel}, {stride} apart, with ceil_mode",
                "the last window is empty, and its value undefined",
                "leave ceil_mode off",
            )
        outputs -= 1
    return max(0, (outputs - 1) * stride + kernel - size - before - after)


def _margins(pads: Pads, kernel: Ints) -> list[int] | None:
    """The padding as torch's pools take it: as much before as after, and at most half a window."""
    if all(before == after and 2 * before <= size for (before, after), size in zip(pads, kernel, strict=True)):
        return [before for before, _ in pads]
    return None


def _corrections(sizes: Sequence[int], kernel: Ints, strides: Ints, pads: Pads, counted: Pads) -> Array:
    """The size of a window over what it holds of the operand and of the padding that counts: [*D_out]."""
    factors: Array = np.ones((), np.float32)
    for size, reach, stride, (before, after), (low, high) in zip(sizes, kernel, strides, pads, counted, strict=True):
        starts = np.arange(0, before + size + after - reach + 1, stride) - before
        held = np.minimum(starts + reach, size + high) - np.maximum(starts, -low)
        factors = factors[..., None] * (reach / np.maximum(held, 1)).astype(np.float32)
    return factors
