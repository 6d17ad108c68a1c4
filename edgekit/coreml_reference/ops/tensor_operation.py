"""Operations that make, join, part, sort and measure tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.coreml_reference.registry import Arrays, Ints, op
from edgekit.errors import ExecutionError, UnsupportedError
from edgekit.signature import Array


@op("identity", spec="iOS15 tensor_operation")
def identity(x: Any) -> Any:
    """The operand: a tensor or a list."""
    return x


@op("shape", spec="iOS15 tensor_operation")
def shape(x: Array) -> Array:
    """The sizes of a tensor."""
    return np.array(x.shape, np.int32)


@op("fill", spec="iOS15 tensor_operation")
def fill(shape: Ints, value: Array | None = None) -> Array:
    """A tensor of one value, zero by default."""
    return _filled(shape, value)


@op("fill_like", spec="iOS16 tensor_operation")
def fill_like(ref_tensor: Array, value: Array | None = None) -> Array:
    """A tensor of one value, as large as another."""
    return _filled(ref_tensor.shape, value)


def _filled(sizes: Ints, value: Array | None) -> Array:
    return np.zeros(sizes, np.float32) if value is None else np.full(sizes, np.asarray(value).reshape(()))


@op("range_1d", spec="iOS15 tensor_operation")
def range_1d(start: Array, end: Array, step: Array) -> Array:
    """``start``, ``start + step``, … up to ``end``, which is not among them."""
    # numpy scalars rather than Python's: the length is computed in the operands' precision, as the definition does.
    return np.arange(*(np.asarray(one).reshape(-1)[0] for one in (start, end, step)))


@op("one_hot", spec="iOS15 tensor_operation")
def one_hot(
    indices: Array,
    one_hot_vector_size: int,
    axis: int = -1,
    on_value: Array | None = None,
    off_value: Array | None = None,
) -> Array:
    """``on_value`` where the position along the new axis is the index; an index out of range sets nothing."""
    hot = np.expand_dims(indices, -1) == np.arange(one_hot_vector_size)
    on = np.int32(1) if on_value is None else np.asarray(on_value).reshape(())
    off = np.int32(0) if off_value is None else np.asarray(off_value).reshape(())
    return np.moveaxis(np.where(hot, on, off), -1, axis)


@op("non_zero", spec="iOS15 tensor_operation")
def non_zero(x: Array) -> Array:
    """The indices of what is not zero, one a row."""
    return np.argwhere(x)


@op("band_part", spec="iOS15 tensor_operation")
def band_part(x: Array, lower: int = -1, upper: int = -1) -> Array:
    """Zeros outside a band around the diagonal of the last two axes; a negative bound keeps that whole triangle."""
    rows, columns = x.shape[-2:]
    offset = np.arange(columns) - np.arange(rows)[:, None]
    kept = np.ones((rows, columns), np.bool_)
    if lower >= 0:
        kept &= offset >= -lower
    if upper >= 0:
        kept &= offset <= upper
    return np.where(kept, x, np.zeros((), x.dtype))


@op("cumsum", spec="iOS15 tensor_operation")
def cumsum(x: Array, axis: int = 0, *, exclusive: bool = False, reverse: bool = False) -> Array:
    """Running sums along an axis, from its end if ``reverse``, without the element itself if ``exclusive``."""
    ordered = np.flip(x, axis) if reverse else x
    if exclusive:
        # One element later, so that a sum never contains what would have to be subtracted again.
        moved = np.moveaxis(ordered, axis, 0)
        ordered = np.moveaxis(np.concatenate([np.zeros_like(moved[:1]), moved[:-1]]), 0, axis)
    summed: Array = np.cumsum(ordered, axis)
    return np.flip(summed, axis) if reverse else summed


@op("tile", spec="iOS15 tensor_operation")
def tile(x: Array, reps: Ints) -> Array:
    """A tensor repeated along each axis."""
    return np.tile(x, reps)


@op("pad", spec="iOS15 tensor_operation")
def pad(x: Array, pad: Ints, mode: str = "constant", constant_val: Array | None = None) -> Array:
    """Padding before and after each of the last ``len(pad) / 2`` axes."""
    first = x.ndim - len(pad) // 2
    if min(pad, default=0) < 0:
        raise ExecutionError("pad a tensor", f"the padding {list(pad)} is negative", "slice it instead")
    if mode == "constant":
        value = 0 if constant_val is None else np.asarray(constant_val).item()
        widths = [(0, 0)] * first + list(zip(pad[::2], pad[1::2], strict=True))
        return np.pad(x, widths, constant_values=value)
    if mode not in {"reflect", "replicate"}:
        raise UnsupportedError(f"pad with mode {mode!r}", "unknown to edgekit's Core ML reference", "")
    for axis, (before, after) in enumerate(zip(pad[::2], pad[1::2], strict=True), first):
        if before or after:
            x = np.take(x, _padding(x.shape[axis], before, after, mode), axis)
    return x


def _padding(size: int, before: int, after: int, mode: str) -> Array:
    """Where each element of a padded axis comes from."""
    positions = np.arange(-before, size + after)
    if mode == "replicate":
        return positions.clip(0, size - 1)
    # Reflected at the first and last element, which are not repeated: a period of twice the way between them.
    period = max(2 * (size - 1), 1)
    within = positions % period
    return np.minimum(within, period - within) if size > 1 else within


@op("argsort", spec="iOS15 tensor_operation")
def argsort(x: Array, axis: int = -1, *, ascending: bool = False) -> Array:
    """The order of the elements along an axis; equal ones stay in theirs."""
    return np.argsort(x if ascending else descending(x), axis, kind="stable")


def descending(x: Array) -> Array:
    """Keys whose ascending order is the values' descending order."""
    # Complement, not negation, of integers: unsigned ones and the smallest signed one have no negative.
    return -x if x.dtype.kind == "f" else ~x


@op("topk", spec="iOS17 tensor_operation")
def topk(
    x: Array,
    k: int = 1,
    axis: int = -1,
    *,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> Array | tuple[Array, Array]:
    """The ``k`` largest elements along an axis, or smallest if ``ascending``, in order, and their indices.

    Of equal elements the first are taken. A ``k`` of -1 takes all.
    """
    # sort=False allows any order, the sorted one among them; the dtype of the indices is declared with the output.
    del sort, output_indices_dtype
    size = x.shape[axis]
    count = size if k == -1 else k
    if count > size:
        raise ExecutionError(f"take the top {count} elements", f"the axis has {size}", "lower k")
    keys = np.moveaxis(x if ascending else descending(x), axis, -1)
    indices: Array = np.moveaxis(_smallest(keys, count), -1, axis)
    values: Array = np.take_along_axis(x, indices, axis)
    return (values, indices) if return_indices else values


def _smallest(keys: Array, count: int) -> Array:
    """The indices of the smallest keys along the last axis, in order."""
    size = keys.shape[-1]
    if count > 0 and count * 8 <= size:
        chosen = np.sort(np.argpartition(keys, count - 1, axis=-1)[..., :count], axis=-1)
        found = np.take_along_axis(keys, chosen, -1)
        # A partition takes any of several equal keys: it will do where exactly so many are small enough.
        if (np.count_nonzero(keys <= found.max(axis=-1, keepdims=True), axis=-1) == count).all():
            return np.take_along_axis(chosen, np.argsort(found, axis=-1, kind="stable"), -1)
    return np.argsort(keys, axis=-1, kind="stable")[..., :count]


@op("flatten2d", spec="iOS15 tensor_operation")
def flatten2d(x: Array, axis: int = 1) -> Array:
    """Two axes: those before ``axis``, and the rest."""
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@op("concat", spec="iOS15 tensor_operation")
def concat(values: Arrays, axis: int, *, interleave: bool = False) -> Array:
    """Tensors one after another along an axis, or element by element in turn if ``interleave``."""
    if values[0].ndim == 0:
        return np.stack(values)
    if not interleave:
        return np.concatenate(values, axis)
    axis %= values[0].ndim
    sizes = list(values[0].shape)
    sizes[axis] *= len(values)
    return np.stack(values, axis + 1).reshape(sizes)


@op("split", spec="iOS15 tensor_operation")
def split(x: Array, axis: int, num_splits: int | None = None, split_sizes: Ints | None = None) -> tuple[Array, ...]:
    """A tensor in parts along an axis, of the given sizes or of equal ones."""
    if split_sizes is None:
        return tuple(np.split(x, num_splits or 1, axis))
    if sum(split_sizes) != x.shape[axis]:
        raise ExecutionError(f"split into {list(split_sizes)}", f"the axis has {x.shape[axis]} elements", "")
    return tuple(np.split(x, np.cumsum(split_sizes[:-1], dtype=np.int64), axis))


@op("stack", spec="iOS15 tensor_operation")
def stack(values: Arrays, axis: int) -> Array:
    """Tensors side by side along a new axis."""
    return np.stack(values, axis)
