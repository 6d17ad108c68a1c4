"""Sampling of images at given places: boxes, coordinates, affine transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.ops.resizing import grid
from edgekit.coreml_reference.registry import op
from edgekit.errors import ExecutionError, UnsupportedError
from edgekit.signature import Array

if TYPE_CHECKING:
    from torch import Tensor


@op("crop_resize", spec="iOS17 image_resizing")
def crop_resize(
    x: Array,
    roi: Array | None = None,
    boxes: Array | None = None,
    box_indices: Array | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,  # noqa: FBT001, FBT002 - bound by name
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Array:
    """Boxes of x [B, C, H, W] resized to one size by bilinear interpolation; ``pad_value`` where they leave the image.

    Up to iOS 16 ``roi`` is [N, 1, 4, 1, 1], every box of every image: [N, B, C, height, width]; or [N, 1, 5, 1, 1],
    image numbers first: [N, 1, C, height, width]. From iOS 17 on ``boxes`` [N, 4] of images ``box_indices`` [N]
    (0, 1, 2, … by default) give [N, C, height, width].
    """
    if boxes is not None:
        lead: tuple[int, ...] = (len(boxes),)
        corners = boxes
        images = np.arange(len(boxes)) if box_indices is None else box_indices.astype(np.int64)
    elif roi is not None:
        corners, images, lead = _regions(roi, x.shape[0])
    else:
        raise UnsupportedError("execute crop_resize", "neither roi nor boxes are given", "")
    if ((images < 0) | (images >= x.shape[0])).any():
        raise ExecutionError("execute crop_resize", f"a box names an image outside of 0 to {x.shape[0] - 1}")
    limits = np.array(x.shape[-2:]) - 1.0
    starts, ends = _corners(corners.astype(np.float64), box_coordinate_mode)
    factor = spatial_scale * (limits if normalized_coordinates else np.ones(2))
    rows, columns = (
        _places(starts[:, axis] * factor[axis], ends[:, axis] * factor[axis], limits[axis], count, sampling_mode)
        for axis, count in enumerate((target_height, target_width))
    )
    out = _boxes(x, images, rows, columns, pad_value)
    return out.reshape(*lead, *out.shape[1:])


def _regions(roi: Array, images: int) -> tuple[Array, Array, tuple[int, ...]]:
    """Boxes, the images that they are cut from, and the leading dimensions of what is cut."""
    flat = roi.reshape(len(roi), -1)
    if flat.shape[1] == 5:
        return flat[:, 1:], flat[:, 0].astype(np.int64), (len(roi), 1)
    return flat.repeat(images, axis=0), np.tile(np.arange(images), len(roi)), (len(roi), images)


def _corners(boxes: Array, mode: str) -> tuple[Array, Array]:
    """Where boxes [N, 4] start and end, height first: [N, 2] each."""
    first, second = boxes[:, :2], boxes[:, 2:]
    if mode.endswith("WIDTH_FIRST"):
        first, second = first[:, ::-1], second[:, ::-1]
    elif not mode.endswith("HEIGHT_FIRST"):
        raise UnsupportedError("execute crop_resize", f"box coordinate mode {mode!r} is unknown", "")
    return (first - second / 2, first + second / 2) if mode.startswith("CENTER_SIZE") else (first, second)


def _places(starts: Array, ends: Array, limit: float, count: int, mode: str) -> Array:
    """Rows, or columns, that boxes from starts to ends sample: [N, count]."""
    places: Array = starts[:, None] + grid(mode, ends - starts + 1, count)
    if mode == "UNALIGN_CORNERS":
        # A box that starts beyond the image samples the whole image: so Apple's test of this mode expects.
        beyond = (np.minimum(starts, ends) >= limit) & (np.maximum(starts, ends) > limit)
        places = np.where(beyond[:, None], grid(mode, int(limit) + 1, count), places)
    return places


def _boxes(x: Array, images: Array, rows: Array, columns: Array, pad_value: float) -> Array:
    """Samples of images x[images] at rows [N, h] and columns [N, w]: [N, C, h, w]."""
    height, width = x.shape[-2:]
    # What is computed from normalized coordinates may leave the image by a rounding error.
    slack = 1e-5
    inside = (rows > -slack) & (rows < height - 1 + slack), (columns > -slack) & (columns < width - 1 + slack)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    above, left = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    below, right = np.minimum(above + 1, height - 1), np.minimum(left + 1, width - 1)
    down = (rows - above).astype(np.float32)[:, None, :, None]
    across = (columns - left).astype(np.float32)[:, None, None, :]

    def pixels(vertical: Array, horizontal: Array) -> Array:
        found: Array = x[images[:, None, None], :, vertical[:, :, None], horizontal[:, None, :]].transpose(0, 3, 1, 2)
        return found

    upper, lower = (pixels(one, left) * (1 - across) + pixels(one, right) * across for one in (above, below))
    values = upper * (1 - down) + lower * down
    out: Array = np.where(inside[0][:, None, :, None] & inside[1][:, None, None, :], values, np.float32(pad_value))
    return out


@op("resample", spec="iOS17 image_resizing")
def resample(
    x: Array,
    coordinates: Array,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,  # noqa: FBT001 - bound by name
) -> Array:
    """Samples of x [B, C, H, W] at coordinates [B, h, w, (x, y)]: [B, C, h, w]."""
    places = tensor(coordinates.astype(np.float32, copy=False))
    return _sample(x, places, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners=align_corners)


@op("affine", spec="iOS15 image_resizing")
def affine(
    x: Array,
    transform_matrix: Array,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,  # noqa: FBT001 - bound by name
) -> Array:
    """Samples of x [B, C, H, W] where matrices [B or 1, 6] take each output pixel's coordinates from -1 to 1."""
    if coordinates_mode.lower() != "normalized_minus_one_to_one":
        raise UnsupportedError("execute affine", f"coordinates mode {coordinates_mode!r} is not defined", "")
    matrices = tensor(transform_matrix).reshape(-1, 2, 3).expand(x.shape[0], 2, 3)
    size = [*x.shape[:2], output_height, output_width]
    places = functional.affine_grid(matrices, size, align_corners=align_corners)
    return _sample(x, places, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners=align_corners)


# What torch's grid_sample calls a padding mode, by the mode and whether corners are aligned.
_TORCH_PADDING = {
    ("constant", True): "zeros",
    ("constant", False): "zeros",
    ("border", True): "border",
    ("border", False): "border",
    ("reflection", True): "reflection",
    ("symmetric", False): "reflection",
}


def _sample(
    x: Array, places: Tensor, sampling: str, padding: str, value: float, coordinates: str, *, align_corners: bool
) -> Array:
    sampling, padding, coordinates = sampling.lower(), padding.lower(), coordinates.lower()
    if sampling not in {"bilinear", "nearest"}:
        raise UnsupportedError("resample", f"sampling mode {sampling!r} is unknown", "use bilinear or nearest")
    torch_padding = _TORCH_PADDING.get((padding, align_corners))
    plain = padding != "constant" or value == 0
    if coordinates == "normalized_minus_one_to_one" and torch_padding is not None and plain:
        return array(functional.grid_sample(tensor(x), places, sampling, torch_padding, align_corners))
    height, width = x.shape[-2:]
    columns, rows = (
        _padded(_pixel(places[..., axis], size, coordinates, align_corners=align_corners), size, padding)
        for axis, size in enumerate((width, height))
    )
    if sampling == "nearest":
        return array(_pixels(tensor(x), rows.round(), columns.round(), value))
    above, left = rows.floor(), columns.floor()
    down, across = (rows - above).unsqueeze(1), (columns - left).unsqueeze(1)
    upper, lower = (
        torch.lerp(_pixels(tensor(x), row, left, value), _pixels(tensor(x), row, left + 1, value), across)
        for row in (above, above + 1)
    )
    return array(torch.lerp(upper, lower, down))


def _pixel(places: Tensor, size: int, mode: str, *, align_corners: bool) -> Tensor:
    """Coordinates as pixel numbers, 0 at the first pixel's centre."""
    if mode == "unnormalized":
        return places
    if mode == "normalized_minus_one_to_one":
        places = (places + 1) / 2
    elif mode != "normalized_zero_to_one":
        raise UnsupportedError("resample", f"coordinates mode {mode!r} is unknown", "use one of the definition's")
    return places * (size - 1) if align_corners else places * size - 0.5


def _padded(places: Tensor, size: int, mode: str) -> Tensor:
    """Pixel numbers brought into the image, unless it is padded with a constant."""
    if mode == "constant":
        return places
    if mode == "reflection":
        # About the first and last pixels' centres.
        period = max(2 * (size - 1), 1)
        places = places.abs() % period
        places = torch.minimum(places, period - places)
    elif mode == "symmetric":
        # About the image's edges, half a pixel further out.
        places = (places + 0.5).abs() % (2 * size)
        places = torch.minimum(places, 2 * size - places) - 0.5
    elif mode != "border":
        raise UnsupportedError("resample", f"padding mode {mode!r} is unknown", "use one of the definition's")
    return places.clamp(0, size - 1)


def _pixels(x: Tensor, rows: Tensor, columns: Tensor, value: float) -> Tensor:
    """Pixels of x [B, C, H, W] at whole rows and columns [B, h, w]; ``value`` outside of the image."""
    height, width = x.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    flat = index.flatten(1)[:, None].expand(-1, x.shape[1], -1)
    found = x.reshape(*x.shape[:2], -1).gather(2, flat).reshape(*x.shape[:2], *rows.shape[1:])
    return torch.where(inside[:, None], found, torch.tensor(value, dtype=found.dtype))
