"""Measuring over a real ssh connection: what is sent, what is read, and what is left when it is cut."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from short_protocol import SHORT
from ssh_device import SshDevice

from edgekit import devices
from edgekit.bench.compared import compare_models
from edgekit.bench.environment import observe
from edgekit.bench.host import LocalHost
from edgekit.bench.measure import Settings, measure
from edgekit.bench.result import read_result
from edgekit.bench.subject import resolve
from edgekit.bench.transports.connection import ConnectionLostError
from edgekit.bench.transports.remote import RemoteTransport
from edgekit.cli.app import app
from edgekit.errors import ExecutionError, InputError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sshd is run as on Linux")
ONNX = Settings(protocol=SHORT, target="onnx", threads=1)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    found = SshDevice(tmp_path_factory.mktemp("ssh"))
    yield found
    found.stop()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def way(device: SshDevice, said: list[str]) -> Iterator[RemoteTransport]:
    with RemoteTransport("ssh", device.connect(), event=lambda step, _: said.append(step)) as transport:
        yield transport
    assert device.is_quiet()


def test_a_measurement_sends_a_model_once(
    way: RemoteTransport, said: list[str], device: SshDevice, bench_bundle: Path
) -> None:
    result = measure(bench_bundle, ONNX, transport=way)
    assert result.transport == "ssh"
    assert result.runtime.startswith("onnxruntime ")
    assert result.memory is not None
    assert 1e3 < result.median.value < 1e8
    # What it is measured on is no class of devices, and that is said.
    assert result.device is None
    assert result.identified
    assert len([step for step in said if step.startswith("sending net.edge")]) == 1
    assert not list(device.home.rglob("*.part-*"))
    assert {path.name.split("-")[0] for path in device.home.iterdir()} == {"edgekit", "models"}
    before = {path: path.stat().st_mtime for path in device.home.rglob("*") if "__pycache__" not in str(path)}
    said.clear()
    with RemoteTransport("ssh", device.connect(), event=lambda step, _: said.append(step)) as again:
        assert measure(bench_bundle, ONNX, transport=again).model == result.model
    assert said == []
    after = {path: path.stat().st_mtime for path in device.home.rglob("*") if "__pycache__" not in str(path)}
    assert after.keys() == before.keys()


def test_a_suite_here_and_there(
    device: SshDevice, bench_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of measurements a place; what is there is not measured again, and no connection stays."""
    monkeypatch.setattr("edgekit.bench.protocol.QUICK", SHORT)
    shutil.copy(bench_bundle, tmp_path / "net.edge")
    place = f'[[places]]\n[[places]]\nhost = "device"\npython = "{sys.executable}"\n'
    text = f'schema = 1\nname = "Both"\ntargets = ["onnx"]\n{place}[[models]]\nid = "net"\nbundle = "net.edge"\n'
    (tmp_path / "both.toml").write_text(text, encoding="utf-8")
    command = ["suite", "run", str(tmp_path / "both.toml"), "-o", str(tmp_path / "out"), "--ssh-config"]
    written: list[dict[str, int]] = []
    for _ in range(2):
        assert app([*command, str(device.config), "--no-history", "-q"], standalone_mode=False) == 0
        found = sorted((tmp_path / "out").glob("net*.json"))
        assert sorted(read_result(path).transport for path in found) == ["local", "ssh"]
        written.append({path.name: path.stat().st_mtime_ns for path in found})
    assert written[0] == written[1]
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000
    assert device.is_quiet()


def test_files_and_commands_are_the_devices(way: RemoteTransport, tmp_path: Path) -> None:
    here = LocalHost()
    (tmp_path / "sensor").write_text("48300\n", encoding="utf-8")
    assert way.host.text(str(tmp_path / "sensor")) == "48300"
    assert way.host.text(str(tmp_path / "none")) is None
    assert way.host.glob(str(tmp_path / "*")) == [str(tmp_path / "sensor")]
    assert way.host.command(("uname", "-r")) == here.command(("uname", "-r"))
    assert way.host.command(("no-such-program",)) is None
    assert way.machine() == devices.this_machine()
    # What changes by the second, and what an ssh login may be allowed, is left out.
    assert replace(way.environment(), load=None, cpus=0) == replace(observe(here), load=None, cpus=0)
    started = time.perf_counter()
    for _ in range(50):
        way.host.text("/proc/loadavg")
    assert time.perf_counter() - started < 5


def test_a_cut_connection_is_made_anew(
    way: RemoteTransport, said: list[str], device: SshDevice, bench_bundle: Path
) -> None:
    """In mid-run; the worker that it ended is gone, and its process is started again."""
    workers: list[psutil.Process] = []

    def cut() -> None:
        until = time.monotonic() + 20
        while not workers and time.monotonic() < until:
            workers.extend(one for one in device.running() if "edgekit.bench.worker" in _line(one))
        time.sleep(0.3)
        device.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    result = measure(bench_bundle, ONNX, transport=way)
    thread.join()
    assert "the connection is lost: connecting again" in said
    assert len(result.processes) >= SHORT.processes
    assert workers
    assert not workers[0].is_running()


def test_a_device_that_is_gone_is_an_error_in_time(bench_bundle: Path, tmp_path: Path) -> None:
    device = SshDevice(tmp_path)
    request = ONNX.request("time", [resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)])
    request["protocol"]["min_seconds"] = 60
    with RemoteTransport("ssh", device.connect()) as way:
        threading.Timer(1.5, device.stop).start()
        started = time.monotonic()
        with pytest.raises(ConnectionLostError, match="connect to device: "):
            way.work(request, timeout=6, tick=lambda: None)
        assert time.monotonic() - started < 12
    assert device.is_quiet()


def test_a_worker_ends_with_its_time(
    way: RemoteTransport, device: SshDevice, bench_bundle: Path, tmp_path: Path
) -> None:
    request = ONNX.request("time", [resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)])
    request["protocol"]["min_seconds"] = 60
    with pytest.raises(ExecutionError, match="one process took longer than 2 s; give a longer --timeout"):
        way.work(request, timeout=2, tick=lambda: None)
    time.sleep(0.5)
    assert not [one for one in device.running() if "edgekit.bench.worker" in _line(one)]


def test_a_half_open_connection_ends_on_the_device(device: SshDevice) -> None:
    """The user's machine falls silent, and its connection stays: the device's side gives up by itself."""
    connection = device.connect(silence=1.0)()
    assert connection.ask("facts")["python"] == list(sys.version_info[:2])
    client = psutil.Process(connection._process.pid)
    client.suspend()
    try:
        assert device.is_quiet(15)
    finally:
        with suppress(psutil.NoSuchProcess):
            client.resume()
        connection.close()


def test_two_models_in_turn(way: RemoteTransport, bench_bundle: Path) -> None:
    found = compare_models([bench_bundle, bench_bundle], [ONNX, replace(ONNX, target="tflite")], transport=way)
    assert [found.first["target"], found.second["target"]] == ["onnx", "tflite"]
    assert found.interleaved


def test_the_artifact_suits_the_device(way: RemoteTransport, bench_bundle: Path) -> None:
    """The device's class decides, and not what runs here."""
    pi = devices.get("raspberry-pi-5")
    told = Settings(protocol=SHORT, profile=pi, as_told=True, threads=1)
    result = measure(bench_bundle, told, transport=way)
    assert result.model["target"] == pi.runtimes[0].format == "tflite"
    assert result.identified is not None
    assert result.identified.startswith("raspberry-pi-5 as told; the device itself: ")


def test_a_provider_that_is_not_there(way: RemoteTransport, bench_bundle: Path) -> None:
    asked = replace(ONNX, providers=("CUDAExecutionProvider",))
    with pytest.raises(InputError, match="CUDAExecutionProvider"):
        measure(bench_bundle, asked, transport=way)


@pytest.mark.slow
def test_a_bare_python_is_sent_a_runtime(device: SshDevice, bench_bundle: Path, tmp_path: Path) -> None:
    """A Python with nothing: wheels for it come from a folder, and only once; cleaning up leaves nothing."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    python, said = str(tmp_path / "bare" / "bin" / "python"), list[str]()
    wheels = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    house = tmp_path / "wheels"
    subprocess.run([*wheels, "--dest", house, "numpy", "onnxruntime"], check=True, timeout=300)
    for sent in (True, False):
        said.clear()
        with RemoteTransport(
            "ssh", device.connect(python), wheelhouse=house, event=lambda step, _: said.append(step), clean_up=not sent
        ) as way:
            asked = replace(ONNX, profile_operators=True)
            assert measure(bench_bundle, asked, transport=way).runtime.startswith("onnxruntime ")
        assert any(step.startswith("sending numpy-") for step in said) == sent
    assert not device.home.exists()
    assert device.is_quiet()


def _line(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def test_no_word_is_lost_of_what_a_login_prints(device: SshDevice, tmp_path: Path) -> None:
    """A login that greets on standard output, before the device's Python says its first word."""
    chatty = tmp_path / "python"
    chatty.write_text(f'#!/bin/sh\necho "Welcome!"\nexec {sys.executable} "$@"\n')
    chatty.chmod(0o755)
    with RemoteTransport("ssh", device.connect(str(chatty))) as way:
        assert way.host.command(("uname",)) == "Linux"
