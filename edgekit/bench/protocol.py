"""How a model is measured: how many processes, how long, how often; versioned, because a figure means nothing without.

Numbers: at least 128 calls and 10 s, or 1,024 and 60 s, are MLPerf Mobile's (its quick and full runs). Fresh processes,
inner loops and warm-ups apart from the values are pyperf's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from edgekit.errors import InputError

# Part of every result: results of different versions are not compared.
VERSION = 2  # 1: the first; 2: slices between fixed work, of which slowed ones do not count


@dataclass(frozen=True)
class Protocol:
    """What one measurement does.

    Attributes:
        name: ``quick`` or ``full``.
        processes: fresh processes, one after the other; more are started where some were disturbed, or they disagree.
        min_calls: calls timed in all of them together, at least.
        min_seconds: seconds timed in all of them together, at least.
        slice_seconds: fixed work is timed before and after every slice of this length.
        slowed: a slice does not count where the fixed work on one of its sides took this many times its shortest.
        quiet_share: of a process's slices; one of which fewer count is disturbed: who is on the core so often is in the
            shared caches all the time (over 18 measurements the median rose with the share set aside, by 12 %).
        wait_seconds: a process waits for so long at most for fixed work not to be slow, before it times anything.
        patience: a process goes on for up to this many times its seconds, until as many of them count as it needs, and
            up to so many times the processes are started, until as many of them have slices enough that count.
        max_values: durations kept of one process; above it several calls are timed together (an inner loop).
        singles: calls that are timed one by one where the others are timed together, for percentiles.
        min_block_seconds: one duration lasts at least this long, so that reading the clock costs it nothing.
        window_seconds: warm-up is judged by the medians of windows of this length.
        settled: warm-up ends when the last three windows' medians are within this factor of each other.
        max_warmup_seconds: warm-up ends here in any case, and the process says that it had not settled.
        memory_calls: calls of the pass that watches memory.
        energy_seconds: length of the pass that watches power, where the device has a sensor for it.
    """

    name: str
    processes: int
    min_calls: int
    min_seconds: float
    slice_seconds: float = 0.02
    slowed: float = 1.1
    quiet_share: float = 0.3
    wait_seconds: float = 10.0
    patience: float = 3.0
    max_values: int = 5000
    singles: int = 1000
    min_block_seconds: float = 20e-6
    window_seconds: float = 0.1
    settled: float = 1.05
    max_warmup_seconds: float = 3.0
    memory_calls: int = 5
    energy_seconds: float = 10.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "name" and not value > 0:
                raise InputError(f"protocol with {one.name} {value}", "it is not positive", "give a positive number")
        if self.processes < 2:
            raise InputError("protocol of one process", "its spread cannot be seen", "give 2 or more")

    @property
    def calls_a_process(self) -> int:
        """Calls that one process times at least."""
        return -(-self.min_calls // self.processes)

    @property
    def seconds_a_process(self) -> float:
        """Seconds that one process times at least."""
        return self.min_seconds / self.processes

    @property
    def fewest_processes(self) -> int:
        """How many have to be left in peace, of as many as are started at most."""
        return max(self.processes // 2, 2)

    @property
    def more_processes(self) -> int:
        """How many processes are started because the first disagree."""
        return max(self.processes // 2, 1)

    @property
    def most_processes(self) -> int:
        """How many processes are started at most."""
        return int(self.processes * self.patience)

    def to_json(self) -> dict[str, Any]:
        """The protocol with its version."""
        return {"version": VERSION, **asdict(self)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Protocol:
        """The protocol that :meth:`to_json` wrote.

        Raises:
            InputError: it is of another version, or has keys that this one does not know.
        """
        given = dict(data)
        if given.pop("version", None) != VERSION:
            why = f"it is version {data.get('version')}, and this edgekit measures by version {VERSION}"
            raise InputError("read a benchmark protocol", why, "measure again with one version of edgekit")
        try:
            return Protocol(**given)
        except TypeError as error:
            raise InputError("read a benchmark protocol", str(error), "measure again") from error


QUICK = Protocol("quick", processes=10, min_calls=128, min_seconds=10.0)
FULL = Protocol("full", processes=20, min_calls=1024, min_seconds=60.0)
