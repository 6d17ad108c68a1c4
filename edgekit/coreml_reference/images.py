"""Images as Core ML hands them to a program, and takes them back."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.features import Feature
from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array

_COLOURS = 3


def to_tensor(feature: Feature, image: Array) -> Array:
    """An image ([height, width] gray, or [height, width, 3] RGB, 0 to 255) as a program's tensor.

    Returns:
        float32 [1, 1 or 3, height, width] in the colour order that the model declares. Scale and bias are operations
        of the program.

    Raises:
        InputError: the image has other channels than the model takes, or values that are no 8-bit pixels.
    """
    asked = f"run with {feature.name!r} of shape {list(image.shape)}"
    if feature.colour.startswith("gray"):
        if image.ndim != 2:
            raise InputError(asked, "it takes a gray image", "give [height, width]")
        if feature.colour == "gray-float16":
            return _half(image)[None, None]
        return np.ascontiguousarray(_whole(feature, image)[None, None], dtype=np.float32)
    if image.ndim != _COLOURS or image.shape[2] != _COLOURS:
        raise InputError(asked, "it takes a colour image", "give [height, width, 3] in the order red, green, blue")
    image = _whole(feature, image)
    ordered = image[:, :, ::-1] if feature.colour == "bgr" else image
    return np.ascontiguousarray(ordered.transpose(2, 0, 1)[None], dtype=np.float32)


def _whole(feature: Feature, image: Array) -> Array:
    """Pixels as they are in an image of 8 bits a channel."""
    if image.dtype == np.uint8:
        return image
    with np.errstate(invalid="ignore"):
        pixels = image.astype(np.uint8)
    if not np.array_equal(pixels, image):
        asked = f"run with {feature.name!r} of dtype {image.dtype}"
        raise InputError(asked, "it takes an image of 8 bits a channel", "give whole numbers from 0 to 255")
    return pixels


def _half(image: Array) -> Array:
    with np.errstate(over="ignore"):
        return image.astype(np.float16).astype(np.float32)


def from_tensor(feature: Feature, tensor: Array) -> Array:
    """A program's tensor as an image: uint8 [height, width] or [height, width, 3] RGB, rounded and held to 0..255.

    Raises:
        ExecutionError: the tensor is no image.
    """
    channels = 1 if feature.colour.startswith("gray") else _COLOURS
    if tensor.ndim != 4 or tensor.shape[:2] != (1, channels):
        raise ExecutionError(f"give image {feature.name!r}", f"the program gave shape {list(tensor.shape)}", "")
    if feature.colour == "gray-float16":
        return np.asarray(tensor[0, 0], np.float16)
    pixels: Array = np.clip(np.rint(tensor[0]), 0, 255).astype(np.uint8)
    if feature.colour == "gray":
        return np.asarray(pixels[0])
    image = pixels.transpose(1, 2, 0)
    return np.ascontiguousarray(image[:, :, ::-1] if feature.colour == "bgr" else image)
