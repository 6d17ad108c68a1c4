"""What one process measured of one model: raw, and read back from JSON as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.bench.statistics import Values


@dataclass(frozen=True)
class Measured:
    """One process's measurement of one model.

    Attributes:
        durations_ns: raw durations, ``loops`` calls each.
        loops: calls in one duration.
        singles_ns: durations of single calls, where those above are of several.
        bound: the calls ran on memory that stays where it is, without copies.
        cold: nanoseconds of the runtime's import, the model's load and its first call.
        warmup: the medians of the warm-up's windows, and whether they settled.
        conditions: what else the machine did (:class:`edgekit.bench.counters.Conditions`).
        yardstick_ns: what a fixed piece of work took before and after.
        disturbed: why the durations say little about the model; empty where nothing is known against them.
    """

    durations_ns: tuple[int, ...]
    loops: int
    singles_ns: tuple[int, ...]
    bound: bool
    cold: Mapping[str, int]
    warmup: Mapping[str, Any]
    conditions: Mapping[str, Any]
    yardstick_ns: tuple[int, ...]
    disturbed: str

    @property
    def calls_ns(self) -> Values:
        """Nanoseconds a call, one for each raw duration."""
        return np.asarray(self.durations_ns, np.float64) / self.loops

    @property
    def single_calls_ns(self) -> Values:
        """Nanoseconds of calls that were timed one by one."""
        return np.asarray(self.singles_ns if self.loops > 1 else self.durations_ns, np.float64)

    def to_json(self) -> dict[str, Any]:
        """The measurement as a JSON object."""
        return {
            "durations_ns": list(self.durations_ns),
            "loops": self.loops,
            "singles_ns": list(self.singles_ns),
            "bound": self.bound,
            "cold": dict(self.cold),
            "warmup": dict(self.warmup),
            "conditions": dict(self.conditions),
            "yardstick_ns": list(self.yardstick_ns),
            "disturbed": self.disturbed,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Measured:
        """The measurement that :meth:`to_json` wrote."""
        raw = {key: tuple(data[key]) for key in ("durations_ns", "singles_ns", "yardstick_ns")}
        return Measured(**{**data, **raw})


def yardstick(process: Measured) -> float:
    """Nanoseconds of the fixed work beside a process's calls: the mean of before and after."""
    return sum(process.yardstick_ns) / len(process.yardstick_ns)


def undisturbed(processes: tuple[Measured, ...], wanted: int) -> tuple[Measured, ...]:
    """The processes that count: the undisturbed ones where they are enough, else all."""
    quiet = tuple(one for one in processes if not one.disturbed)
    return quiet if len(quiet) >= wanted else processes
