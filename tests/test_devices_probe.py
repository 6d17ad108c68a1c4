"""Which class a machine is of: by what such machines are published to say of themselves, and by what this one says."""

import json
import os
import platform
import re
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from edgekit import content, devices
from edgekit.cli.devices import app
from edgekit.devices import Machine

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "probe.schema.json").read_text(encoding="utf-8"))
PC = ("x86-64-desktop", "x86-64-laptop", "x86-64-server")
posix_only = pytest.mark.skipif(os.name == "nt", reason="a program of the tree is a shell script")

# https://github.com/flavioheleno/pastry/blob/main/tests/Fixtures/902120.txt
ZERO_2_W = """processor\t: {core}
BogoMIPS\t: 38.40
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd03
CPU revision\t: 4

"""
ZERO_2_W_BOARD = "Hardware\t: BCM2835\nRevision\t: 902120\nSerial\t\t: 0\nModel\t\t: Raspberry Pi Zero 2 W Rev 1.0\n"

# https://github.com/sergev/vak-opensource/tree/master/sysinfo/Google-Pixel-7-Pro
PIXEL = """processor\t: {core}
BogoMIPS\t: 49.15
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: {part}

"""
OLD_CORE = """processor\t: 1
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32
CPU implementer\t: 0x41
CPU part\t: 0xd03

"""
X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model\t\t: 190
model name\t: {name}
flags\t\t: fpu lm avx f16c fma bmi1 {avx2} bmi2

"""


@cache
def known() -> tuple[devices.DeviceProfile, ...]:
    return devices.profiles()


def tree(root: Path, **files: str) -> Path:
    """A machine's files; ``proc__cpuinfo`` is ``proc/cpuinfo``, and what has a shebang is a program."""
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("device_tree", "device-tree")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        if text.startswith("#!"):
            file.chmod(0o755)
    return root


def program(answer: str) -> str:
    return f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n"


def phone(root: Path, model: str, cpuinfo: str) -> devices.Probe:
    answer = f"[ro.build.version.release]: [15]\n[ro.product.model]: [{model}]\n[ro.soc.model]: [GS201]"
    return devices.probe(
        devices.this_machine(tree(root, proc__cpuinfo=cpuinfo, system__bin__getprop=program(answer))), known()
    )


def pc(root: Path, chassis: str, name: str = "AMD Ryzen 7 5700X 8-Core Processor", avx2: str = "avx2") -> devices.Probe:
    files = {"proc__cpuinfo": X86.format(name=name, avx2=avx2), "sys__class__dmi__id__chassis_type": chassis}
    return devices.probe(
        devices.this_machine(tree(root, **{name: text for name, text in files.items() if text})), known()
    )


@pytest.mark.parametrize(
    ("compatible", "model", "found"),
    [
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "Raspberry Pi 4 Model B Rev 1.4\0", "raspberry-pi-4"),
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "Raspberry Pi 5 Model B Rev 1.0\0", "raspberry-pi-5"),
        ("radxa,rock-5b\0rockchip,rk3588\0", "Radxa ROCK 5B\0", "rockchip-rk3588"),
        ("pine64,quartz64-a\0rockchip,rk3566\0", "Pine64 Quartz64 Model A\0", "rockchip-rk3566"),
        (
            "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0nvidia,tegra234\0",
            "NVIDIA Jetson Orin Nano Developer Kit\0",
            "jetson-orin-nano",
        ),
        (
            "nvidia,p3768-0000+p3767-0000\0nvidia,p3767-0000\0nvidia,tegra234\0",
            "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0",
            "jetson-orin-nx",
        ),
        ("nvidia,p3450-0000\0nvidia,tegra210\0", "NVIDIA Jetson Nano Developer Kit\0", "jetson-nano"),
        ("google,imx8mq-phanbell\0fsl,imx8mq\0", "Google i.MX8MQ Phanbell\0", "coral-dev-board"),
        ("raspberrypi,model-zero-w\0brcm,bcm2835\0", "Raspberry Pi Zero W Rev 1.1\0", None),
    ],
)
def test_a_board_is_known_by_its_device_tree(tmp_path: Path, compatible: str, model: str, found: str | None):
    root = tree(tmp_path, proc__device_tree__compatible=compatible, proc__device_tree__model=model)
    probed = devices.probe(devices.this_machine(root), known())
    assert (probed.device.id if probed.device else None) == found
    assert probed.machine.device_tree == tuple(compatible.strip("\0").split("\0"))
    assert probed.machine.model == model.strip("\0")


def test_a_raspberry_pi_whose_device_tree_is_hidden_is_known_by_cpuinfo(tmp_path: Path):
    """In a container the device tree is masked."""
    cpuinfo = "".join(ZERO_2_W.format(core=core) for core in range(4)) + ZERO_2_W_BOARD
    probed = devices.probe(devices.this_machine(tree(tmp_path, proc__cpuinfo=cpuinfo)), known())
    assert probed.device == devices.get("raspberry-pi-zero-2-w")
    assert probed.why == "the model is Raspberry Pi Zero 2 W Rev 1.0"
    assert probed.machine == Machine(
        system="Linux",
        architecture="aarch64",
        model="Raspberry Pi Zero 2 W Rev 1.0",
        hardware="BCM2835",
        cores=("4 x 0x41/0xd03",),
        cpu_flags=("fp", "asimd", "evtstrm", "crc32", "cpuid"),
    )


@posix_only
def test_a_phone_is_known_by_its_properties(tmp_path: Path):
    parts = ["0xd05"] * 4 + ["0xd41"] * 2 + ["0xd44"] * 2
    cpuinfo = "".join(PIXEL.format(core=core, part=part) for core, part in enumerate(parts))
    probed = phone(tmp_path, "Pixel 7 Pro", cpuinfo)
    assert probed.device == devices.get("pixel-7")
    assert (probed.machine.system, probed.machine.product, probed.machine.soc) == ("Android", "Pixel 7 Pro", "GS201")
    assert probed.machine.cores == ("4 x 0x41/0xd05", "2 x 0x41/0xd41", "2 x 0x41/0xd44")


@posix_only
@pytest.mark.parametrize(
    ("model", "found"), [("SM-S911B", "galaxy-s23"), ("SM-S721B", "android-mid"), ("Pixel 6", "pixel-6")]
)
def test_a_phone_without_a_class_of_its_own_is_of_its_instruction_sets(tmp_path: Path, model: str, found: str):
    probed = phone(tmp_path, model, PIXEL.format(core=0, part="0xd05"))
    assert probed.device
    assert probed.device.id == found


@posix_only
def test_instruction_sets_count_where_every_core_has_them(tmp_path: Path):
    probed = phone(tmp_path, "moto g", PIXEL.format(core=0, part="0xd05") + OLD_CORE)
    assert probed.device == devices.get("android-low")
    assert "asimddp" not in probed.machine.cpu_flags


@posix_only
@pytest.mark.parametrize(
    ("model", "brand", "found"),
    [
        ("MacBookAir10,1", "Apple M1", "mac-m1"),
        ("Macmini9,1", "Apple M1", "mac-m1"),
        ("Mac14,2", "Apple M2", "mac-m2"),
        ("Mac16,3", "Apple M4", "mac-m4"),
        ("MacBookPro18,2", "Apple M1 Max", None),
    ],
)
def test_a_mac_is_known_by_sysctl(tmp_path: Path, model: str, brand: str, found: str | None):
    answer = f"hw.model: {model}\nmachdep.cpu.brand_string: {brand}"
    probed = devices.probe(devices.this_machine(tree(tmp_path, usr__sbin__sysctl=program(answer))), known())
    assert (probed.device.id if probed.device else None) == found
    assert (probed.machine.system, probed.machine.apple_model) == ("Darwin", model)


@pytest.mark.parametrize(
    ("chassis", "found"), [("3\n", "x86-64-desktop"), ("10\n", "x86-64-laptop"), ("23\n", "x86-64-server")]
)
def test_a_computer_is_known_by_its_chassis(tmp_path: Path, chassis: str, found: str):
    probed = pc(tmp_path, chassis)
    assert probed.device
    assert probed.device.id == found
    assert probed.why == f"chassis type {chassis.strip()}, instruction sets avx avx2 fma f16c bmi1 bmi2"


def test_the_processor_says_more_than_the_chassis(tmp_path: Path):
    assert pc(tmp_path, "35\n", "Intel(R) N100").device == devices.get("intel-n100")


@pytest.mark.parametrize("chassis", ["", "1\n", "2\n", "\n"])
def test_a_virtual_machine_does_not_say_its_chassis_and_gets_the_classes_to_choose_from(tmp_path: Path, chassis: str):
    probed = pc(tmp_path, chassis)
    assert probed.device is None
    assert tuple(profile.id for profile in probed.candidates) == PC
    assert probed.why == "what tells these classes apart could not be read: chassis type"


def test_a_processor_of_another_level_is_of_no_class(tmp_path: Path):
    probed = pc(tmp_path, "3\n", avx2="")
    assert (probed.device, probed.candidates, probed.why) == (None, (), "no class fits what could be read")


def test_of_windows_only_the_architecture_is_read():
    probed = devices.probe(Machine(system="Windows", architecture="x86_64"))
    assert tuple(profile.id for profile in probed.candidates) == PC
    assert probed.why.endswith("chassis type and instruction sets")
    assert devices.probe(Machine(system="Windows", architecture="aarch64")).candidates == ()


def test_an_iphone_is_known_by_its_identifier():
    probed = devices.probe(Machine(system="iOS", apple_model="iPhone16,1"))
    assert probed.device == devices.get("iphone-a17-pro")
    assert devices.probe(Machine(system="iOS", apple_model="iPhone13,2")).device is None


def test_programs_that_do_not_run_are_no_answer(tmp_path: Path):
    (tmp_path / "system" / "bin").mkdir(parents=True)
    (tmp_path / "system" / "bin" / "getprop").write_bytes(b"\x7fELF of another machine")
    assert devices.this_machine(tmp_path) == Machine()
    assert devices.probe(Machine()).candidates == ()


def test_32_bit_programs_on_a_64_bit_board_are_noted():
    probed = devices.probe(Machine(architecture="armv7l", device_tree=("raspberrypi,4-model-b", "brcm,bcm2711")))
    assert probed.device == devices.get("raspberry-pi-4")
    assert probed.notes == ("the programs of this system are armv7l; what the class says is of aarch64",)


def _sample(pattern: str) -> str:
    """A text that a pattern is for: ``iPhone14,[2-8]`` → ``iPhone14,2``."""
    return re.sub(r"\[(.).*?\]", r"\1", pattern).replace("*", "")


@pytest.mark.parametrize("name", [file.stem for file in content.files("devices", ".toml")])
def test_no_two_classes_have_a_name_in_common(name: str):
    profile = next(one for one in known() if one.id == name)
    match = profile.match
    assert match is not None
    for key in ("model", "product", "apple_model", "processor", "user_agent"):
        for pattern in getattr(match, key):
            assert devices.probe(Machine(**{key: _sample(pattern)}), known()).device == profile, pattern
    for text in match.device_tree:
        assert devices.probe(Machine(device_tree=(text,)), known()).device == profile, text


PROFILE = """
name = "{name}"
kind = "sbc"
transports = ["ssh"]

[match]
device_tree = ["{compatible}"]

[processor]
name = "Arm Cortex-A76"
architecture = "aarch64"

[[runtimes]]
name = "litert"
format = "tflite"

[[sources]]
url = "https://example.org/board"
says = "what the page says"
facts = ["match", "processor", "runtimes"]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n", encoding="utf-8")
    (tmp_path / "devices").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "devices"


def test_a_users_own_board_goes_before_the_chip(project: Path):
    rock = PROFILE.format(name="Radxa ROCK 5B", compatible="radxa,rock-5b").replace('"runtimes"', '"runtimes.litert"')
    (project / "rock-5b.toml").write_text(rock, encoding="utf-8")
    probed = devices.probe(Machine(device_tree=("radxa,rock-5b", "rockchip,rk3588")))
    assert (probed.device and probed.device.id, probed.why) == ("rock-5b", "the device tree says radxa,rock-5b")


def test_two_classes_that_fit_alike_are_both_named(project: Path):
    same = PROFILE.format(name="Same", compatible="rockchip,rk3588").replace('"runtimes"', '"runtimes.litert"')
    (project / "same.toml").write_text(same, encoding="utf-8")
    probed = devices.probe(Machine(device_tree=("radxa,rock-5b", "rockchip,rk3588")))
    assert probed.device is None
    assert [profile.id for profile in probed.candidates] == ["rockchip-rk3588", "same"]
    assert probed.why == "several classes fit: the device tree says rockchip,rk3588"


WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 14_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


# https://gist.github.com/kicktv/a9c1cbe215c86ddf94cd8075aa740505 and MDN's page on the User-Agent header.
@pytest.mark.parametrize(
    ("user_agent", "found"),
    [
        (f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/143.0.0.0 Mobile Safari/537.36", "browser-phone"),
        (f"{IPHONE} CriOS/87.0.4280.77 Mobile/15E148 Safari/604.1", "browser-phone"),
        ("Mozilla/5.0 (Android; Mobile; rv:25.0) Gecko/25.0 Firefox/25.0", "browser-phone"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/87.0.4280.88 Safari/537.36", "browser-desktop"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X x.y; rv:42.0) Gecko/20100101 Firefox/42.0", "browser-desktop"),
        ("curl/8.5.0", None),
        ("", None),
    ],
)
def test_a_browser_is_known_by_its_user_agent(user_agent: str, found: str | None):
    result = CliRunner().invoke(app, ["probe", "--json", "--user-agent", user_agent])
    document = json.loads(result.stdout)
    Draft202012Validator(SCHEMA).validate(document)
    assert document["device"] == found
    assert result.exit_code == (0 if found else 1)


def test_this_machine_as_it_is():
    result = CliRunner().invoke(app, ["probe", "--json"])
    document = json.loads(result.stdout)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert document == devices.probe(devices.this_machine()).to_json()
    assert result.exit_code == (0 if document["device"] else 1)
    assert document["read"]["system"]
    architecture = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine())
    assert document["read"]["architecture"] == architecture
    for found in filter(None, (document["device"], *document["candidates"])):
        assert document["notes"] or devices.get(found).processor.architecture == architecture


def test_people_see_what_was_read_the_class_and_what_to_do_without_one(monkeypatch: pytest.MonkeyPatch):
    asked = ["probe", "--user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0
    assert "user agent     Mozilla/5.0 (X11; Linux x86_64)" in found.stdout
    assert "browser-desktop: Desktop browser (WASM, WebGPU), because the user agent is" in found.stdout
    unknown = CliRunner().invoke(app, ["probe", "--user-agent", "curl/8.5.0"])
    assert "no class fits what could be read" in unknown.stdout
    assert "devices/<id>.toml" in unknown.stdout

    several = Machine(
        system="Linux", architecture="x86_64", cpu_flags=("lm", "avx", "avx2", "fma", "f16c", "bmi1", "bmi2")
    )
    monkeypatch.setattr(devices, "this_machine", lambda: several)
    shown = CliRunner().invoke(app, ["probe"])
    assert shown.exit_code == 1
    assert "avx, avx2, fma, f16c, bmi1, bmi2, and 1 more" in shown.stdout
    assert f"one of {', '.join(PC)}: what tells these classes apart could not be read: chassis type" in shown.stdout
    assert "--device ID" in shown.stdout
