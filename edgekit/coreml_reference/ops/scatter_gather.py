"""Operations that read or change elements at given indices.

Up to iOS 16 a negative index counts from the end; from iOS 17 on it is out of range. What an index out of range does is
undefined, but safe for memory, unless ``validate_indices`` asks for an error: devices may differ. Here it reads zero
and changes nothing.
"""

from __future__ import annotations

import math

import numpy as np

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.registry import op
from edgekit.errors import ExecutionError, UnsupportedError
from edgekit.signature import Array


@op("gather", spec="iOS17 scatter_gather")
def gather(
    x: Array, indices: Array, context: Context, axis: int = 0, batch_dims: int = 0, *, validate_indices: bool = False
) -> Array:
    """Slices of x along an axis: [*x[:axis], *indices[batch_dims:], *x[axis + 1:]]."""
    axis %= x.ndim
    safe, outside = _checked(indices, x.shape[axis], context, validate=validate_indices)
    if not batch_dims:
        result: Array = np.take(x, safe, axis)
        if outside is not None:
            result[(slice(None),) * axis + (outside,)] = 0
        return result
    # One index vector a batch entry: [batch, between, *indices, after], taken along the third axis.
    batch, inner = math.prod(x.shape[:batch_dims]), indices.shape[batch_dims:]
    rows = x.reshape(batch, math.prod(x.shape[batch_dims:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :]))
    result = np.take_along_axis(rows, safe.reshape(batch, 1, -1, 1), 2)
    if outside is not None:
        result = np.where(outside.reshape(batch, 1, -1, 1), np.zeros((), x.dtype), result)
    shaped: Array = result.reshape(*x.shape[:axis], *inner, *x.shape[axis + 1 :])
    return shaped


@op("gather_along_axis", spec="iOS17 scatter_gather")
def gather_along_axis(
    x: Array, indices: Array, context: Context, axis: int = 0, *, validate_indices: bool = False
) -> Array:
    """Elements of x along an axis, one for each index."""
    safe, outside = _checked(indices, x.shape[axis], context, validate=validate_indices)
    result: Array = np.take_along_axis(x, safe, axis)
    if outside is not None:
        result[outside] = 0
    return result


@op("gather_nd", spec="iOS17 scatter_gather")
def gather_nd(
    x: Array, indices: Array, context: Context, batch_dims: int = 0, *, validate_indices: bool = False
) -> Array:
    """Slices of x, one for each vector along the last axis of the indices."""
    depth = indices.shape[-1]
    sizes = x.shape[batch_dims : batch_dims + depth]
    safe, outside = _checked(indices, np.array(sizes, np.int64), context, validate=validate_indices)
    batches = np.indices(indices.shape[:batch_dims], sparse=True)
    # Every batch axis counts alone, along the axes of the indices that are not batch axes.
    spread = tuple(one.reshape(one.shape + (1,) * (indices.ndim - 1 - batch_dims)) for one in batches)
    places = (*spread, *np.moveaxis(safe, -1, 0))
    result: Array = np.array(x[places])
    if outside is not None:
        result[outside.any(axis=-1)] = 0
    return result


@op("scatter", spec="iOS17 scatter_gather")
def scatter(
    data: Array,
    indices: Array,
    updates: Array,
    context: Context,
    axis: int = 0,
    mode: str = "add",
    *,
    validate_indices: bool = False,
) -> Array:
    """Slices along an axis changed: updates [*data[:axis], *indices, *data[axis + 1:]]."""
    axis %= data.ndim
    safe, outside = _checked(indices, data.shape[axis], context, validate=validate_indices)
    moved = np.moveaxis(data, axis, 0)
    axes = tuple(range(axis, axis + indices.ndim))
    # The width is spelt out: where there is nothing to write, it cannot be inferred.
    width = math.prod(moved.shape[1:])
    rows = np.moveaxis(updates, axes, tuple(range(indices.ndim))).reshape(indices.size, width)
    changed = _change(moved.reshape(len(moved), width), safe.reshape(-1), rows, mode, outside)
    return np.moveaxis(changed.reshape(moved.shape), 0, axis)


@op("scatter_along_axis", spec="iOS17 scatter_gather")
def scatter_along_axis(
    data: Array,
    indices: Array,
    updates: Array,
    context: Context,
    axis: int = 0,
    mode: str = "add",
    *,
    validate_indices: bool = False,
) -> Array:
    """Elements along an axis changed, one for each index."""
    axis %= data.ndim
    safe, outside = _checked(indices, data.shape[axis], context, validate=validate_indices)
    places = list(np.indices(indices.shape, sparse=True))
    places[axis] = safe
    flat = np.ravel_multi_index(tuple(np.broadcast_arrays(*places)), data.shape).reshape(-1)
    changed = _change(data.reshape(-1, 1), flat, updates.reshape(-1, 1), mode, outside)
    result: Array = changed.reshape(data.shape)
    return result


@op("scatter_nd", spec="iOS17 scatter_gather")
def scatter_nd(
    data: Array, indices: Array, updates: Array, context: Context, mode: str = "add", *, validate_indices: bool = False
) -> Array:
    """Slices changed, one for each vector along the last axis of the indices."""
    sizes = data.shape[: indices.shape[-1]]
    safe, outside = _checked(indices, np.array(sizes, np.int64), context, validate=validate_indices)
    flat = np.ravel_multi_index(tuple(np.moveaxis(safe, -1, 0)), sizes).reshape(-1)
    width = math.prod(data.shape[len(sizes) :])
    rows = data.reshape(math.prod(sizes), width)
    wrong: Array | None = None if outside is None else np.asarray(outside.any(axis=-1))
    result: Array = _change(rows, flat, updates.reshape(len(flat), width), mode, wrong).reshape(data.shape)
    return result


def _checked(indices: Array, size: int | Array, context: Context, *, validate: bool) -> tuple[Array, Array | None]:
    """Indices that can be read from, and where they stand for one that is out of range (``None`` if nowhere)."""
    indices = indices.astype(np.int64, copy=False)
    low = -np.asarray(size) if context.opset in {"CoreML5", "CoreML6"} else np.zeros((), np.int64)
    outside: Array = (indices < low) | (indices >= size)
    if outside.any():
        if validate:
            wrong = indices[outside][0]
            raise ExecutionError(f"read or write at index {wrong}", f"the tensor's size is {size} there", "")
        return np.where(outside, 0, indices), outside
    # From here on no index is negative, so that equal places have equal indices.
    return (np.where(indices < 0, indices + size, indices) if (indices < 0).any() else indices), None


_MODES: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


def _change(rows: Array, places: Array, updates: Array, mode: str, outside: Array | None) -> Array:
    """A copy of rows [N, R] with updates [M, R] applied to the rows at places [M], in order."""
    if outside is not None:
        kept = ~outside.reshape(-1)
        places, updates = places[kept], updates[kept]
    if mode == "div" and rows.dtype.kind != "f":
        # Integers are divided as C does: fractions are cut off towards zero.
        whole: Array = np.trunc(_change(rows.astype(np.float64), places, updates, mode, None))
        return whole.astype(rows.dtype)
    result: Array = rows.copy()
    if mode == "update":
        result[places] = updates
        return result
    if mode not in _MODES:
        raise UnsupportedError(f"scatter with mode {mode!r}", "unknown to edgekit's Core ML reference", "")
    combine = _MODES[mode]
    if len(np.unique(places)) == len(places):
        result[places] = combine(result[places], updates)
    else:
        # Slower, but every one of several updates of a place counts.
        combine.at(result, places, updates)
    return result
