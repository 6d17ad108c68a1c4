"""Operations that give a tensor another shape, or another order along its axes."""

from __future__ import annotations

import math

import numpy as np

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.registry import Arrays, Ints, op
from edgekit.errors import ExecutionError
from edgekit.signature import Array


@op("reshape", spec="iOS17 tensor_transformation")
def reshape(x: Array, shape: Ints, context: Context) -> Array:
    """The same elements in another shape.

    A -1 stands for what is left. A 0 keeps the size of x: up to iOS 16 that of the same axis, where the ranks are
    equal; from iOS 17 on that of the axis which is as far from the last one, and 1 where x has no such axis.
    """
    if 0 not in shape:
        return x.reshape(shape)
    if len(shape) != x.ndim and context.opset in {"CoreML5", "CoreML6"}:
        raise ExecutionError(
            f"reshape {list(x.shape)} to {list(shape)}", "before iOS 17 a 0 needs as many axes on both sides", ""
        )
    kept = (1,) * max(0, len(shape) - x.ndim) + x.shape[max(0, x.ndim - len(shape)) :]
    return x.reshape([size or old for size, old in zip(shape, kept, strict=True)])


@op("reshape_like", spec="iOS16 tensor_transformation")
def reshape_like(x: Array, ref_tensors: Arrays, begins: Arrays, ends: Arrays, end_masks: Arrays) -> Array:
    """A tensor in the shape that ranges of other tensors' axes make up."""
    sizes: list[int] = []
    for reference, begin, end, to_the_end in zip(ref_tensors, begins, ends, end_masks, strict=True):
        sizes += reference.shape[int(begin) : None if bool(to_the_end) else int(end)]
    return x.reshape(sizes)


@op("expand_dims", spec="iOS15 tensor_transformation")
def expand_dims(x: Array, axes: Ints) -> Array:
    """New axes of size 1, counted in the result."""
    return np.expand_dims(x, axes)


@op("squeeze", spec="iOS15 tensor_transformation")
def squeeze(x: Array, axes: Ints | None = None) -> Array:
    """A tensor without its axes of size 1, or those of the given axes that are of size 1."""
    chosen = range(x.ndim) if axes is None else {axis % x.ndim for axis in axes}
    return x.reshape([size for axis, size in enumerate(x.shape) if size != 1 or axis not in chosen])


@op("transpose", spec="iOS15 tensor_transformation")
def transpose(x: Array, perm: Ints) -> Array:
    """The axes in another order."""
    return x.transpose(perm) if x.ndim else x


@op("reverse", spec="iOS15 tensor_transformation")
def reverse(x: Array, axes: Ints | None = None) -> Array:
    """The elements backwards along the given axes, or along all."""
    return np.flip(x, axes)


@op("reverse_sequence", spec="iOS15 tensor_transformation")
def reverse_sequence(x: Array, lengths: Array, seq_axis: int = 0, batch_axis: int = 0) -> Array:
    """The first ``lengths[i]`` elements of each batch entry backwards along ``seq_axis``, the rest as they are."""
    rows = np.moveaxis(x, (batch_axis, seq_axis), (0, 1))
    position = np.arange(rows.shape[1])
    lengths = lengths.astype(np.int64)[:, None]
    source = np.where(position < lengths, lengths - 1 - position, position)
    return np.moveaxis(rows[np.arange(len(rows))[:, None], source], (0, 1), (batch_axis, seq_axis))


@op("sliding_windows", spec="iOS15 tensor_transformation")
def sliding_windows(x: Array, axis: int, size: int, stride: int = 1) -> Array:
    """Every window along an axis: it holds their number from now on, and the axis after it their elements."""
    axis %= x.ndim
    windows: Array = np.lib.stride_tricks.sliding_window_view(x, size, axis)
    return np.moveaxis(windows[(slice(None),) * axis + (slice(None, None, stride),)], -1, axis + 1)


@op("depth_to_space", spec="iOS15 tensor_transformation")
def depth_to_space(x: Array, block_size: int) -> Array:
    """Channels to blocks of pixels, the block's position being the slower part of the channel's number.

    From [n, b * b * C, H, W] to [n, C, H * b, W * b].
    """
    n, channels, height, width = x.shape
    b, depth = block_size, channels // block_size**2
    blocks = x.reshape(n, b, b, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    result: Array = blocks.reshape(n, depth, height * b, width * b)
    return result


@op("space_to_depth", spec="iOS15 tensor_transformation")
def space_to_depth(x: Array, block_size: int) -> Array:
    """The opposite of depth_to_space: from [n, C, H * b, W * b] to [n, b * b * C, H, W]."""
    n, channels, height, width = x.shape
    b = block_size
    blocks = x.reshape(n, channels, height // b, b, width // b, b).transpose(0, 3, 5, 1, 2, 4)
    result: Array = blocks.reshape(n, channels * b * b, height // b, width // b)
    return result


@op("pixel_shuffle", spec="iOS15 tensor_transformation")
def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    """Channels to blocks of pixels, the block's position being the faster part of the channel's number.

    From [n, C * f * f, H, W] to [n, C, H * f, W * f].
    """
    n, channels, height, width = x.shape
    f, depth = upscale_factor, channels // upscale_factor**2
    blocks = x.reshape(n, depth, f, f, height, width).transpose(0, 1, 4, 2, 5, 3)
    result: Array = blocks.reshape(n, depth, height * f, width * f)
    return result


@op("pixel_unshuffle", spec="iOS16 tensor_transformation")
def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    """The opposite of pixel_shuffle: from [n, C, H * f, W * f] to [n, C * f * f, H, W]."""
    n, channels, height, width = x.shape
    f = downscale_factor
    blocks = x.reshape(n, channels, height // f, f, width // f, f).transpose(0, 1, 3, 5, 2, 4)
    result: Array = blocks.reshape(n, channels * f * f, height // f, width // f)
    return result


@op("space_to_batch", spec="iOS15 tensor_transformation")
def space_to_batch(x: Array, block_shape: Ints, paddings: Array) -> Array:
    """Padded blocks of pixels to batch entries, the block's position being the slower part of their number.

    From [n, C, *D] to [prod(b) * n, C, *(D / b)].
    """
    axes = len(block_shape)
    padded = np.pad(x, [(0, 0), (0, 0), *np.asarray(paddings).reshape(axes, 2).tolist()])
    sizes = [size // block for size, block in zip(padded.shape[2:], block_shape, strict=True)]
    parts = [one for pair in zip(sizes, block_shape, strict=True) for one in pair]
    order = [*range(3, 3 + 2 * axes, 2), 0, 1, *range(2, 2 + 2 * axes, 2)]
    blocks = padded.reshape(*x.shape[:2], *parts).transpose(order)
    result: Array = blocks.reshape(x.shape[0] * math.prod(block_shape), x.shape[1], *sizes)
    return result


@op("batch_to_space", spec="iOS15 tensor_transformation")
def batch_to_space(x: Array, block_shape: Ints, crops: Array) -> Array:
    """The opposite of space_to_batch: from [prod(b) * n, C, *D] to [n, C, *(D * b)], then cropped."""
    axes = len(block_shape)
    n = x.shape[0] // math.prod(block_shape)
    order = [axes, axes + 1, *(one for axis in range(axes) for one in (axes + 2 + axis, axis))]
    sizes = [size * block for size, block in zip(x.shape[2:], block_shape, strict=True)]
    joined = x.reshape(*block_shape, n, *x.shape[1:]).transpose(order).reshape(n, x.shape[1], *sizes)
    # Two slices of everything stand for the batch and the channels.
    kept = [slice(None), slice(None)]
    for size, (before, after) in zip(sizes, np.asarray(crops).reshape(axes, 2).tolist(), strict=True):
        kept.append(slice(before, size - after))
    result: Array = joined[tuple(kept)]
    return result
