"""Resizing to another size: by scale, by target size, and cropping."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import Ints, op
from edgekit.errors import UnsupportedError
from edgekit.signature import Array

if TYPE_CHECKING:
    from torch import Tensor


def grid(mode: str, size: Array | int, count: int) -> Array:
    """Where ``count`` samples of an axis of ``size`` pixels lie, from 0 to size - 1: [*size, count].

    Sizes may be fractions, or negative for a mirrored box. In float32, spacing first: so frameworks compute it, and a
    position between pixels far from the first one shows the difference. Source: the definition of ``resize_bilinear``.
    """
    extent = np.asarray(size, np.float32)[..., None]
    index = np.arange(count, dtype=np.float32)
    if mode == "STRICT_ALIGN_CORNERS" or (mode == "ALIGN_CORNERS" and count > 1):
        points = index * ((extent - 1) / np.float32(max(count - 1, 1)))
    elif mode == "ALIGN_CORNERS":
        points = (extent - 1) / 2
    elif mode == "DEFAULT":
        points = index * (extent / np.float32(count))
    elif mode == "OFFSET_CORNERS":
        points = (index + np.float32(0.5)) * (np.maximum(extent - 1, 1) / np.float32(count))
    elif mode == "UNALIGN_CORNERS":
        points = (index + np.float32(0.5)) * (extent / np.float32(count)) - np.float32(0.5)
    else:
        raise UnsupportedError("resize", f"sampling mode {mode!r} is unknown", "use one of the definition's")
    clipped: Array = np.clip(points, np.minimum(extent - 1, 0), np.maximum(extent - 1, 0))
    return clipped


@op("upsample_nearest_neighbor", spec="iOS15 image_resizing")
def upsample_nearest_neighbor(x: Array, scale_factor_height: float = 1.0, scale_factor_width: float = 1.0) -> Array:
    """Planes [*D, H, W] by scale factors; output pixel i is input pixel ``floor(i * H / H_out)``."""
    return _interpolate(x, _scaled(x, scale_factor_height, scale_factor_width), "nearest")


@op("resize_nearest_neighbor", spec="iOS15 image_resizing")
def resize_nearest_neighbor(x: Array, target_size_height: int, target_size_width: int) -> Array:
    """Planes [*D, H, W] to a size; output pixel i is the input pixel that its centre lies in."""
    return _interpolate(x, (target_size_height, target_size_width), "nearest-exact")


@op("upsample_bilinear", spec="iOS16 image_resizing")
def upsample_bilinear(
    x: Array,
    scale_factor_height: float = 1.0,
    scale_factor_width: float = 1.0,
    align_corners: bool = True,  # noqa: FBT001, FBT002 - bound by name
    half_pixel_centers: bool | None = None,  # noqa: FBT001 - bound by name
) -> Array:
    """Planes [*D, H, W] by scale factors; the samples are spread anew over the output's whole number of pixels."""
    size = _scaled(x, scale_factor_height, scale_factor_width)
    centred = not align_corners if half_pixel_centers is None else half_pixel_centers
    if align_corners and centred:
        raise UnsupportedError(
            "execute upsample_bilinear", "align_corners and half_pixel_centers exclude each other", ""
        )
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if centred else "DEFAULT"
    return _linear(x, size, mode)


@op("resize_bilinear", spec="iOS15 image_resizing")
def resize_bilinear(
    x: Array, target_size_height: int = 1, target_size_width: int = 1, sampling_mode: str = "DEFAULT"
) -> Array:
    """Planes [*D, H, W] to a size."""
    return _linear(x, (target_size_height, target_size_width), sampling_mode)


@op("resize", spec="iOS17 image_resizing")
def resize(
    x: Array,
    shape: Ints,
    resized_dims: int,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """The last ``resized_dims`` dimensions of x to the last sizes of ``shape``; size 0 leaves a dimension as it is."""
    if resized_dims == 0:
        return x
    now = x.shape[x.ndim - resized_dims :]
    size = tuple(new or old for new, old in zip(shape[len(shape) - resized_dims :], now, strict=True))
    if interpolation_mode == "LINEAR":
        return _linear(x, size, sampling_mode)
    if interpolation_mode != "NEAREST_NEIGHBOR":
        raise UnsupportedError("execute resize", f"interpolation mode {interpolation_mode!r} is unknown", "")
    # Between two pixels the later one. By default a sample lies at its pixel's centre, as resize_nearest_neighbor has
    # it: TensorFlow's half_pixel_centers is converted to either.
    mode = "UNALIGN_CORNERS" if sampling_mode == "DEFAULT" else sampling_mode
    for axis, (old, new) in enumerate(zip(now, size, strict=True), x.ndim - resized_dims):
        if old != new:
            nearest = np.floor(grid(mode, old, new) + 0.5).astype(np.int64)
            x = x.take(nearest.clip(0, old - 1), axis)
    return x


@op("crop", spec="iOS15 image_resizing")
def crop(x: Array, crop_height: Ints, crop_width: Ints) -> Array:
    """Planes [*D, H, W] without so many rows above and below, columns left and right."""
    (top, bottom), (left, right) = crop_height, crop_width
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _scaled(x: Array, height: float, width: float) -> tuple[int, int]:
    # In float32, as the converter works the output's shape out: 10 times 0.7 is 7 there, and less in float64.
    rows, columns = (
        np.floor(np.float32(scale) * np.float32(size))
        for scale, size in zip((height, width), x.shape[-2:], strict=True)
    )
    return int(rows), int(columns)


def _interpolate(x: Array, size: tuple[int, ...], mode: str, *, align_corners: bool | None = None) -> Array:
    """Resizing by torch of the last two dimensions."""
    planes = tensor(x).reshape(1, -1, *x.shape[-2:])
    return array(
        functional.interpolate(planes, size, mode=mode, align_corners=align_corners).reshape(*x.shape[:-2], *size)
    )


def _linear(x: Array, size: tuple[int, ...], mode: str) -> Array:
    """The last dimensions of x to a size, by linear interpolation in each."""
    values = x if x.dtype == np.float32 else x.astype(np.float32)
    if len(size) == 2 and x.ndim > 1 and mode in {"STRICT_ALIGN_CORNERS", "UNALIGN_CORNERS"}:
        return _interpolate(values, size, "bilinear", align_corners=mode == "STRICT_ALIGN_CORNERS")
    out = tensor(values)
    for axis, new in enumerate(size, x.ndim - len(size)):
        out = _along(out, axis, grid(mode, out.shape[axis], new))
    return array(out)


def _along(x: Tensor, axis: int, points: Array) -> Tensor:
    """Samples of x at points of an axis, linear between its pixels."""
    size = x.shape[axis]
    if len(points) == size and (points == np.arange(size)).all():
        return x
    lower = np.floor(points).astype(np.int64)
    weight = torch.from_numpy((points - lower).astype(np.float32)).reshape(-1, *[1] * (x.ndim - 1 - axis))
    first = x.index_select(axis, torch.from_numpy(lower))
    second = x.index_select(axis, torch.from_numpy(np.minimum(lower + 1, size - 1)))
    return torch.lerp(first, second, weight)
