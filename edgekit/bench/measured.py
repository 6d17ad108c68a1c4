"""What one process measured of one model: raw, and read back from JSON as it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np

from edgekit.bench.protocol import Protocol
from edgekit.bench.slices import limit_ns, quiet_ns
from edgekit.bench.statistics import Values


@dataclass(frozen=True)
class Measured:
    """One process's measurement of one model.

    Attributes:
        durations_ns: raw durations, ``loops`` calls each.
        loops: calls in one duration.
        singles_ns: durations of single calls, where those above are of several; equally many of each slice.
        slices: how many of the durations are of each slice.
        yardstick_ns: what a fixed piece of work took beside each slice, the longer of before and after.
        bound: the calls ran on memory that stays where it is, without copies.
        cold: nanoseconds of the runtime's import, the model's load and its first call.
        warmup: the medians of the warm-up's windows, and whether they settled.
        conditions: what else the machine did (:class:`edgekit.bench.counters.Conditions`).
        disturbed: why the durations say little about the model; empty where nothing is known against them.
    """

    durations_ns: tuple[int, ...]
    loops: int
    singles_ns: tuple[int, ...]
    slices: tuple[int, ...]
    yardstick_ns: tuple[int, ...]
    bound: bool
    cold: Mapping[str, int]
    warmup: Mapping[str, Any]
    conditions: Mapping[str, Any]
    disturbed: str

    @property
    def calls_ns(self) -> Values:
        """Nanoseconds a call, one for each raw duration."""
        return np.asarray(self.durations_ns, np.float64) / self.loops

    @property
    def single_calls_ns(self) -> Values:
        """Nanoseconds of calls that were timed one by one."""
        return np.asarray(self.singles_ns if self.loops > 1 else self.durations_ns, np.float64)

    @property
    def seconds(self) -> float:
        """How long all durations are together."""
        return sum(self.durations_ns) / 1e9

    def quiet_share(self, limit_ns: float) -> float:
        """The share of its slices beside which fixed work took no longer than a limit."""
        return float(np.mean(np.asarray(self.yardstick_ns) <= limit_ns))

    def quiet(self, limit_ns: float) -> Measured:
        """Those slices only beside which fixed work took no longer than a limit."""
        kept = np.asarray(self.yardstick_ns) <= limit_ns
        return replace(
            self,
            durations_ns=tuple(compress(self.durations_ns, np.repeat(kept, self.slices))),
            singles_ns=tuple(compress(self.singles_ns, np.repeat(kept, len(self.singles_ns) // len(self.slices)))),
            slices=tuple(compress(self.slices, kept)),
            yardstick_ns=tuple(compress(self.yardstick_ns, kept)),
        )

    def to_json(self) -> dict[str, Any]:
        """The measurement as a JSON object."""
        return {
            "durations_ns": list(self.durations_ns),
            "loops": self.loops,
            "singles_ns": list(self.singles_ns),
            "slices": list(self.slices),
            "yardstick_ns": list(self.yardstick_ns),
            "bound": self.bound,
            "cold": dict(self.cold),
            "warmup": dict(self.warmup),
            "conditions": dict(self.conditions),
            "disturbed": self.disturbed,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Measured:
        """The measurement that :meth:`to_json` wrote."""
        raw = {key: tuple(data[key]) for key in ("durations_ns", "singles_ns", "slices", "yardstick_ns")}
        return Measured(**{**data, **raw})


def counted(
    turns: Sequence[Sequence[Measured]], protocol: Protocol, known_ns: float | None = None
) -> dict[int, tuple[Measured, ...]]:
    """What counts of each process, by its number: of undisturbed ones the quiet slices; all, where that is too little.

    Args:
        turns: the measurements of each process, one of each of its models.
        protocol: how many processes it wants, and what a slowed slice is.
        known_ns: the shortest that fixed work is known to take on this machine, from measurements before.
    """
    heard = peaceful(turns, protocol, known_ns)
    if len(heard) >= protocol.fewest_processes:
        return heard
    alone = {number: tuple(one) for number, one in enumerate(turns) if not one[0].disturbed}
    return alone if len(alone) >= protocol.processes else {number: tuple(one) for number, one in enumerate(turns)}


def peaceful(
    turns: Sequence[Sequence[Measured]], protocol: Protocol, known_ns: float | None = None
) -> dict[int, tuple[Measured, ...]]:
    """The quiet slices of those processes that nobody disturbed and that have enough of them, by number.

    Args:
        turns: see :func:`counted`.
        protocol: see :func:`counted`.
        known_ns: see :func:`counted`.
    """
    # A model leaves its own caches and clocks to the fixed work after it: each has its own limit.
    limits = [limit_ns(seen, protocol.slowed, known_ns) for seen in yardsticks(turns)]
    quiet = {}
    for number, one in enumerate(turns):
        pairs = list(zip(one, limits, strict=True))
        if not one[0].disturbed and all(model.quiet_share(limit) >= protocol.quiet_share for model, limit in pairs):
            quiet[number] = tuple(model.quiet(limit) for model, limit in pairs)
    return quiet


def yardsticks(turns: Sequence[Sequence[Measured]]) -> list[list[int]]:
    """What fixed work took beside each model, in all processes.

    Args:
        turns: see :func:`counted`.
    """
    return [[ns for one in column for ns in one.yardstick_ns] for column in zip(*turns, strict=True)]


def shortest(turns: Sequence[Sequence[Measured]], known_ns: float | None = None) -> list[float] | None:
    """What fixed work takes beside each model where nothing slows it; ``None`` before anything tells.

    Args:
        turns: see :func:`counted`.
        known_ns: see :func:`counted`.
    """
    known = float("inf") if known_ns is None else known_ns
    return [min(quiet_ns(seen), known) for seen in yardsticks(turns)] or None


def filled(turns: Sequence[Sequence[Measured]], protocol: Protocol, known_ns: float | None = None) -> bool:
    """Whether the processes that it wants are there, or will not come: none of the first was left in peace.

    Args:
        turns: see :func:`counted`.
        protocol: see :func:`counted`.
        known_ns: see :func:`counted`.
    """
    if len(turns) < protocol.processes:
        return False
    return not 0 < len(peaceful(turns, protocol, known_ns)) < protocol.processes
