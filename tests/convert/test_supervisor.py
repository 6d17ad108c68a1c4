"""Worker processes on real conversions: crashes, memory, time-outs, grandchildren, a killed parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.errors import ConversionError

psutil = pytest.importorskip("psutil")
pytest.importorskip("torch")

# A network whose forward does something when coremltools traces it, and nothing when others export it.
NETWORK = """
import ctypes, os, subprocess, sys, time
import torch

class Network(torch.nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x):
        if torch.jit.is_tracing():
            self.act()
        return self.linear(x)

def make(act):
    torch.manual_seed(0)
    return Network(act)

def fill():
    bytearray(1 << 50)

def hang():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("grandchild", child.pid, flush=True)
    time.sleep(600)

def say_and_leave():
    print("the last words", flush=True)
    os._exit(7)

aborts = lambda: make(os.abort)
segfaults = lambda: make(lambda: ctypes.string_at(0))
leaves = lambda: make(say_and_leave)
fills = lambda: make(fill)
hangs = lambda: make(hang)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "misbehaving.py").write_text(textwrap.dedent(NETWORK))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(edgekit.__file__).parents[1]), str(tmp_path)]))
    return tmp_path


def grandchildren(log: Path) -> list[int]:
    return [int(line.split()[1]) for line in log.read_text().splitlines() if line.startswith("grandchild ")]


def gone(pid: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def convert(factory: str, targets: list[str], **options: Any) -> edgekit.convert.ConvertResult:
    return edgekit.convert(f"misbehaving:{factory}", targets, input_shapes={"x": (1, 4)}, output="m.edge", **options)


@pytest.mark.skipif(os.name == "nt", reason="Windows tells exit codes, not signals")
@pytest.mark.parametrize(
    ("factory", "death"),
    [("aborts", "was ended by SIGABRT"), ("segfaults", "was ended by SIGSEGV"), ("leaves", "ended with exit code 7")],
)
def test_a_crash_names_its_step_and_the_others_finish(project: Path, factory: str, death: str) -> None:
    result = convert(factory, ["onnx", "coreml"])
    assert result.exit_code == 4
    assert [row["target"] for row in result.artifacts] == ["onnx"]
    (failure,) = result.failed
    assert (failure.target, type(failure.error)) == ("coreml", ConversionError)
    message = str(failure.error)
    assert f"the process {death} at: convert to coreml float32" in message
    assert ("the last words" if factory == "leaves" else "Fatal Python error") in failure.log.read_text()
    if factory == "leaves":
        assert "the log ends: " in message
        assert "the last words" in message
    assert edgekit.load("m.edge").self_test()


def test_running_out_of_memory_is_said(project: Path) -> None:
    result = convert("fills", ["coreml"])
    assert (result.exit_code, result.bundle) == (4, None)
    assert "out of memory at: convert to coreml float32" in str(result.failed[0].error)


def test_a_time_out_ends_the_worker_and_what_it_started(project: Path) -> None:
    started = time.monotonic()
    steps: list[tuple[str, str]] = []
    result = convert("hangs", ["coreml"], timeout=12, event=lambda target, step, _: steps.append((target, step)))
    assert time.monotonic() - started < 30
    assert (result.exit_code, result.bundle) == (4, None)
    assert "timed out after 12 s at: convert to coreml float32; give it longer with --timeout" in str(
        result.failed[0].error
    )
    (grandchild,) = grandchildren(result.failed[0].log)
    assert gone(grandchild)
    assert steps[-1] == ("coreml", "")
    # A step that lasts less than a look at the worker may go unseen; none is seen out of turn.
    order = ["load the model", "run the original", "convert to coreml float32"]
    seen = [step for _, step in steps[:-1]]
    assert seen == [step for step in order if step in seen]
    assert seen[-1] == order[-1]
    assert not (project / "m.edge").exists()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(project: Path, number: signal.Signals) -> None:
    command = (
        "import edgekit; edgekit.convert('misbehaving:hangs', ['coreml'], input_shapes={'x': (1, 4)}, output='m.edge')"
    )
    parent = subprocess.Popen([sys.executable, "-c", command], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        pids: list[int] = []
        while not pids and time.monotonic() < deadline:
            pids = [pid for log in project.glob("m.edge.work-*/logs/*/log.txt") for pid in grandchildren(log)]
            time.sleep(0.1)
        workers = [child.pid for child in psutil.Process(parent.pid).children()]
        assert workers
        assert pids
        os.kill(parent.pid, number)
        parent.wait(20)
        assert all(gone(pid) for pid in (*workers, *pids))
        assert not (project / "m.edge").exists()
        if number == signal.SIGINT:
            assert list(project.glob("*.work-*")) == []
    finally:
        parent.kill()
        parent.wait()


def test_workers_say_their_steps(project: Path) -> None:
    (project / "plain.py").write_text(
        "import torch\ndef build():\n    torch.manual_seed(0)\n    return torch.nn.Linear(4, 3)\n"
    )
    steps: list[tuple[str, str]] = []
    result = edgekit.convert(
        "plain:build", "onnx", input_shapes={"input": (1, 4)}, output="p.edge",
        event=lambda target, step, _: steps.append((target, step)),
    )  # fmt: skip
    assert result
    assert steps[-1] == ("onnx float32 check", "")
    assert {step for _, step in steps} <= {
        "", "load the model", "run the original", "convert to onnx float32", "run the onnx model",
    }  # fmt: skip
    assert list(project.glob("*.work-*")) == []
