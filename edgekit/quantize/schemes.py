"""Schemes: how a model's numbers are held, one frozen class each, named by what it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from edgekit.verify.tolerance import Tolerance

# Eight bits carry 6.02 dB each, less what accumulates from layer to layer and what a tensor's outliers take away.
_EIGHT_BITS = Tolerance(sqnr_db=20, label_agreement=0.98)
# Of four bits no more than this is left in a deep network; whether that is enough, the labels tell.
_FOUR_BITS = Tolerance(sqnr_db=10, label_agreement=0.9)


@dataclass(frozen=True)
class Float32:
    """Weights and arithmetic in single precision, as trained."""

    name: ClassVar[str] = "float32"
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=Tolerance(), init=False)


@dataclass(frozen=True)
class Float16:
    """Weights in half precision, and arithmetic too where the runtime has it: half the size.

    Source of the tolerance: half precision carries 11 significant bits, 6.02 dB each, less what accumulates.
    """

    name: ClassVar[str] = "float16"
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=Tolerance(sqnr_db=50), init=False)


@dataclass(frozen=True)
class Int8Weights:
    """Weights in 8 bits, a scale a channel, widened before they are used: a quarter of the size, no calibration."""

    name: ClassVar[str] = "int8-weights"
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=_EIGHT_BITS, init=False)


@dataclass(frozen=True)
class Int4Weights:
    """Weights in 4 bits, widened before they are used: an eighth of the size, no calibration."""

    name: ClassVar[str] = "int4-weights"
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=_FOUR_BITS, init=False)


@dataclass(frozen=True)
class Int8Dynamic:
    """Weights in 8 bits, activations rounded to 8 bits by the range of each call: no calibration."""

    name: ClassVar[str] = "int8-dynamic"
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=_EIGHT_BITS, init=False)


@dataclass(frozen=True)
class Int8:
    """Weights and activations in 8 bits; the activations' ranges come from samples."""

    name: ClassVar[str] = "int8"
    calibrated: ClassVar[bool] = True
    tolerance: Tolerance = field(default=_EIGHT_BITS, init=False)


@dataclass(frozen=True)
class Int16x8:
    """Weights in 8 bits, activations in 16; their ranges come from samples."""

    name: ClassVar[str] = "int16x8"
    calibrated: ClassVar[bool] = True
    tolerance: Tolerance = field(default=_EIGHT_BITS, init=False)


@dataclass(frozen=True)
class Palette:
    """Weights as places in a table of ``2 ** bits`` numbers a tensor.

    Attributes:
        bits: 1, 2, 4, 6 or 8, which iOS 16 reads, or 3, which iOS 18 reads.
    """

    bits: int
    calibrated: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """``palette4`` for four bits."""
        return f"palette{self.bits}"

    @property
    def tolerance(self) -> Tolerance:
        """As of integers of as many bits."""
        return _EIGHT_BITS if self.bits >= 6 else _FOUR_BITS


@dataclass(frozen=True)
class Pruned:
    """The smallest weights of each tensor become zero and are not stored.

    Attributes:
        percent: how many of them.
    """

    percent: int
    calibrated: ClassVar[bool] = False
    tolerance: Tolerance = field(default=_FOUR_BITS, init=False)

    @property
    def name(self) -> str:
        """``pruned50`` for half of them."""
        return f"pruned{self.percent}"


Scheme = Float32 | Float16 | Int8Weights | Int4Weights | Int8Dynamic | Int8 | Int16x8 | Palette | Pruned
_ALL: tuple[Scheme, ...] = (
    *(Float32(), Float16(), Int8Dynamic(), Int8Weights(), Int4Weights(), Int8(), Int16x8()),
    *(Palette(bits) for bits in (8, 6, 4, 3, 2, 1)),
    *(Pruned(percent) for percent in (50, 75)),
)
SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in _ALL}
