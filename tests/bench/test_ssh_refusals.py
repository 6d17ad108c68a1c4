"""What a device over ssh is refused for: one clear error each, and nothing left there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from short_protocol import SHORT
from ssh_device import SshDevice
from test_cli_bench import edgekit

from edgekit import devices
from edgekit.bench.identify import identify
from edgekit.bench.measure import Settings, measure
from edgekit.bench.transports import LocalTransport, payload
from edgekit.bench.transports.remote import RemoteTransport
from edgekit.bundle import Bundle
from edgekit.errors import ExecutionError, InputError, StorageError, TransportError
from edgekit.runtime.loading import choose

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sshd is run as on Linux")
PI = {
    "python": [3, 11], "implementation": "cpython", "system": "Linux", "platform": "linux-aarch64",
    "bits": 64, "libc": "2.36", "macos": "", "modules": [], "folder": "/home/pi/.cache/edgekit/device",
}  # fmt: skip


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    found = SshDevice(tmp_path_factory.mktemp("refusing"))
    yield found
    found.stop()


@pytest.fixture
def device(refusing: SshDevice) -> Iterator[SshDevice]:
    yield refusing
    refusing.know(refusing.folder / "host.pub")
    refusing.use("user")
    assert refusing.is_quiet()


def refusal(device: SshDevice, python: str = sys.executable) -> str:
    with pytest.raises(TransportError) as raised:
        RemoteTransport("ssh", device.connect(python))
    return str(raised.value)


def test_a_key_that_is_not_accepted(device: SshDevice) -> None:
    device.use("stranger")
    why = "connect to device: it accepted none of your keys (passwords are not asked for)"
    assert refusal(device) == f"{why}; make ssh device work without a password: ssh-copy-id device"


def test_a_host_key_that_has_changed(device: SshDevice) -> None:
    device.know(device.folder / "stranger.pub")
    assert refusal(device).startswith("connect to device: its host key is not the one that is known; find out why; ")


def test_a_host_key_that_is_not_known_is_never_taken_on_trust(device: SshDevice) -> None:
    (device.folder / "known").write_text("")
    device.config.write_text(f"{device.config.read_text()}  StrictHostKeyChecking accept-new\n")
    assert refusal(device).startswith("connect to device: its host key is not known; connect once by hand")
    assert (device.folder / "known").read_text() == ""


def test_hosts_that_are_not_there(device: SshDevice) -> None:
    text = device.config.read_text()
    device.config.write_text(text.replace(f"Port {device.port}", "Port 1"))
    assert refusal(device).startswith("connect to device: nothing there listens for ssh; ")
    device.config.write_text(text.replace("127.0.0.1", "no-such-host.invalid"))
    assert refusal(device).startswith("connect to device: no such host; ")
    device.config.unlink()
    assert refusal(device) == "connect to device: there is no such ssh config; check --ssh-config"


def test_a_device_without_python(device: SshDevice) -> None:
    why = "connect to device: there is no python9 on the device; install Python 3.10 or newer there"
    assert refusal(device, "python9") == f"{why}, or name it: --device-python PATH"


def test_an_old_python(device: SshDevice, tmp_path: Path) -> None:
    """It says what Debian 10's does; the bootstrap that asks is run by a real one, of Python 3.8 where there is one."""
    old = tmp_path / "python"
    said = "import sys; sys.version_info = (3, 8, 18); exec(sys.argv[2])"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{said}" "$@"\n')
    old.chmod(0o755)
    assert refusal(device, str(old)).startswith("use the device's Python: it is 3.8.18, and edgekit needs 3.10; ")
    assert not device.home.exists()


def test_a_host_or_python_that_cannot_be_meant(device: SshDevice) -> None:
    from edgekit.bench.transports.reach import reach

    for host in ("-oProxyCommand=touch /tmp/x", "", "two words"):
        with pytest.raises(InputError, match="not a host"):
            reach(host)
    with pytest.raises(InputError, match="not a command"):
        reach("device", config=device.config, python="python3; rm -rf /")


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="only root may mount")
def test_a_full_disk(device: SshDevice, tmp_path: Path) -> None:
    """First too small for edgekit itself, then for a model; what did not fit is taken away again."""
    device.cache.mkdir(exist_ok=True)
    for size, room in (("100k", False), ("6m", True)):
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(device.cache)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("this root may not mount")
        try:
            with pytest.raises(
                StorageError, match=r"write to .*device on the device: No space left on device; make room"
            ):
                _fill(device, tmp_path / "large.onnx")
            left = [path for path in device.home.rglob("*") if path.is_file() and "pycache" not in str(path)]
            assert bool(left) == room
            assert not list(device.home.rglob("*.part-*"))
        finally:
            assert device.is_quiet()
            subprocess.run(["umount", str(device.cache)], check=True)


def _fill(device: SshDevice, model: Path) -> None:
    # Sent before any runtime looks at it.
    model.write_bytes(bytes(8_000_000))
    with RemoteTransport("ssh", device.connect()) as way:
        way.work(_request(model), timeout=60, tick=lambda: None)


def test_a_model_that_the_runtime_cannot_load(device: SshDevice, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with (
        RemoteTransport("ssh", device.connect()) as way,
        pytest.raises(ExecutionError, match=r"broken\.onnx"),
    ):
        way.work(_request(broken), timeout=60, tick=lambda: None)


def _request(model: Path) -> dict[str, Any]:
    one = {"path": str(model), "target": "onnx", "scheme": None, "inputs": None}
    return {
        "pass": "time", "threads": 1, "providers": None, "preferred": [], "protocol": SHORT.to_json(), "seed": 0,
        "models": [one],
    }  # fmt: skip


def test_wheels_fit_the_devices_python_and_system(tmp_path: Path) -> None:
    tags = payload.platform_tags(PI)
    assert tags[0] == "manylinux_2_36_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux2014_aarch64", "linux_aarch64"} < set(tags)
    assert "manylinux2010_aarch64" not in tags
    # A system of 32 bits on a kernel of 64, as Raspberry Pi OS has been for years.
    assert "manylinux_2_31_armv7l" in payload.platform_tags({**PI, "bits": 32, "libc": "2.31"})
    mac = {**PI, "system": "Darwin", "platform": "macosx-14.0-arm64", "libc": None, "macos": "14.5"}
    assert payload.platform_tags(mac)[:2] == ["macosx_14_0_arm64", "macosx_14_0_universal2"]
    assert payload.formats(PI) == ("onnx", "tflite")
    assert payload.formats({**PI, "modules": ["numpy", "tflite_runtime"]}) == ("tflite", "onnx")
    with pytest.raises(TransportError, match="it runs Windows, for which edgekit brings no runtime"):
        payload.platform_tags({**PI, "system": "Windows"})
    with pytest.raises(InputError, match="no such folder"):
        payload.wheels(PI, "onnx", tmp_path / "none", tmp_path)
    why = r"there is no wheel of numpy for Python 3\.11 on linux-aarch64 \(32 bits, for which the vendors make none\)"
    with pytest.raises(TransportError, match=f"{why}; take a 64-bit system"):
        payload.wheels({**PI, "bits": 32}, "onnx", tmp_path, tmp_path)
    with pytest.raises(TransportError, match=r"3\.11 on linux-aarch64; put the wheels of numpy and the runtime"):
        payload.wheels(PI, "tflite", tmp_path, tmp_path)


def test_an_index_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(
        TransportError, match=r"the index of packages cannot be reached.*; give them: --wheelhouse FOLDER"
    ):
        payload.wheels(PI, "onnx", None, tmp_path)


def test_core_ml_is_not_measured_on_linux(device: SshDevice, bench_bundle: Path) -> None:
    """Nor is a bundle's artifact sent there that the device cannot run."""
    with RemoteTransport("ssh", device.connect()) as way:
        assert "coreml" not in way.formats()
        opened = Bundle.open(bench_bundle)
        assert choose(opened, None, None, way.formats()).target in way.formats()
        with pytest.raises(ExecutionError, match=r"run onnx/float32 on the device: it runs coreml; convert the model"):
            choose(opened, "onnx", None, ("coreml",))


def test_a_device_that_is_another(device: SshDevice, bench_bundle: Path) -> None:
    """Here and over ssh: no machine that this suite runs on is a Raspberry Pi 5 by any name."""
    pi = devices.get("raspberry-pi-5")
    with RemoteTransport("ssh", device.connect()) as way:
        for transport in (way, LocalTransport()):
            if not _known(transport):
                continue
            with pytest.raises(InputError, match=r"the device is of another class: .*say --as-told"):
                identify(pi, transport)
            found = identify(pi, transport, as_told=True)
            assert found.profile == pi
            assert str(found.said).startswith("raspberry-pi-5 as told; the device itself: ")
        with pytest.raises(InputError, match="measure on raspberry-pi-5: the device is of another class"):
            measure(bench_bundle, Settings(protocol=SHORT, profile=pi), transport=way)


def _known(transport: RemoteTransport | LocalTransport) -> bool:
    found = devices.probe(transport.machine())
    return found.device is not None or bool(found.candidates)


def test_the_commands(device: SshDevice, bench_bundle: Path, tmp_path: Path) -> None:
    """bench, devices probe and devices clean, as they are typed."""
    way = ("--host", "device", "--ssh-config", device.config, "--device-python", sys.executable)
    done = edgekit(tmp_path, "devices", "probe", *way, code=0 if devices.probe(devices.this_machine()).device else 1)
    assert "system         Linux" in done.stdout
    asked = ("bench", bench_bundle, "--device", "raspberry-pi-5", *way)
    error = edgekit(tmp_path, *asked, code=2).stderr.splitlines()[-1]
    assert error.startswith("error: measure on raspberry-pi-5: the device is of another class: ")
    error = edgekit(tmp_path, "bench", bench_bundle, "--clean-up", code=2).stderr.splitlines()[-1]
    assert error.startswith("error: --clean-up: it is of another machine; ")
    assert edgekit(tmp_path, "devices", "clean", *way).stdout.startswith("removed ")
    assert not device.home.exists()
    device.use("stranger")
    error = edgekit(tmp_path, *asked, code=4).stderr.splitlines()[-1]
    assert error.startswith("error: connect to device: it accepted none of your keys")
