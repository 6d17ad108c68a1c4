"""Timing of callables interleaved in one run.

On a shared machine the same code takes 1.8 times as long in one process as in the next, so durations of two runs say
little about two implementations. Here every round times one block of each callable, in a random order, so that whatever
slows the machine slows them all; only ratios within one run are compared. The first callable is timed twice a round, as
itself and as its own twin: the ratio of the two (an A/A comparison) is what this machine calls "no difference" today,
and a verdict needs an interval that lies outside it. Fixed work is timed between the blocks: rounds in which it was
slow are left out where enough others are left, for not all that slows a machine slows all code alike.

Sources: inner loops calibrated by doubling and warm-ups kept apart from values are pyperf's
(https://pyperf.readthedocs.io/en/latest/run_benchmark.html); the interval is a percentile bootstrap over rounds, paired
(B. Efron, R. Tibshirani: An Introduction to the Bootstrap, 1993, chapters 13 and 8); the second estimate is that of
J. Hodges and E. Lehmann (Estimates of Location Based on Rank Tests, 1963) on the rounds' log ratios. Medians are
compared, not tails: a 90th percentile may be reported from 64 calls on (MLPerf's early stopping), and is not needed to
tell which of two is faster.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from edgekit.bench.protocol import QUICK
from edgekit.bench.slices import limit_ns
from edgekit.bench.statistics import null_band, word_of
from edgekit.bench.yardstick import yardstick_ns
from edgekit.errors import InputError

SCHEMA = 1  # 1: the first

Clock = Callable[[], int]
Durations: TypeAlias = "npt.NDArray[np.float64]"

_RESAMPLES = 2000
_MOST_LOOPS = 2**26
# Fewer quiet rounds than these tell less than all: a ratio is of sides that were slowed alike.
_FEWEST_ROUNDS, _QUIET_SHARE = 10, 0.1
_GLANCES = 3
_ASKED = "compare callables"


@dataclass(frozen=True)
class Ratio:
    """How long one callable takes in units of another: 0.5 is half the time.

    Attributes:
        value: the ratio of the medians.
        low: lower end of the 95 % bootstrap interval.
        high: its upper end.
        hodges_lehmann: the same ratio from the rounds' own ratios, each taken within one round: where it is far from
            ``value``, the machine changed during the run.
    """

    value: float
    low: float
    high: float
    hodges_lehmann: float

    def to_json(self) -> dict[str, float]:
        """The ratio as a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high, "hodges_lehmann": self.hodges_lehmann}

    def __str__(self) -> str:
        return f"{self.value:.3f} (95 % interval {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Comparison:
    """What one interleaved run found.

    Attributes:
        baseline: the callable that the others are compared with.
        durations_ns: nanoseconds a call, one value a round, by callable, in the order of the rounds.
        twin_ns: the baseline timed a second time in every round.
        warmups_ns: the same of the warm-up rounds, apart from the values.
        loops: calls in one timed block, by callable.
        ratios: each other callable's time over the baseline's.
        null: the twin's time over the baseline's: what no difference looks like on this machine, in this run.
        smallest_difference: relative differences below it are ties, however sure they are.
        seed: of the order of the blocks and of the bootstrap.
        seconds: how long the timed rounds took.
        slowed_rounds: how many more there were that do not count: fixed work was slow in them.
    """

    baseline: str
    durations_ns: Mapping[str, tuple[float, ...]]
    twin_ns: tuple[float, ...]
    warmups_ns: Mapping[str, tuple[float, ...]]
    loops: Mapping[str, int]
    ratios: Mapping[str, Ratio]
    null: Ratio
    smallest_difference: float
    seed: int
    seconds: float
    slowed_rounds: int = 0

    @property
    def rounds(self) -> int:
        """How many rounds count."""
        return len(self.twin_ns)

    @property
    def medians_ns(self) -> dict[str, float]:
        """The median of each callable's durations, nanoseconds a call."""
        return {name: float(np.median(values)) for name, values in self.durations_ns.items()}

    @property
    def null_band(self) -> tuple[float, float]:
        """The ratios that mean nothing: the A/A interval, made symmetric, and at least the smallest difference."""
        return null_band(self.null, self.smallest_difference)

    @property
    def verdicts(self) -> dict[str, str]:
        """Of each other callable: ``faster`` or ``slower`` than the baseline, or ``tie``."""
        return {name: self._verdict(ratio) for name, ratio in self.ratios.items()}

    @property
    def ratio(self) -> Ratio:
        """The second callable's time over the first's, where two were compared."""
        return self.ratios[self._second()]

    @property
    def verdict(self) -> str:
        """What the second callable is to the first, where two were compared: ``faster``, ``slower`` or ``tie``."""
        return self.verdicts[self._second()]

    def to_json(self) -> dict[str, Any]:
        """The whole run as a JSON object, raw durations included."""
        low, high = self.null_band
        return {
            "schema": SCHEMA,
            "baseline": self.baseline,
            "rounds": self.rounds,
            "slowed_rounds": self.slowed_rounds,
            "seconds": self.seconds,
            "seed": self.seed,
            "smallest_difference": self.smallest_difference,
            "loops": dict(self.loops),
            "medians_ns": self.medians_ns,
            "ratios": {name: one.to_json() | {"verdict": self.verdicts[name]} for name, one in self.ratios.items()},
            "null": self.null.to_json() | {"band": [low, high]},
            "durations_ns": {name: list(values) for name, values in self.durations_ns.items()},
            "twin_ns": list(self.twin_ns),
            "warmups_ns": {name: list(values) for name, values in self.warmups_ns.items()},
        }

    def __str__(self) -> str:
        low, high = self.null_band
        lines = [f"{name}: {self.verdicts[name]} than {self.baseline}, {one}" for name, one in self.ratios.items()]
        lines = [line.replace("tie than", "a tie with") for line in lines]
        return "\n".join([*lines, f"no difference here is {low:.3f} to {high:.3f}, over {self.rounds} rounds"])

    def _verdict(self, ratio: Ratio) -> str:
        return word_of(ratio, self.null_band)

    def _second(self) -> str:
        if len(self.ratios) != 1:
            names = ", ".join(self.ratios)
            raise InputError(
                "the ratio of the comparison", f"there are several: {names}", "take one of .ratios by name"
            )
        return next(iter(self.ratios))


def compare_callables(
    callables: Mapping[str, Callable[[], object]],
    *,
    min_rounds: int = 30,
    max_seconds: float = 10.0,
    max_rounds: int = 1000,
    warmup_rounds: int = 2,
    min_block_seconds: float = 0.001,
    smallest_difference: float = 0.01,
    seed: int = 0,
    clock: Clock = time.perf_counter_ns,
) -> Comparison:
    """Time two or more callables in turn and say which is faster.

    Args:
        callables: what to time, by name; the first is the baseline. Each is called without arguments.
        min_rounds: timed rounds that a result needs; they are run even if they take longer than ``max_seconds``.
        max_seconds: no further round starts after this long, once ``min_rounds`` are there.
        max_rounds: no further round starts after this many.
        warmup_rounds: rounds before the timed ones, kept apart.
        min_block_seconds: a timed block lasts at least this long; the number of calls in it is found by doubling.
        smallest_difference: relative differences below it are ties.
        seed: of the order within each round and of the bootstrap.
        clock: nanoseconds, monotonic. Beside one that is not the machine's own no fixed work is timed.

    Raises:
        InputError: fewer than two callables, a limit out of range, or a clock that stands still. What a callable raises
            is not caught.
    """
    if len(callables) < 2:
        raise InputError(_ASKED, f"{len(callables)} given", "give two or more, by name")
    if not _FEWEST_ROUNDS <= min_rounds <= max_rounds:
        why = f"min_rounds is {min_rounds} and max_rounds {max_rounds}"
        raise InputError(_ASKED, why, f"min_rounds needs {_FEWEST_ROUNDS} or more, max_rounds no fewer than that")
    names = list(callables)
    # The last entry is the baseline's twin.
    functions = [*callables.values(), callables[names[0]]]
    loops = [_calibrate(function, min_block_seconds * 1e9, clock) for function in functions[:-1]]
    loops.append(loops[0])
    order = random.Random(seed)  # noqa: S311 - an order of measurements, no secret
    gc.collect()
    warmups = [_round(functions, loops, order, clock) for _ in range(warmup_rounds)]
    rounds: list[_Round] = []
    start = clock()
    while len(rounds) < min_rounds or (len(rounds) < max_rounds and clock() - start < max_seconds * 1e9):
        rounds.append(_round(functions, loops, order, clock))
    seconds = (clock() - start) / 1e9
    counted = _quiet(rounds)
    columns = [tuple(column) for column in zip(*(one.durations for one in counted), strict=True)]
    return Comparison(
        baseline=names[0],
        durations_ns=dict(zip(names, columns[:-1], strict=True)),
        twin_ns=columns[-1],
        warmups_ns={name: tuple(one.durations[index] for one in warmups) for index, name in enumerate(names)},
        loops=dict(zip(names, loops[:-1], strict=True)),
        ratios={name: estimate(columns[index], columns[0], seed=seed) for index, name in enumerate(names) if index},
        null=estimate(columns[-1], columns[0], seed=seed),
        smallest_difference=smallest_difference,
        seed=seed,
        seconds=seconds,
        slowed_rounds=len(rounds) - len(counted),
    )


def null_ratio(function: Callable[[], object], **options: Any) -> Ratio:
    """Time a callable against itself: how far from 1 a ratio gets on this machine when nothing differs.

    Args:
        function: what to time.
        options: those of :func:`compare_callables`.
    """
    return compare_callables({"first": function, "second": function}, **options).ratio


def estimate(durations: Sequence[float], baseline: Sequence[float], *, seed: int = 0) -> Ratio:
    """The ratio of two callables' medians, with an interval from rounds resampled in pairs.

    Args:
        durations: one duration a round.
        baseline: the baseline's, of the same rounds in the same order.
        seed: of the resampling.
    """
    ours, theirs = np.asarray(durations, np.float64), np.asarray(baseline, np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1 or not ours.size:
        raise InputError(_ASKED, f"{ours.size} durations beside {theirs.size}", "give one of each a round")
    picks = np.random.default_rng(seed).integers(0, ours.size, (_RESAMPLES, ours.size))
    resampled = np.median(ours[picks], axis=1) / np.median(theirs[picks], axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    value = float(np.median(ours) / np.median(theirs))
    return Ratio(value, float(low), float(high), _hodges_lehmann(np.log(ours / theirs)))


def _hodges_lehmann(logs: Durations) -> float:
    """The median of all pairwise means (each value with itself too), back from the logarithm."""
    first, second = np.triu_indices(logs.size)
    return float(np.exp(np.median((logs[first] + logs[second]) / 2)))


class _Round(NamedTuple):
    """One block of each function: nanoseconds a call, in the functions' order, and of fixed work around each."""

    durations: list[float]
    yardsticks: list[int]


def _round(
    functions: Sequence[Callable[[], object]], loops: Sequence[int], order: random.Random, clock: Clock
) -> _Round:
    """One block of each function in a random order."""
    durations = [0.0] * len(functions)
    yardsticks = [_glance(clock)]
    for index in order.sample(range(len(functions)), len(functions)):
        durations[index] = _block(functions[index], loops[index], clock) / loops[index]
        yardsticks.append(_glance(clock))
    return _Round(durations, yardsticks)


def _glance(clock: Clock) -> int:
    return yardstick_ns(_GLANCES) if clock is time.perf_counter_ns else 0


def _quiet(rounds: Sequence[_Round]) -> Sequence[_Round]:
    """The rounds in which fixed work was never slow; all, where those are too few."""
    limit = limit_ns([ns for one in rounds for ns in one.yardsticks], QUICK.slowed)
    quiet = [one for one in rounds if max(one.yardsticks) <= limit]
    return quiet if len(quiet) >= max(_FEWEST_ROUNDS, _QUIET_SHARE * len(rounds)) else rounds


def _calibrate(function: Callable[[], object], min_block_ns: float, clock: Clock) -> int:
    loops = 1
    while _block(function, loops, clock) < min_block_ns:
        loops *= 2
        if loops > _MOST_LOOPS:
            why = f"{loops} calls of one callable take less than {min_block_ns / 1e6:g} ms"
            raise InputError(_ASKED, why, "give a callable that does something, and a clock in nanoseconds")
    return loops


def _block(function: Callable[[], object], loops: int, clock: Clock) -> int:
    """Nanoseconds that a number of calls take, the garbage collector off; it may run between blocks."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in repeat(None, loops):
            function()
        return clock() - start
    finally:
        if was_enabled:
            gc.enable()
