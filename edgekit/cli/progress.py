"""What a conversion says while it goes on: live lines on a terminal, one line a step elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class _Live:
    """Live lines on a terminal, where nobody asked for quiet; they end with the context."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Progress | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


class Reporter(_Live):
    """Receives (task, step, seconds) and shows it on stderr; a context manager."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._tasks: dict[str, TaskID] = {}
        self._started = time.perf_counter()

    def __enter__(self) -> Reporter:
        if not self._quiet and sys.stderr.isatty():
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            from edgekit.cli.console import errors

            self._live = Progress(
                SpinnerColumn(finished_text="✓"),
                TextColumn("{task.fields[name]}", style="bold", markup=False),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=errors(),
                transient=False,
            )
            self._live.start()
        return self

    def event(self, task: str, step: str, seconds: float) -> None:
        """One step of one task; an empty step is its end."""
        if self._quiet:
            return
        if self._live is None:
            print(f"{task}: {step or f'done in {seconds:.1f} s'}", file=sys.stderr, flush=True)  # noqa: T201
            return
        if task not in self._tasks:
            self._tasks[task] = self._live.add_task(step, total=1, name=task)
        identity = self._tasks[task]
        if step:
            self._live.reset(identity, start=False) if self._live.tasks[identity].finished else None
            self._live.start_task(identity)
            self._live.update(identity, description=step, completed=0)
        else:
            self._live.update(identity, description="", completed=1)


class Bar(_Live):
    """One bar for work whose end is known: live on a terminal, one line a step elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._said = ""

    def __enter__(self) -> Bar:
        if not self._quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            from edgekit.cli.console import errors

            # Drawn twice a second: drawing takes a processor's time, and this may be a measurement's.
            self._live = Progress(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=errors(),
                transient=True,
                refresh_per_second=2,
            )
            self._live.start()
            self._task = self._live.add_task("", total=1.0)
        return self

    def event(self, step: str, done: float) -> None:
        """What is being done now, and the share of the whole that is done."""
        if self._live is not None:
            self._live.update(self._task, description=step, completed=done)
        elif not self._quiet and step != self._said:
            print(step, file=sys.stderr, flush=True)  # noqa: T201
        self._said = step
