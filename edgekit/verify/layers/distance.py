"""How far one tensor is from another, added up run by run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgekit.signature import Array
from edgekit.verify.tolerance import Tolerance

# Below this a sum of float32 squares has lost some of them.
_SMALL = 1e-20


@dataclass
class Distance:
    """The metrics of a verdict (:mod:`edgekit.verify.compare`), without keeping what was compared.

    Attributes:
        problem: what no tolerance forgives; empty where there is nothing.
    """

    signal: float = 0.0
    noise: float = 0.0
    largest_error: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    problem: str = ""

    def add(self, want: Array, have: Array) -> None:
        """One more run: rows of the same elements in the same order."""
        if want.size != have.size:
            self.problem = f"{have.size} elements instead of {want.size}"
            return
        if want.dtype != have.dtype or not self._add_plain(want, have):
            self._add_careful(want.astype(np.float64), have.astype(np.float64))

    def _add_plain(self, want: Array, have: Array) -> bool:
        """In the arrays' own precision, which is enough; ``False``, and nothing added, where it does not."""
        with np.errstate(all="ignore"):
            error = have - want
            low, high, largest = float(want.min()), float(want.max()), float(max(error.max(), -error.min()))
            signal, noise = float(np.dot(want, want)), float(np.dot(error, error))
        # Squares that overflow or underflow, NaN and infinite values.
        odd = not math.isfinite(largest + signal + noise) or signal < _SMALL or (largest > 0 and noise < _SMALL)
        if not odd:
            self._add(low, high, largest, signal, noise)
        return not odd

    def _add_careful(self, want: Array, have: Array) -> None:
        # Where both are infinite alike, or both NaN, nothing departs.
        same = (want == have) | (np.isnan(want) & np.isnan(have))
        strange = ~np.isfinite(have) & ~same
        lost = ~np.isfinite(want) & ~strange & ~same
        if strange.any():
            kind = "NaN" if np.isnan(have[strange]).any() else "Inf"
            self.problem = f"{kind} in {int(strange.sum())} of {have.size} elements"
        elif lost.any():
            self.problem = f"{int(lost.sum())} elements are finite where the original's are not"
        kept = np.isfinite(want) & np.isfinite(have)
        want, have = want[kept], have[kept]
        if want.size:
            error = np.abs(have - want)
            squares = float(np.dot(want, want)), float(np.dot(error, error))
            self._add(float(want.min()), float(want.max()), float(error.max()), *squares)

    def _add(self, low: float, high: float, largest: float, signal: float, noise: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.largest_error = max(self.largest_error, largest)
        self.signal += signal
        self.noise += noise

    @property
    def sqnr_db(self) -> float:
        """Signal over noise; infinite where nothing differs."""
        if self.noise == 0:
            return math.inf
        return 10 * (math.log10(self.signal) - math.log10(self.noise)) if self.signal > 0 else -math.inf

    @property
    def relative(self) -> float | None:
        """The largest error as a share of the original's range, or of its magnitude where it is one value."""
        span = self.high - self.low or abs(self.high)
        if not math.isfinite(span) or span == 0:
            return 0.0 if self.largest_error == 0 else None
        return self.largest_error / span

    def departs(self, tolerance: Tolerance) -> bool:
        """Whether a bound is missed; of labels a layer knows nothing."""
        if self.problem:
            return True
        relative = self.relative
        return (tolerance.sqnr_db is not None and self.sqnr_db < tolerance.sqnr_db) or (
            tolerance.max_abs_error_relative is not None
            and relative is not None
            and relative > tolerance.max_abs_error_relative
        )
