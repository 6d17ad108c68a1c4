"""Picture files to pixels, by Pillow."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from edgekit.errors import EdgekitError, InputError, missing
from edgekit.signature import Array

_GRAY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
# What Pillow's readers raise on damaged files.
_DAMAGES = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, struct.error)


def decode_image(path: str | Path) -> Array:
    """A picture file's pixels, upright by its EXIF orientation: uint8 [H, W] where it is gray, else RGB [H, W, 3].

    Palettes and CMYK become RGB, an alpha channel is dropped, as Pillow's ``convert("RGB")`` does.

    Raises:
        InputError: missing, damaged, not a picture, animated, or of a depth that 8 bits cannot hold.
        MissingDependencyError: Pillow is not installed.
    """
    asked = f"decode {path}"
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise missing(asked, "pillow", "samples") from error
    try:
        with Image.open(path) as image:
            # A phone's photograph is often an MPO: the picture, then previews of it.
            if getattr(image, "n_frames", 1) != 1 and image.format != "MPO":
                raise InputError(asked, f"it has {image.n_frames} frames", "save the frame that is meant as a picture")
            target = "L" if image.mode in _GRAY_MODES else "RGB" if image.mode in _COLOUR_MODES else None
            if target is None:
                raise InputError(asked, f"its pixels are {image.mode}, not 8 bits each", "save it as 8-bit gray or RGB")
            return np.array(ImageOps.exif_transpose(image).convert(target))
    except EdgekitError:
        raise
    except FileNotFoundError as error:
        raise InputError(asked, "no such file", "give the path of an existing picture") from error
    except (*_DAMAGES, Image.DecompressionBombError) as error:
        raise InputError(asked, f"not a whole picture ({error})", "give a picture that opens") from error
