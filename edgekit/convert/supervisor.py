"""Worker processes, side by side: started, watched, timed out, ended; a crash becomes an error that names the step."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edgekit.convert.job import DISK_FULL, read_json, write_json
from edgekit.errors import ConversionError, EdgekitError, StorageError

_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 3


@dataclass(frozen=True)
class Task:
    """One worker's job: a folder of its own, in which its files lie."""

    name: str
    folder: Path
    job: Mapping[str, Any]

    @property
    def log(self) -> Path:
        """Everything that the worker and the vendor's code in it print."""
        return self.folder / "log.txt"


@dataclass
class Outcome:
    """How a worker ended: a result, or an error."""

    task: Task
    seconds: float
    result: dict[str, Any] = field(default_factory=dict)
    error: EdgekitError | None = None


Event = Callable[[str, str, float], None]


@dataclass
class _Running:
    task: Task
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    started: float
    step: str = ""


def run_tasks(
    tasks: Sequence[Task], *, jobs: int, timeout: float, event: Event, stop_on: Callable[[Outcome], bool]
) -> list[Outcome]:
    """Run every task, at most ``jobs`` at once.

    Args:
        tasks: what to run, started in order.
        jobs: how many processes at once.
        timeout: seconds after which a worker is ended.
        event: told (task, step, seconds since its start) at each new step, and at the end with the step ``""``.
        stop_on: whether an outcome makes the others pointless; they are ended.

    Returns:
        The outcomes in the order in which they ended.
    """
    waiting = list(tasks)
    running: list[_Running] = []
    outcomes: list[Outcome] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(0)))
            for worker in list(running):
                outcome = _look_at(worker, timeout, event)
                if outcome is None:
                    continue
                running.remove(worker)
                outcomes.append(outcome)
                event(worker.task.name, "", outcome.seconds)
                if stop_on(outcome):
                    return outcomes
            time.sleep(_POLL_SECONDS)
    finally:
        for worker in running:
            _end(worker)
    return outcomes


def _start(task: Task) -> _Running:
    task.folder.mkdir(parents=True, exist_ok=True)
    write_json(task.folder / "job.json", task.job)
    log = task.log.open("wb")
    quiet = {
        "PYTHONFAULTHANDLER": "1",
        "PYTHONIOENCODING": "utf-8",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
    # What its parent can import, a factory's module above all, the worker can too.
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    # Vendors leave temporary files behind; in the work folder they go with it.
    temporary = _temporary(task)
    temporary.mkdir(exist_ok=True)
    quiet |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    # A session (on Windows: a group) of its own, so that what a vendor's converter starts can be ended with it.
    apart: dict[str, Any] = (
        {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        if os.name == "nt"
        else {"start_new_session": True}
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit.convert.worker", str(task.folder)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **quiet, "PYTHONPATH": paths},
        **apart,
    )
    return _Running(task, process, log, time.perf_counter())


def _temporary(task: Task) -> Path:
    return (task.folder / "tmp").resolve()


def _look_at(worker: _Running, timeout: float, event: Event) -> Outcome | None:
    """The outcome of a worker that has ended, else ``None``."""
    seconds = time.perf_counter() - worker.started
    step = _step(worker.task)
    # The worker may be caught between emptying the file and writing to it.
    if step and step != worker.step:
        worker.step = step
        event(worker.task.name, step, seconds)
    code = worker.process.poll()
    asked = str(worker.task.job["asked"])
    if code is None and seconds < timeout:
        return None
    _end(worker)
    if code is None:
        error = ConversionError(
            asked, f"timed out after {timeout:.0f} s at: {step or 'start'}", "give it longer with --timeout"
        )
        return Outcome(worker.task, seconds, error=error)
    path = worker.task.folder / "result.json"
    if path.exists():
        result = read_json(path)
        error_json = result.get("error")
        return Outcome(worker.task, seconds, result, EdgekitError.from_json(error_json) if error_json else None)
    if code == DISK_FULL:
        why = f"no space left on the disk at: {step or 'start'}"
        full = StorageError(asked, why, "free some space, or write elsewhere with -o")
        return Outcome(worker.task, seconds, error=full)
    why = f"the process {_death(code)} at: {step or 'start'}; the log ends: {_tail(worker.task.log)}"
    return Outcome(worker.task, seconds, error=ConversionError(asked, why, _advice(code)))


def _step(task: Task) -> str:
    try:
        return (task.folder / "step").read_text(encoding="utf-8")
    except OSError:
        return ""


def _death(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _advice(code: int) -> str:
    if code == -9:
        return "the system ends processes so when memory runs out: use --jobs 1, or a machine with more"
    return "this is a crash in the vendor's code; report it with the log"


def _tail(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-_LOG_TAIL_LINES:])[-400:] or "(empty)"


def _end(worker: _Running) -> None:
    """End a worker and all that it has started."""
    if worker.process.stdin is not None:
        worker.process.stdin.close()
    if os.name == "nt":
        if worker.process.poll() is None:
            command = ["taskkill", "/F", "/T", "/PID", str(worker.process.pid)]
            subprocess.run(command, check=False, capture_output=True)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    worker.log.close()
    shutil.rmtree(_temporary(worker.task), ignore_errors=True)
