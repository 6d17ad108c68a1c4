"""Schemes: how a model's numbers are held, one frozen class each, named by what it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from edgekit.verify.tolerance import Tolerance


@dataclass(frozen=True)
class Float32:
    """Weights and arithmetic in single precision, as trained."""

    name: ClassVar[str] = "float32"
    tolerance: Tolerance = field(default=Tolerance(), init=False)


@dataclass(frozen=True)
class Float16:
    """Weights in half precision, and arithmetic too where the runtime has it: half the size.

    Source of the tolerance: half precision carries 11 significant bits, 6.02 dB each, less what accumulates.
    """

    name: ClassVar[str] = "float16"
    tolerance: Tolerance = field(default=Tolerance(sqnr_db=50), init=False)


Scheme = Float32 | Float16
SCHEMES: dict[str, Scheme] = {scheme.name: scheme for scheme in (Float32(), Float16())}
