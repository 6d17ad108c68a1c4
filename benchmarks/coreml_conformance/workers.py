"""Processes that run cases: several at a time, in batches, watched for hanging and crashing, resumable."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coreml_conformance.cases import Case
from coreml_conformance.suites import Suite

ROOT = Path(__file__).resolve().parents[2]
# A process takes this many cases and makes way for a new one: coremltools keeps what it saved until its process ends.
_BATCH = 1500


@dataclass(frozen=True)
class Command:
    """How pytest is called for a suite.

    Attributes:
        python: the environment's interpreter.
        package: where coremltools lies in it.
        suite: which tests.
        every_opset: whether tests also run for opsets newer than the first that they are written for.
    """

    python: Path
    package: Path
    suite: Suite
    every_opset: bool = False

    def arguments(self, *more: str) -> list[str]:
        """The command line."""
        plugins = ["-p", "coreml_conformance.plugin", "-p", "no:cacheprovider", "-p", "no:anyio"]
        if self.suite.classical:
            plugins += ["-p", "coreml_conformance.classical_environment"]
        quiet = ["-q", "-W", "ignore", "--tb=no", "--show-capture=no", "-r", "N"]
        where = ["-c", os.devnull, "--rootdir", str(self.package)]
        without = ["--deselect", self.suite.without] if self.suite.without else []
        return [str(self.python), "-m", "pytest", *plugins, *quiet, *where, *without, *self.suite.paths, *more]

    def environment(self, target: str = "mlprogram", **more: str) -> dict[str, str]:
        """The variables that coremltools' tests and the plugin read."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")]),
            "PYTHONHASHSEED": "0",
            "PYMIL_TEST_TARGETS": target,
            "INCLUDE_MIL_FP32_UNIT_TESTS": "1",
            "RUN_BACKWARD_COMPATIBILITY": "1" if self.every_opset else "0",
            "EDGEKIT_CONFORMANCE_FRAMEWORKS": ",".join(self.suite.frameworks),
            "EDGEKIT_CONFORMANCE_MACOS": self.suite.macos,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TQDM_DISABLE": "1",
            # Many small cases: a thread each is faster than threads that wait for each other.
            "OMP_NUM_THREADS": "1",
            **more,
        }


def collect(command: Command, target: str = "mlprogram") -> list[Case]:
    """Every case, without running any.

    Raises:
        RuntimeError: pytest could not collect them.
    """
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.jsonl"
        done = subprocess.run(
            command.arguments("--collect-only", "-q", f"--conformance-plan={plan}"),
            cwd=command.package,
            env=command.environment(target),
            capture_output=True,
            text=True,
            check=False,
        )
        if not plan.exists():
            raise RuntimeError(f"collecting {command.suite.name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return [Case(**json.loads(line)) for line in plan.read_text(encoding="utf-8").splitlines()]


@dataclass
class _Worker:
    """A process with its batch."""

    number: int
    log: Path
    left: list[Case]
    process: subprocess.Popen[bytes]
    temporary: tempfile.TemporaryDirectory[str]
    seen: int = 0
    since: float = field(default_factory=time.monotonic)

    def finished(self) -> int:
        """How many cases have a line; remembers when the last one came."""
        count = self.log.read_bytes().count(b"\n") if self.log.exists() else 0
        if count != self.seen:
            self.seen, self.since = count, time.monotonic()
        return count


def run_cases(
    command: Command, cases: Sequence[Case], folder: Path, processes: int, tell: Callable[[int], None]
) -> None:
    """Run cases; one log a batch in ``folder``, whose names end in ``.jsonl``.

    Args:
        command: how.
        cases: which; every process takes its part of every file.
        folder: of the logs; whatever is in it already is left.
        processes: how many at a time.
        tell: told how many cases have a result, twice a second.

    Raises:
        RuntimeError: a process ended before it began its first case.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = max(processes, -(-len(cases) // _BATCH))
    waiting = [batch for batch in (list(cases[first::count]) for first in range(count)) if batch]
    number = len(list(folder.glob("*.jsonl")))
    busy: list[_Worker] = []
    done = 0
    try:
        while waiting or busy:
            while waiting and len(busy) < processes:
                busy.append(_start(command, waiting.pop(0), folder, number))
                number += 1
            time.sleep(0.5)
            for worker in list(busy):
                worker.finished()
                if worker.process.poll() is None and time.monotonic() - worker.since > 2 * command.suite.limit:
                    _end(worker.process)
                if worker.process.poll() is not None:
                    busy.remove(worker)
                    rest = _rest(worker)
                    done += len(worker.left) - len(rest)
                    waiting += [rest] if rest else []
            tell(done + sum(worker.seen for worker in busy))
    finally:
        for worker in busy:
            _end(worker.process)
            worker.temporary.cleanup()


def _start(command: Command, batch: list[Case], folder: Path, number: int) -> _Worker:
    log = folder / f"{number:03}.jsonl"
    listed = log.with_suffix(".cases")
    listed.write_text("\n".join(case.id for case in batch) + "\n", encoding="utf-8")
    temporary = tempfile.TemporaryDirectory(prefix="coreml-conformance-", ignore_cleanup_errors=True)
    # The second environment has no pytest-timeout: there a case that hangs is ended from outside only.
    limits = [] if command.suite.classical else [f"--timeout={command.suite.limit}"]
    with log.with_suffix(".out").open("wb") as output:
        process = subprocess.Popen(
            command.arguments(f"--conformance-cases={listed}", *limits),
            cwd=command.package,
            env=command.environment(EDGEKIT_CONFORMANCE_LOG=str(log), TMPDIR=temporary.name),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    return _Worker(number, log, batch, process, temporary)


def _rest(worker: _Worker) -> list[Case]:
    """What a process that ended has not run; the case that ended it is recorded as failed."""
    worker.temporary.cleanup()
    done = _finished(worker.log)
    rest = [case for case in worker.left if case.id not in done]
    if not rest:
        return []
    code = worker.process.returncode
    if code in {-signal.SIGTERM, -signal.SIGINT}:
        # Somebody ended it; the case that it was at has no part in that.
        return rest
    current = worker.log.with_name(worker.log.name + ".current")
    begun = current.read_text(encoding="utf-8") if current.exists() else ""
    culprit = next((case for case in rest if case.id == begun), None)
    if culprit is None:
        tail = worker.log.with_suffix(".out").read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"a process ended with {len(rest)} cases left:\n{tail}")
    why = "ended by the runner: it hung" if code == -_KILL else f"ended the process with code {code}"
    line = {
        **vars(culprit),
        "outcome": "failed",
        "expected_failure": False,
        # Nobody can tell whether it had asked: what ends the process counts against the evaluator.
        "asked": 1,
        "predictions": 0,
        "seen": [],
        "seconds": round(time.monotonic() - worker.since, 3),
        "message": why,
    }
    with worker.log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return [case for case in rest if case is not culprit]


def _finished(log: Path) -> set[str]:
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return {json.loads(line)["id"] for line in lines if line.endswith("}")}


_KILL = int(getattr(signal, "SIGKILL", signal.SIGTERM))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def progress(total: int, name: str) -> Callable[[int], None]:
    """A line with the time left: in place on a terminal, twice a minute elsewhere."""
    began, shown = time.monotonic(), [0.0, -1.0]
    terminal = sys.stderr.isatty()

    def tell(done: int) -> None:
        now = time.monotonic()
        if now - shown[0] < (1 if terminal else 30) and (done < total or shown[1] == total):
            return
        shown[:] = now, done
        left = (now - began) / done * (total - done) if done else 0.0
        line = f"{name}: {done:,} of {total:,} cases" + (f", {left / 60:.0f} min left" if done else "")
        print(("\r" if terminal else "") + line, end="  " if terminal and done < total else "\n", file=sys.stderr)
        sys.stderr.flush()

    return tell


def run_module(command: Command, module: str) -> str:
    """Run a module in the suite's environment; what it printed.

    Raises:
        RuntimeError: it failed.
    """
    done = subprocess.run(
        [str(command.python), "-m", module],
        env=command.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def run_slice(command: Command, log: Path, each: int) -> str:
    """Run the plugin's own choice of cases in one process; what it printed."""
    temporary = log.parent / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        command.arguments(f"--conformance-slice={each}", f"--timeout={command.suite.limit}"),
        cwd=command.package,
        env=command.environment(EDGEKIT_CONFORMANCE_LOG=str(log), TMPDIR=str(temporary)),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
