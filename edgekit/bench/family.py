"""What a browser's processes and the rest of the machine do while a page measures, from Linux's own counters (proc(5)).

A browser is many processes, all of them below the one that started it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.bench.counters import Counters, memory_bytes


class FamilyCounters(Counters):
    """The counters at one moment, a process and all below it taken for one."""

    def __init__(self, pid: int, root: Path = Path("/")) -> None:
        """Read them.

        Args:
            pid: the process.
            root: where the system's ``proc`` is.
        """
        super().__init__(root)
        self._pid = pid
        each = {one: _times(root, one) for one in below(pid, root)}
        self._each = {one: times for one, times in each.items() if times is not None}
        if self._each:
            self._cpu = sum(cpu for cpu, _ in self._each.values())

    def since(self) -> Any:
        """What happened since they were read; the one that waited is the process that computed most."""
        now = FamilyCounters(self._pid, self._root)
        told = self.until(now)
        both = [(now._each[one], times) for one, times in self._each.items() if one in now._each]
        _, waited = max(((after[0] - cpu, after[1] - wait) for after, (cpu, wait) in both), default=(0.0, None))
        share = None if waited is None else max(waited, 0.0) / told.seconds
        return replace(told, cpu_seconds=max(told.cpu_seconds, 0.0), waited=share, switches=None)


class Family:
    """A process and all below it."""

    def __init__(self, pid: int, root: Path = Path("/")) -> None:
        """Watch it.

        Args:
            pid: the process.
            root: where the system's ``proc`` is.
        """
        self._pid, self._root = pid, root
        self._last = FamilyCounters(pid, root)

    def since(self) -> dict[str, Any]:
        """What happened since this was last asked."""
        conditions: dict[str, Any] = self._last.since().to_json()
        self._last = FamilyCounters(self._pid, self._root)
        return conditions

    def page_bytes(self, key: str) -> int | None:
        """A figure of ``/proc/PID/status`` (``VmRSS``, ``VmHWM``) of the process that runs the page.

        Chromium calls it a renderer, and has one or two more in reserve, which are smaller; ``None`` without.
        """
        pages = [one for one in below(self._pid, self._root) if b"--type=renderer" in _command(self._root, one)]
        sizes = [(memory_bytes("VmRSS", one, self._root) or 0, one) for one in pages]
        return memory_bytes(key, max(sizes)[1], self._root) if sizes else None


def below(pid: int, root: Path = Path("/")) -> Iterator[int]:
    """A process, and all that it and those that it started have started and that still run."""
    children: dict[int, list[int]] = {}
    try:
        names = [name for name in os.listdir(root / "proc") if name.isdecimal()]  # noqa: PTH208 - a list of names
    except OSError:
        return
    for name in names:
        fields = _stat(root, int(name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children.get(one, [])


def _stat(root: Path, pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` behind the name, which may hold anything."""
    try:
        text = (root / f"proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _times(root: Path, pid: int) -> tuple[float, float] | None:
    """Seconds that a process computed, and that its main thread waited for a processor."""
    fields = _stat(root, pid)
    try:
        waited = int((root / f"proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), waited
    except (OSError, ValueError, IndexError):
        return None


def _command(root: Path, pid: int) -> bytes:
    try:
        return (root / f"proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
