"""A device over adb and a real adbd, Debian's; ``make test-adb`` brings that (x86-64, root) and runs this."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from short_protocol import SHORT
from ssh_device import UNPACKED, is_quiet, running

from edgekit.bench.measure import Settings, measure
from edgekit.bench.transports.reach import reach
from edgekit.errors import InputError, TransportError

ROOT = UNPACKED.parent / "adbd"
ADBD = ROOT / "usr/lib/android-sdk/platform-tools/adbd"
LIBRARIES = ROOT / "usr/lib/x86_64-linux-gnu"
pytestmark = pytest.mark.skipif("EDGEKIT_TEST_ADB" not in os.environ, reason="run by: make test-adb")


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adb") / "cache"


@pytest.fixture(scope="module")
def serial(cache: Path) -> Iterator[str]:
    """A device, on an adb server of its own."""
    port = free_port()
    loader = [LIBRARIES / "ld-linux-x86-64.so.2", "--library-path", f"{LIBRARIES}:{LIBRARIES / 'android'}"]
    environment = {**os.environ, "ADBD_PORT": port, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1"}
    daemon = subprocess.Popen([*loader, ADBD], env=environment, stderr=subprocess.DEVNULL)
    os.environ["ANDROID_ADB_SERVER_PORT"] = free_port()
    try:
        found = f"127.0.0.1:{port}"
        for _ in range(50):
            said = subprocess.run(["adb", "connect", found], capture_output=True, text=True, check=False).stdout
            if "connected to" in said:
                break
            time.sleep(0.1)
        yield found
    finally:
        subprocess.run(["adb", "kill-server"], check=False, capture_output=True)
        daemon.kill()
        daemon.wait()
        del os.environ["ANDROID_ADB_SERVER_PORT"]


def test_a_measurement(serial: str, cache: Path, bench_bundle: Path) -> None:
    said: list[str] = []
    how = Settings(protocol=SHORT, target="onnx", threads=1)
    with reach(f"adb:{serial}", python=sys.executable, event=lambda step, _: said.append(step)) as way:
        result = measure(bench_bundle, how, transport=way)
        assert way.host.command(("uname",)) == "Linux"
        assert running(cache)
    assert result.transport == "adb"
    assert result.runtime.startswith("onnxruntime ")
    assert [step for step in said if step.startswith("sending net.edge")]
    assert is_quiet(cache)


def test_the_cable_is_pulled(serial: str, cache: Path, bench_bundle: Path) -> None:
    """The connection that adb drops is made anew, and nothing of the first is left."""
    said: list[str] = []
    with reach(f"adb:{serial}", python=sys.executable, event=lambda step, _: said.append(step)) as way:
        (agent,) = running(cache)
        subprocess.run(["adb", "disconnect", serial], check=True, capture_output=True)
        subprocess.run(["adb", "connect", serial], check=True, capture_output=True)
        assert way.host.command(("uname",)) == "Linux"
        assert not agent.is_running()
    assert "the connection is lost: connecting again" in said
    assert is_quiet(cache)


def test_refusals(serial: str) -> None:
    with pytest.raises(TransportError, match="there is no python9 on the device; Android has none of itself"):
        reach(f"adb:{serial}", python="python9")
    with pytest.raises(TransportError, match="no such device is connected; look for it: adb devices"):
        reach("adb:nothing")
    with pytest.raises(InputError, match="not a serial number"):
        reach("adb:-x")
    with pytest.raises(InputError, match="is not reached by ssh"):
        reach(f"adb:{serial}", config=Path("config"))
