"""What durations of several processes say: the median with its interval, percentiles, and what no difference is.

Calls of one process are alike and processes differ (memory layout, which core, who else was there), so the figure is
the median over processes of each process's own median, and its interval comes from a bootstrap that draws processes
first and calls within them second (A. Davison, D. Hinkley: Bootstrap Methods and their Application, 1997, section 3.8).

A percentile is reported as the sample's own value and as MLPerf's early-stopping bound (MLPerf Inference rules,
"Early stopping"): with q calls and percentile p, t is the largest count for which a binomial with q trials of 1 - p has
at most 1 % of its weight at t or below; the bound is the t-th slowest call, and t - 1 slower ones are discarded. It is
a 99 % upper bound of the true percentile. Where no t of 1 or more exists, nothing is reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)

Values = npt.NDArray[np.float64]
# The durations of each process.
Processes = Sequence[Sequence[float] | Values]

_RESAMPLES = 1000
# Of a process's calls no more than these are drawn from: the spread between processes decides, not the hundredth digit.
_DRAWN = 256
_CONFIDENCE = 0.99


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def relative_width(self) -> float:
        """Half the interval's width over the value: 0.03 is plus or minus 3 %."""
        return (self.high - self.low) / 2 / self.value

    def to_json(self) -> dict[str, float]:
        """The estimate as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Percentile:
    """One percentile of single calls.

    Attributes:
        percentile: 90 for the 90th.
        value: the sample's own.
        bound: the early-stopping bound, which the true percentile exceeds in at most 1 % of measurements.
        discarded: calls that were slower than the bound.
    """

    percentile: float
    value: float
    bound: float
    discarded: int

    def to_json(self) -> dict[str, Any]:
        """The percentile as a JSON object."""
        return asdict(self)


def figure(processes: Processes) -> float:
    """The median over processes of each process's median."""
    return float(np.median([np.median(np.asarray(one)) for one in processes]))


def estimate(processes: Processes, *, seed: int = 0) -> Estimate:
    """The figure with its interval from processes and calls resampled.

    Args:
        processes: the durations of each process.
        seed: of the resampling.
    """
    medians = _resampled_medians(processes, np.random.default_rng(seed))
    low, high = np.quantile(medians, (0.025, 0.975))
    value = figure(processes)
    # Of few processes the resampled medians need not reach the sample's own.
    return Estimate(value, min(float(low), value), max(float(high), value))


def ratio(ours: Processes, theirs: Processes, *, paired: bool, seed: int = 0) -> Estimate:
    """Our time over theirs, with its interval.

    Args:
        ours: the durations of each process.
        theirs: the other's.
        paired: the two were timed in turn, process by process: then each process gives one ratio.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    if paired:
        pairs = [
            np.log(_medians_of_draws(a, generator) / _medians_of_draws(b, generator))
            for a, b in zip(ours, theirs, strict=True)
        ]
        logs = [math.log(float(np.median(a)) / float(np.median(b))) for a, b in zip(ours, theirs, strict=True)]
        resampled = np.exp(_median_over_drawn(pairs, generator))
        value = math.exp(float(np.median(logs)))
    else:
        resampled = _resampled_medians(ours, generator) / _resampled_medians(theirs, generator)
        value = figure(ours) / figure(theirs)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Estimate(value, min(float(low), value), max(float(high), value))


def null(processes: Processes, *, seed: int = 0) -> Estimate:
    """The A/A test: the even processes' figure over the odd ones', which differ in nothing."""
    return ratio(processes[::2], processes[1::2], paired=False, seed=seed)


class Interval(Protocol):
    """What has two ends."""

    @property
    def low(self) -> float:
        """The lower end."""

    @property
    def high(self) -> float:
        """The upper end."""


def null_band(null: Interval, smallest: float) -> tuple[float, float]:
    """The ratios that mean nothing: the A/A interval, made symmetric, and at least the smallest difference.

    Args:
        null: the A/A test's interval.
        smallest: relative differences below it are ties, however sure they are.
    """
    most = max(widest(null), 1 + smallest)
    return 1 / most, most


def widest(null: Interval) -> float:
    """The ratio farthest from 1 in an A/A test's interval, as one above it."""
    return max(null.high, 1 / null.low)


def word_of(ratio: Interval, band: tuple[float, float]) -> str:
    """``faster``, ``slower`` or ``tie``: a ratio's interval has to lie outside of what means nothing."""
    low, high = band
    return "faster" if ratio.high < low else "slower" if ratio.low > high else "tie"


def percentiles(durations: Sequence[float] | Values, wanted: Sequence[float] = PERCENTILES) -> tuple[Percentile, ...]:
    """Those percentiles that so many calls allow, of the calls of all processes."""
    ordered = np.sort(np.asarray(durations, np.float64))
    found = []
    for one in wanted:
        rank = early_stopping_rank(len(ordered), one)
        if rank:
            value, bound = float(np.percentile(ordered, one)), float(ordered[-rank])
            found.append(Percentile(one, value, bound, rank - 1))
    return tuple(found)


def early_stopping_rank(calls: int, percentile: float) -> int:
    """The t whose t-th slowest call bounds a percentile; 0 where so few calls bound none."""
    slower = 1 - percentile / 100
    # The terms of the binomial, each from the one before it; logarithms, because 0.5**10000 is no float.
    log_term = calls * math.log1p(-slower)
    weight, limit, rank = math.exp(log_term), 1 - _CONFIDENCE, -1
    while weight <= limit:
        rank += 1
        log_term += math.log(calls - rank) - math.log(rank + 1) + math.log(slower) - math.log1p(-slower)
        weight += math.exp(log_term)
    return max(rank, 0)


def _resampled_medians(processes: Processes, generator: np.random.Generator) -> Values:
    return _median_over_drawn([_medians_of_draws(one, generator) for one in processes], generator)


def _median_over_drawn(columns: Sequence[Values], generator: np.random.Generator) -> Values:
    """Each resample draws as many processes as there are, and takes the median of their medians in that resample."""
    table = np.stack(columns)
    picks = generator.integers(0, len(columns), (len(columns), _RESAMPLES))
    return np.asarray(np.median(table[picks, np.arange(_RESAMPLES)], axis=0), np.float64)


def _medians_of_draws(durations: Sequence[float] | Values, generator: np.random.Generator) -> Values:
    """Medians of one process's durations, resampled."""
    values = np.asarray(durations, np.float64)
    size = min(len(values), _DRAWN)
    return np.asarray(np.median(values[generator.integers(0, len(values), (_RESAMPLES, size))], axis=1), np.float64)
