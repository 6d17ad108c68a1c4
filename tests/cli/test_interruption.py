"""Ended in the middle of a conversion: by Ctrl-C, by a signal, by force. Nothing half-written, nobody left running."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command import EDGEKIT, edgekit

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

# A model that takes for ever to load, in a worker with a child of its own; says who they are.
_SLOW = """
import os, subprocess, sys, time
from pathlib import Path

def build():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path("pids.part").write_text(f"{os.getpid()} {child.pid}")
    Path("pids.part").rename("pids")
    time.sleep(300)
"""
# A terminal in between: what is written to its standard input is typed.
_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
COMMAND = [EDGEKIT, "convert", "slow:build", "--input-shape", "x=1,4", "-o", "net.edge", "--force"]


@pytest.fixture
def folder(made_bundle: Path, tmp_path: Path) -> Path:
    """A folder with a bundle that is about to be replaced."""
    shutil.copy(made_bundle, tmp_path / "net.edge")
    (tmp_path / "slow.py").write_text(_SLOW, encoding="utf-8")
    return tmp_path


def workers(folder: Path) -> list[int]:
    """The worker and its child, once they run."""
    end = time.monotonic() + 60
    while not (folder / "pids").exists():
        assert time.monotonic() < end, "no worker started"
        time.sleep(0.05)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def left_running(pids: list[int], seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while pids and time.monotonic() < end:
        pids = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        time.sleep(0.05)
    return pids


def start(folder: Path, command: list[str] = COMMAND, **more: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload]


def check_nothing_left(folder: Path, before: bytes, pids: list[int]) -> None:
    assert left_running(pids, 5) == []
    assert (folder / "net.edge").read_bytes() == before
    names = {path.name for path in folder.iterdir()} - {"__pycache__"}
    assert names == {"net.edge", "slow.py", "pids"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_signal_to_the_command_alone(number: signal.Signals, folder: Path) -> None:
    before = (folder / "net.edge").read_bytes()
    with start(folder, stdin=subprocess.DEVNULL) as process:
        pids = workers(folder)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == b""
    assert b"error: interrupted; nothing was left half-written" in err
    assert b"Traceback" not in err
    check_nothing_left(folder, before, pids)


def test_ctrl_c_typed_on_a_terminal(folder: Path) -> None:
    before = (folder / "net.edge").read_bytes()
    with start(folder, [sys.executable, "-c", _TERMINAL, *COMMAND], stdin=subprocess.PIPE) as process:
        pids = workers(folder)
        assert process.stdin is not None
        process.stdin.write(b"\x03")
        process.stdin.flush()
        code = process.wait(timeout=20)
        shown = process.stdout.read() if process.stdout else b""
    assert code == 130
    assert b"interrupted" in shown
    assert b"Traceback" not in shown
    check_nothing_left(folder, before, pids)


def test_impatient_ctrl_c(folder: Path) -> None:
    before = (folder / "net.edge").read_bytes()
    with start(folder, stdin=subprocess.DEVNULL) as process:
        pids = workers(folder)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err
    check_nothing_left(folder, before, pids)


def test_kill_leaves_no_worker_and_the_old_bundle(folder: Path) -> None:
    before = (folder / "net.edge").read_bytes()
    with start(folder, stdin=subprocess.DEVNULL) as process:
        worker, child = workers(folder)
        process.kill()
        process.wait(timeout=20)
    try:
        assert left_running([worker], 5) == []
        assert (folder / "net.edge").read_bytes() == before
    finally:
        if psutil.pid_exists(child):
            os.kill(child, signal.SIGKILL)


@pytest.fixture(scope="module")
def duration(models: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the conversion takes that is killed below."""
    started = time.perf_counter()
    answer = edgekit("convert", models / "net.onnx", "-o", "a.edge", cwd=tmp_path_factory.mktemp("timed"))
    assert answer.code == 0
    return time.perf_counter() - started


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.9, 0.95])
def test_kill_at_any_moment_leaves_a_whole_bundle(
    share: float, duration: float, bundle: Path, models: Path, tmp_path: Path
) -> None:
    command = [EDGEKIT, "convert", str(models / "net.onnx"), "-o", "net.edge", "--force"]
    with start(tmp_path, command, stdin=subprocess.DEVNULL) as process:
        time.sleep(duration * share)
        process.kill()
        process.wait(timeout=20)
    answer = edgekit("inspect", bundle, cwd=tmp_path)
    assert answer.code == 0, answer.err


def test_ignored_hangup_stays_ignored(folder: Path, made_bundle: Path) -> None:
    """What `nohup` asks for."""
    script = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    with start(folder, [sys.executable, "-c", script, *COMMAND], stdin=subprocess.DEVNULL) as process:
        pids = workers(folder)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 130
    assert left_running(pids, 5) == []
