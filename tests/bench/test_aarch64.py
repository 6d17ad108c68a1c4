"""A 64-bit Arm system over ssh, its programs run by qemu-user: what is sent there runs, and its times are no device's.

``make test-aarch64`` brings the system (75 MB, with root or user namespaces) and runs this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from short_protocol import SHORT
from ssh_device import UNPACKED, SshDevice
from test_schemas import check

from edgekit import devices
from edgekit.bench.compared import compare_models
from edgekit.bench.gate import check as gate
from edgekit.bench.measure import Settings, measure
from edgekit.bench.result import Result
from edgekit.bench.transports.remote import RemoteTransport
from edgekit.cli.bench import show
from edgekit.errors import InputError

ROOT = UNPACKED.parent / "aarch64"
pytestmark = pytest.mark.skipif("EDGEKIT_TEST_AARCH64" not in os.environ, reason="run by: make test-aarch64")
_CORE = """processor\t: {}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""


@pytest.fixture(scope="module")
def pi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SshDevice, str]]:
    """A Raspberry Pi 4 by its files; ONNX Runtime does not start without an Arm's ``/proc/cpuinfo``."""
    device = SshDevice(tmp_path_factory.mktemp("aarch64"))
    tree = ROOT / "proc" / "device-tree"
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "compatible").write_text("raspberrypi,4-model-b\0brcm,bcm2711\0")
    model = "Raspberry Pi 4 Model B Rev 1.4"
    (ROOT / "proc" / "cpuinfo").write_text("".join(map(_CORE.format, range(4))) + f"Model\t\t: {model}\n")
    python = device.folder / "python"
    command = f"qemu-aarch64-static -cpu cortex-a72 -L {ROOT} {ROOT}/usr/bin/python3.11"
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    yield device, str(python)
    assert device.is_quiet()
    device.stop()


@pytest.fixture(scope="module")
def emulated(pi: tuple[SshDevice, str], bench_bundle: Path) -> Result:
    """A measurement with the wheels of that system, downloaded."""
    device, python = pi
    said: list[str] = []
    settings = Settings(protocol=SHORT, target="onnx", profile=devices.get("raspberry-pi-4"), timeout=300)
    with RemoteTransport("ssh", device.connect(python), event=lambda step, _: said.append(step)) as way:
        found = measure(bench_bundle, settings, transport=way)
    assert any(step.startswith("sending numpy-") and "aarch64.whl" in step for step in said)
    return found


def test_an_emulated_device_is_measured_and_called_so(emulated: Result, capsys: pytest.CaptureFixture[str]) -> None:
    assert emulated.device == "raspberry-pi-4"
    assert emulated.identified == "raspberry-pi-4, because the device tree says raspberrypi,4-model-b"
    assert emulated.environment.architecture == "aarch64"
    assert emulated.environment.emulated == "qemu-aarch64-static"
    assert emulated.stability.verdict == "emulated"
    assert emulated.stability.reasons[0].startswith("emulated: qemu-aarch64-static imitates the processor")
    assert emulated.settings["threads"] == 4
    document = check("bench", emulated.to_json())
    assert Result.from_json(document).stability == emulated.stability
    show(emulated, ())
    shown = capsys.readouterr().out
    assert "median (emulated)" in shown
    assert f"emulated: {emulated.extent}" in shown


def test_no_gate_takes_it(emulated: Result) -> None:
    with pytest.raises(InputError, match="an emulated one says nothing of how fast a device is"):
        gate(emulated, emulated, 0.05)


def test_a_comparison_says_it_too(emulated: Result, pi: tuple[SshDevice, str], bench_bundle: Path) -> None:
    device, python = pi
    settings = Settings(protocol=SHORT, target="onnx", threads=1, timeout=300)
    with RemoteTransport("ssh", device.connect(python)) as way:
        found = compare_models([bench_bundle, bench_bundle], [settings, settings], transport=way)
    assert found.stability.verdict == "emulated"


def test_another_class_is_refused(pi: tuple[SshDevice, str], bench_bundle: Path) -> None:
    device, python = pi
    settings = Settings(protocol=SHORT, target="onnx", profile=devices.get("raspberry-pi-5"))
    with RemoteTransport("ssh", device.connect(python)) as way, pytest.raises(InputError) as raised:
        measure(bench_bundle, settings, transport=way)
    assert raised.value.why.startswith("the device is of another class: raspberry-pi-4, because the device tree says")
