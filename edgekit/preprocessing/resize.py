"""Pixels to pixels: channels, scaling and cropping in whole levels, as docs/preprocessing.md specifies.

The filters are those of Pillow's ``Image.resize``, to the bit (src/libImaging/Resample.c).
"""

from __future__ import annotations

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

# Pillow's fixed point: 22 bits leave room for 8 bits of pixel and the negative lobes of bicubic in 32.
_PRECISION_BITS = 22
# Output lines filtered together: enough for one matrix product, few enough that their inputs stay in the cache.
_BLOCK = 16


def in_colour(pixels: Array, colour: str) -> Array:
    """The pixels as uint8 [H, W, C] with the channels of ``colour``."""
    shape = pixels.shape
    if (
        pixels.dtype != np.uint8
        or len(shape) not in (2, 3)
        or 0 in shape
        or (len(shape) == 3 and shape[2] not in (3, 4))
    ):
        given = f"got {pixels.dtype} of shape {list(shape)}"
        raise InputError("preprocess pixels", given, "give uint8 of shape [H, W], [H, W, 3] or [H, W, 4], 0…255")
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 1 if colour == "gray" else 3, axis=2)
    if colour == "gray":
        red, green, blue = (pixels[:, :, [i]].astype(np.uint32) for i in range(3))
        # ITU-R BT.601 in 16-bit fixed point, as Pillow's convert("L").
        return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).astype(np.uint8)
    return pixels[:, :, 2::-1] if colour == "bgr" else pixels[:, :, :3]


def centre(outer: int, inner: int) -> int:
    """Where the centre crop starts: half the difference, halves to the even side, as torchvision's CenterCrop."""
    difference = outer - inner
    return difference // 2 + (difference % 4 == 3)


def resized(picture: Array, scaled: tuple[int, int], at: tuple[int, int], size: tuple[int, int], kernel: str) -> Array:
    """The window of ``size`` at ``at`` of the picture scaled to ``scaled``; uint8 [H, W, C] in and out.

    Columns first, then rows, each pass rounded to whole levels.
    """
    height, width, channels = picture.shape
    if kernel == "nearest":
        rows, columns = (
            (2 * (np.arange(n, dtype=np.int64) + start) + 1) * old // (2 * new)
            for n, start, old, new in zip(size, at, (height, width), scaled, strict=True)
        )
        nearest: Array = picture[rows[:, None], columns]
        return nearest
    row_starts, row_weights = _weights(height, scaled[0], at[0], size[0], kernel)
    top = int(row_starts[0])
    needed = picture[top : int(row_starts[-1]) + row_weights.shape[1]]
    starts, weights = _weights(width, scaled[1], at[1], size[1], kernel)
    columns = _filtered(needed.transpose(1, 0, 2).reshape(width, -1), starts, weights).reshape(size[1], -1, channels)
    rows = _filtered(columns.transpose(1, 0, 2).reshape(len(needed), -1), row_starts - top, row_weights)
    return rows.reshape(*size, channels)


def _weights(old: int, new: int, first: int, count: int, kernel: str) -> tuple[Array, Array]:
    """For ``count`` outputs from ``first``: where each one's inputs start, and their weights in 22-bit fixed point."""
    shape, support = (_bilinear, 1.0) if kernel == "bilinear" else (_bicubic, 2.0)
    scale = old / new
    stretch = max(scale, 1.0)
    centre = (np.arange(first, first + count) + 0.5) * scale
    starts = np.maximum((centre - support * stretch + 0.5).astype(np.int64), 0)
    ends = np.minimum((centre + support * stretch + 0.5).astype(np.int64), old)
    inputs = starts[:, None] + np.arange(int((ends - starts).max()))
    weights = shape((inputs - centre[:, None] + 0.5) * (1.0 / stretch))
    weights[inputs >= ends[:, None]] = 0
    # cumsum adds from left to right, which is the order that the specification fixes.
    weights /= np.cumsum(weights, axis=1)[:, -1:]
    return starts, np.trunc(weights * (1 << _PRECISION_BITS) + np.copysign(0.5, weights))


def _bilinear(x: Array) -> Array:
    shape: Array = np.maximum(1.0 - np.abs(x), 0.0)
    return shape


def _bicubic(x: Array) -> Array:
    """Keys' cubic convolution with a = −0.5."""
    x, a = np.abs(x), -0.5
    near, far = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0, (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _filtered(lines: Array, starts: Array, weights: Array) -> Array:
    """Each output line as the weighted sum of its input lines, along the first axis of uint8 [n, m].

    Weights and levels are whole and their sums stay below 2⁵³, so the products in float64 are exact in any order.
    """
    taps = np.arange(weights.shape[1])
    out = np.empty((len(starts), lines.shape[1]), np.uint8)
    for first in range(0, len(starts), _BLOCK):
        block = slice(first, first + _BLOCK)
        begin, places = int(starts[first]), starts[block] - int(starts[first])
        matrix = np.zeros((len(places), int(places[-1]) + len(taps)))
        matrix[np.arange(len(places))[:, None], places[:, None] + taps] = weights[block]
        inputs = lines[begin : begin + matrix.shape[1]].astype(np.float64)
        total = matrix[:, : len(inputs)] @ inputs + (1 << (_PRECISION_BITS - 1))
        out[block] = np.clip(np.floor(total * 2.0**-_PRECISION_BITS), 0, 255)
    return out
