"""The contract itself: parsed from TOML or JSON, checked when built, applied to pixels."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.preprocessing.resize import centre, in_colour, resized
from edgekit.signature import Array, TensorSpec

SCHEMA = 1  # 1: the first

RESIZES = ("stretch", "cover", "contain")
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
COLOURS = ("rgb", "bgr", "gray")
LAYOUTS = ("nchw", "nhwc")
DTYPES = ("float32", "float16", "uint8", "int8", "int16", "int32")

_ASKED = "preprocessing contract"


@dataclass(frozen=True, kw_only=True)
class Contract:
    """How a picture becomes a model's input; see docs/preprocessing.md.

    One number stands for all channels wherever there is one per channel; per-channel values are in the order of
    ``colour``.

    Attributes:
        size: height and width of the input, in pixels.
        resize: ``stretch`` | ``cover`` (scale until the picture covers the size, crop the centre) | ``contain`` (scale
            until it fits inside, fill the rest).
        colour: ``rgb`` | ``bgr`` | ``gray``.
        layout: ``nchw`` | ``nhwc``.
        mean: subtracted from the pixel, in levels 0…255.
        scale: multiplied after that: value = (pixel − mean) × scale.
        input: the input's name; ``None`` where the model has one input.
        crop_fraction: ``cover`` only: the share, in (0, 1], of the scaled picture that the crop keeps.
        fill: ``contain`` only: the levels, 0…255, around the picture.
        interpolation: ``bilinear`` | ``bicubic`` | ``nearest``; the first two filter when they shrink.
        dtype: one of :data:`DTYPES`.
        labels: the classes' names, in the order of the scores.

    Raises:
        InputError: a value out of its range, of the wrong type or at odds with another.
    """

    size: tuple[int, int]
    resize: str
    colour: str
    layout: str
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    input: str | None = None
    crop_fraction: float = 1.0
    fill: tuple[int, ...] = ()
    interpolation: str = "bilinear"
    dtype: str = "float32"
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # From TOML, JSON and untyped callers anything may come.
        given: dict[str, Any] = dict(vars(self))
        for name, known in _CHOICES.items():
            if given[name] not in known:
                raise _refused(name, given[name], f"one of {', '.join(known)}")
        if given["input"] is not None and not (isinstance(given["input"], str) and given["input"]):
            raise _refused("input", given["input"], "the input's name, or leave it off")
        if not _sequence(given["labels"]) or not all(isinstance(label, str) for label in given["labels"]):
            raise _refused("labels", given["labels"], "a list of texts")
        self._set("labels", tuple(given["labels"]))
        size = given["size"]
        if not _sequence(size) or len(size) != 2 or not all(_whole(side) and side > 0 for side in size):
            raise _refused("size", size, "[height, width] in pixels, two whole numbers above 0")
        self._set("size", (int(size[0]), int(size[1])))
        self._check_geometry(given["crop_fraction"], given["fill"])
        self._check_arithmetic()

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _check_geometry(self, fraction: Any, fill: Any) -> None:
        if not _number(fraction) or not 0 < fraction <= 1:
            raise _refused("crop_fraction", fraction, "a number above 0, at most 1")
        if fraction != 1 and self.resize != "cover":
            raise _refused("crop_fraction", fraction, 'resize = "cover" beside it, or leave it off')
        self._set("crop_fraction", float(fraction))
        absent = _sequence(fill) and not fill
        if self.resize != "contain":
            if not absent:
                raise _refused("fill", fill, 'resize = "contain" beside it, or leave it off')
            self._set("fill", ())
            return
        if absent:
            raise _refused("fill", fill, "a level from 0 to 255 for what the picture does not cover")
        levels = self._per_channel("fill")
        if not all(level == int(level) and 0 <= level <= 255 for level in levels):
            raise _refused("fill", fill, "whole levels from 0 to 255")
        self._set("fill", tuple(int(level) for level in levels))

    def _check_arithmetic(self) -> None:
        self._set("mean", self._per_channel("mean"))
        self._set("scale", self._per_channel("scale"))
        if 0 in self.scale:
            raise _refused("scale", list(self.scale), "numbers other than 0")
        limits = np.finfo(self.dtype) if self.dtype.startswith("float") else np.iinfo(self.dtype)
        # The value is linear in the pixel: if black and white fit, everything between does.
        extremes = self._values(np.array([[0], [255]], np.uint8).repeat(self.channels, axis=1))
        if not bool(((extremes >= float(limits.min)) & (extremes <= float(limits.max))).all()):
            given = f"{float(extremes.min()):g} … {float(extremes.max()):g}"
            raise InputError(
                f"{_ASKED}, dtype {self.dtype}",
                f"mean and scale give values of {given}",
                "correct mean, scale or dtype",
            )

    def _per_channel(self, name: str) -> tuple[float, ...]:
        given: Any = getattr(self, name)
        values = tuple(given) if _sequence(given) else (given,)
        if len(values) not in (1, self.channels) or not all(map(_number, values)):
            raise _refused(name, given, f"one number, or {self.channels} in the order of colour {self.colour!r}")
        return tuple(float(value) for value in (values * self.channels)[: self.channels])

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def tensor_shape(self) -> tuple[int, int, int, int]:
        """The shape of one sample, with its batch dimension of 1."""
        height, width = self.size
        return (1, self.channels, height, width) if self.layout == "nchw" else (1, height, width, self.channels)

    def check_against(self, spec: TensorSpec) -> None:
        """Refuse a model's input that this contract's arrays do not fit.

        Raises:
            InputError: the name, the shape (batch apart) or the dtype contradicts.
        """
        asked = f"{_ASKED} for input {spec.name!r}"
        if self.input not in (None, spec.name):
            raise InputError(asked, f"it is for input {self.input!r}", "correct its key input")
        if len(spec.shape) != 4 or not TensorSpec(spec.name, spec.dtype, (1, *spec.shape[1:])).fits(self.tensor_shape):
            made = f"it makes {self.layout.upper()} arrays of shape {list(self.tensor_shape)}"
            raise InputError(asked, f"{made}, the model takes {spec}", "correct its size, layout or colour")
        if spec.dtype != self.dtype:
            raise InputError(asked, f"it makes {self.dtype}, the model takes {spec.dtype}", "correct its dtype")

    def apply(self, pixels: Array) -> Array:
        """One sample from a picture.

        Args:
            pixels: uint8 of shape [H, W] (gray), [H, W, 3] (RGB) or [H, W, 4] (RGB and an alpha, which is dropped).

        Returns:
            An array of :attr:`tensor_shape` and :attr:`dtype`.

        Raises:
            InputError: an array of another dtype or shape.
        """
        picture = self._placed(in_colour(pixels, self.colour))
        value = self._values(picture).astype(self.dtype)
        return np.ascontiguousarray((value.transpose(2, 0, 1) if self.layout == "nchw" else value)[None])

    def _values(self, levels: Array) -> Array:
        value = (levels.astype(np.float32) - np.array(self.mean, np.float32)) * np.array(self.scale, np.float32)
        return value if self.dtype.startswith("float") else np.rint(value)

    def _placed(self, picture: Array) -> Array:
        """The picture scaled, then cropped or filled to :attr:`size`."""
        (height, width), scaled = self.size, self._scaled_size(picture.shape[0], picture.shape[1])
        if self.resize != "contain":
            at = centre(scaled[0], height), centre(scaled[1], width)
            return resized(picture, scaled, at, self.size, self.interpolation)
        canvas = np.empty((height, width, self.channels), np.uint8)
        canvas[:] = self.fill
        top, left = (height - scaled[0]) // 2, (width - scaled[1]) // 2
        inside = resized(picture, scaled, (0, 0), scaled, self.interpolation)
        canvas[top : top + scaled[0], left : left + scaled[1]] = inside
        return canvas

    def _scaled_size(self, height: int, width: int) -> tuple[int, int]:
        """The whole picture's size after scaling, before the crop or the fill."""
        if self.resize == "stretch":
            return self.size
        tall, wide = (math.floor(side / self.crop_fraction) for side in self.size)
        if self.resize == "cover":
            by_height = tall * width >= wide * height
            return (tall, tall * width // height) if by_height else (wide * height // width, wide)
        by_height = tall * width <= wide * height
        # The free side rounds half up, and a thread of a picture keeps one pixel.
        return (
            (tall, max(1, (2 * tall * width + height) // (2 * height)))
            if by_height
            else (max(1, (2 * wide * height + width) // (2 * width)), wide)
        )

    def to_json(self) -> dict[str, Any]:
        """The contract as a JSON object: every key present, lists for tuples, one value per channel."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"schema": SCHEMA} | {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Contract:
        """The contract that :meth:`to_json` wrote.

        Raises:
            InputError: another schema number, an unknown key, a missing one, or a value out of its range.
        """
        if data.get("schema") != SCHEMA:
            raise _refused("schema", data.get("schema"), f"schema {SCHEMA}, which this edgekit reads")
        return _built({key: value for key, value in data.items() if key != "schema"})

    @staticmethod
    def from_toml(path: str | Path) -> Contract:
        """The contract in a TOML file; ``std`` may stand for ``scale``, and ``labels`` may name a text file beside it.

        Raises:
            InputError: the file or its labels cannot be read, or see :meth:`from_json`.
        """
        from edgekit.content import read_toml  # not on the device

        path = Path(path)
        table = read_toml(path)
        try:
            if "std" in table:
                table["scale"] = _inverse(table.pop("std"), table)
            if isinstance(table.get("labels"), str):
                table["labels"] = _read_labels(path.parent / table["labels"])
            return _built(table)
        except InputError as error:
            raise InputError(f"read {path}", f"{error.asked}: {error.why}", error.next_step) from error


_CHOICES = {"resize": RESIZES, "interpolation": INTERPOLATIONS, "colour": COLOURS, "layout": LAYOUTS, "dtype": DTYPES}


def _refused(key: str, given: object, wanted: str) -> InputError:
    return InputError(f"{_ASKED}, {key}", f"got {given!r}", f"give {wanted}")


def _sequence(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Integral)


def _number(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)


def _built(table: Mapping[str, Any]) -> Contract:
    known = {field.name: field.default is MISSING for field in fields(Contract)}
    unknown, absent = sorted(set(table) - set(known)), [k for k, needed in known.items() if needed and k not in table]
    if unknown:
        raise InputError(f"{_ASKED}, {', '.join(unknown)}", "no such key", f"known keys: {', '.join(known)}, std")
    if absent:
        raise InputError(_ASKED, f"{', '.join(absent)} missing", "add every one of them: none has a safe default")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    return Contract(**values)


def _inverse(std: Any, table: Mapping[str, Any]) -> list[float]:
    values = std if isinstance(std, list) else [std]
    if "scale" in table:
        raise InputError(f"{_ASKED}, std", "scale is given too", "give one of them: scale is 1 / std")
    if not all(_number(value) and value != 0 for value in values):
        raise _refused("std", std, "numbers other than 0")
    return [1 / value for value in values]


def _read_labels(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").rstrip().split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"labels {path}", why, "give a text file with one label a line") from error
    if "" in lines:
        raise InputError(f"labels {path}", f"line {lines.index('') + 1} is empty", "give one label a line")
    return lines
