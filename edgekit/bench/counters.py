"""What else the machine did while a process measured: its counters, read before and after.

Linux tells all of it (proc(5): ``/proc/stat``, ``/proc/self/task/*/schedstat``); elsewhere only the process's own time
is known, and the rest is ``None``, never guessed.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.bench.host import usable_cpus


@dataclass(frozen=True)
class Conditions:
    """One stretch of a process's time.

    Attributes:
        seconds: how long it was.
        cpu_seconds: processor time of the process, all threads.
        cpus: processors of the machine.
        usable_cpus: those of them that the process may use.
        others_cpus: how many processors everybody else kept busy on average.
        stolen_cpus: how many the hypervisor gave to other machines.
        waited: the share of the stretch in which the process's main thread could have run and had to wait.
        switches: times it was made to give way.
    """

    seconds: float
    cpu_seconds: float
    cpus: int
    usable_cpus: int
    others_cpus: float | None
    stolen_cpus: float | None
    waited: float | None
    switches: int | None

    def to_json(self) -> dict[str, Any]:
        """The conditions as a JSON object."""
        return asdict(self)


class Counters:
    """The counters at one moment."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Read them.

        Args:
            root: where the system's ``proc`` is; elsewhere than at ``/`` for tests.
        """
        self._root = root
        self._wall = time.perf_counter()
        self._cpu = time.process_time()
        self._busy, self._stolen = _machine_seconds(root)
        self._waited = _waited_seconds(root)
        self._switches = _switches()

    def since(self) -> Conditions:
        """What happened since they were read."""
        return self.until(Counters(self._root))

    def until(self, now: Counters) -> Conditions:
        """What happened between two readings."""
        seconds, cpu = now._wall - self._wall, now._cpu - self._cpu
        others = None
        if now._busy is not None and self._busy is not None:
            # The machine counts ticks of a hundredth of a second, the process nanoseconds: a little below 0 is 0.
            others = max((now._busy - self._busy - cpu) / seconds, 0.0)
        return Conditions(
            seconds=seconds,
            cpu_seconds=cpu,
            cpus=os.cpu_count() or 1,
            usable_cpus=usable_cpus(),
            others_cpus=others,
            stolen_cpus=_rate(self._stolen, now._stolen, seconds),
            waited=_rate(self._waited, now._waited, seconds),
            switches=None if now._switches is None or self._switches is None else now._switches - self._switches,
        )


def memory_bytes(key: str, pid: int | str = "self", root: Path = Path("/")) -> int | None:
    """A figure of ``/proc/PID/status`` (``VmRSS``, ``VmHWM``) in bytes; ``None`` where there is none.

    getrusage would also tell a peak, but of Linux's forks that of the parent too.
    """
    try:
        lines = (root / f"proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith(f"{key}:")]
    return int(found[0].split()[1]) * 1024 if found else None


def _rate(before: float | None, after: float | None, seconds: float) -> float | None:
    return None if before is None or after is None else max((after - before) / seconds, 0.0)


def _machine_seconds(root: Path) -> tuple[float | None, float | None]:
    """Seconds that all processors were busy, and that were stolen, since the machine started."""
    try:
        first = (root / "proc/stat").read_text(encoding="ascii").splitlines()[0].split()
        # user nice system idle iowait irq softirq steal guest guest_nice; guest time is in user time already.
        ticks = [int(count) for count in first[1:9]]
        hertz = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    except (OSError, ValueError, IndexError):
        return None, None
    if first[0] != "cpu" or len(ticks) < 8:
        return None, None
    return (sum(ticks[:3]) + ticks[5] + ticks[6]) / hertz, ticks[7] / hertz


def _waited_seconds(root: Path) -> float | None:
    """Seconds in which the main thread was runnable and another ran in its place."""
    try:
        return int((root / "proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _switches() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
