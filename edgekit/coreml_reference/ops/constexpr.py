"""Compressed weights: quantized, palettized or sparse tensors, expanded when a program is first run."""

from __future__ import annotations

import math

import numpy as np

from edgekit.coreml_reference.registry import Ints, op
from edgekit.coreml_reference.weights import unpack
from edgekit.errors import ExecutionError
from edgekit.signature import Array

# Elements that a look-up handles at once: its indices take eight bytes each for that time.
_CHUNK = 1 << 16


@op("constexpr_affine_dequantize", spec="iOS16 constexpr_ops")
def affine_dequantize(quantized_data: Array, zero_point: Array, scale: Array, axis: int) -> Array:
    """``scale * (quantized_data - zero_point)``; scale and zero point are numbers, or vectors along an axis."""
    values: Array = np.subtract(quantized_data, along(zero_point, axis, quantized_data.ndim), dtype=np.float32)
    values *= along(scale, axis, quantized_data.ndim)
    return values


@op("constexpr_cast", spec="iOS16 constexpr_ops")
def constexpr_cast(source_val: Array, output_dtype: str) -> Array:
    """Half precision as float32, as which it is held already."""
    del output_dtype
    return source_val


@op("constexpr_blockwise_shift_scale", spec="iOS18 compression")
def blockwise_shift_scale(data: Array, scale: Array, offset: Array | None = None) -> Array:
    """``scale * (data - offset)`` with one scale and offset for each block of the data.

    The scale has the data's rank; a block's size along an axis is the ratio of their sizes there.
    """
    blocks = _block_sizes(data.shape, scale.shape, "scales")
    # [scales, block] for every axis of the data: scales and offsets broadcast over their blocks.
    split = [size for pair in zip(scale.shape, blocks, strict=True) for size in pair]
    single = [size for count in scale.shape for size in (count, 1)]
    if offset is None:
        values: Array = np.multiply(data.reshape(split), scale.reshape(single), dtype=np.float32)
    else:
        values = np.subtract(data.reshape(split), offset.reshape(single), dtype=np.float32)
        values *= scale.reshape(single)
    whole: Array = values.reshape(data.shape)
    return whole


@op("constexpr_lut_to_dense", spec="iOS16 constexpr_ops, iOS18 compression")
def lut_to_dense(indices: Array, lut: Array, shape: Ints | None = None, vector_axis: int | None = None) -> Array:
    """The entries of look-up tables at indices.

    Up to iOS 17: indices [bytes] hold several elements a byte from the lowest bit up, lut [entries], and the result has
    the shape given. From iOS 18 on: indices [...], lut [tables along each axis of the indices ..., entries, vector];
    vectors longer than 1 extend the result along an axis.
    """
    if shape is not None:
        bits = max(lut.size - 1, 1).bit_length()
        unpacked = unpack(indices, bits, math.prod(shape), signed=False).reshape(shape)
        return _look_up(unpacked, lut.reshape(*[1] * len(shape), lut.size, 1))[..., 0]
    found = _look_up(indices, lut)
    if vector_axis is None or lut.shape[-1] == 1:
        return found[..., 0]
    axis = vector_axis % indices.ndim
    longer = [size * lut.shape[-1] if number == axis else size for number, size in enumerate(indices.shape)]
    dense: Array = np.moveaxis(found, -1, axis + 1).reshape(longer)
    return dense


@op("constexpr_sparse_to_dense", spec="iOS16 constexpr_ops, iOS18 compression")
def sparse_to_dense(nonzero_data: Array, mask: Array, shape: Ints | None = None) -> Array:
    """Values where a mask is set, in row-major order, and zeros elsewhere.

    Up to iOS 17 the mask [bytes] holds one element a bit from the lowest up, and the shape is given.
    """
    if shape is not None:
        mask = unpack(mask, 1, math.prod(shape), signed=False).reshape(shape)
    places = np.flatnonzero(mask)
    if places.size != nonzero_data.size:
        raise ExecutionError(
            "expand sparse weights",
            f"there are {nonzero_data.size} values for {places.size} places",
            "convert the model again",
        )
    dense = np.zeros(mask.shape, nonzero_data.dtype)
    dense.reshape(-1)[places] = nonzero_data
    return dense


@op("constexpr_lut_to_sparse", spec="iOS18 compression")
def lut_to_sparse(
    indices_mask: Array, indices_nonzero_data: Array, lut: Array, vector_axis: int | None = None
) -> tuple[Array, Array]:
    """Sparse indices into look-up tables as a sparse tensor: its mask, and its values [set].

    Vectors longer than 1 repeat the mask along their axis.
    """
    dense = lut_to_dense(sparse_to_dense(indices_nonzero_data, indices_mask), lut, vector_axis=vector_axis)
    mask = indices_mask
    if vector_axis is not None and lut.shape[-1] > 1:
        mask = np.repeat(mask, lut.shape[-1], axis=vector_axis)
    return mask, dense[mask != 0]


@op("constexpr_sparse_blockwise_shift_scale", spec="iOS18 compression")
def sparse_blockwise_shift_scale(
    data_mask: Array, nonzero_data: Array, scale: Array, offset: Array | None = None
) -> tuple[Array, Array]:
    """A sparse tensor shifted and scaled in blocks where its mask is set: the mask, and the new values [set]."""
    dense = blockwise_shift_scale(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]


def along(value: Array, axis: int | None, rank: int) -> Array:
    """A vector laid along an axis of a tensor of that rank; a number as it is.

    Raises:
        ExecutionError: a vector without an axis.
    """
    if value.ndim != 1:
        return value
    if axis is None:
        if value.size == 1:
            return value.reshape(())
        raise ExecutionError("scale along an axis", "no axis is given", "convert the model again")
    return value.reshape([-1 if number == axis % rank else 1 for number in range(rank)])


def _block_sizes(shape: tuple[int, ...], counts: tuple[int, ...], what: str) -> list[int]:
    """How many elements of each axis share one of the counted.

    Raises:
        ExecutionError: the axes do not divide.
    """
    if len(shape) != len(counts) or any(not count or size % count for size, count in zip(shape, counts, strict=True)):
        raise ExecutionError(
            "expand compressed weights",
            f"{what} of shape {list(counts)} do not divide data of shape {list(shape)}",
            "convert the model again",
        )
    return [size // count for size, count in zip(shape, counts, strict=True)]


def _look_up(indices: Array, lut: Array) -> Array:
    """Entries [..., vector] for indices [...] from lut [tables ..., entries, vector]."""
    *tables, entries, vector = lut.shape
    blocks = _block_sizes(indices.shape, tuple(tables), "look-up tables")
    if indices.size and int(indices.max()) >= entries:
        raise ExecutionError(
            "look weights up",
            f"an index is {int(indices.max())}, the table has {entries} entries",
            "convert the model again",
        )
    flat = lut.reshape(-1) if vector == 1 else lut.reshape(-1, vector)
    # Where each element's table begins, as a sum of one vector for each axis.
    begins, stride = [], entries
    for axis in reversed(range(indices.ndim)):
        begin = np.arange(indices.shape[axis]) // blocks[axis] * stride
        begins.append(begin.reshape(-1, *[1] * (indices.ndim - 1 - axis)))
        stride *= tables[axis]
    first, inner = (begins[-1], sum(begins[:-1])) if begins else (np.zeros(1, np.intp), 0)
    result = np.empty((*indices.shape, vector), lut.dtype)
    if not indices.ndim or not indices.size:
        result.reshape(-1, vector)[...] = lut.reshape(-1, vector)[indices.reshape(-1)]
        return result
    step = max(1, _CHUNK * len(indices) // indices.size)
    several = math.prod(tables) > 1
    for start in range(0, len(indices), step):
        chunk = indices[start : start + step].astype(np.intp)
        if several:
            chunk += first[start : start + step]
            chunk += inner
        rows = result[start : start + step]
        # No index is out of range: "clip" only spares numpy a copy.
        np.take(flat, chunk, axis=0, out=rows.reshape(chunk.shape) if vector == 1 else rows, mode="clip")
    return result
