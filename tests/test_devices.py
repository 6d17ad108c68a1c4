"""Device profiles: those that ship, the rules that every profile keeps, and the commands that show them."""

import json
import re
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from edgekit import content, devices
from edgekit.cli.devices import app
from edgekit.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "device.schema.json").read_text(encoding="utf-8"))

VALID = """
name = "Board"
kind = "sbc"
transports = ["ssh"]

[processor]
name = "Some Arm"
architecture = "aarch64"
cores = 4

[[runtimes]]
name = "litert"
format = "tflite"

[[readings]]
name = "zone"
quantity = "temperature"
unit = "millidegC"
files = "/sys/class/thermal/thermal_zone0/temp"

[[sources]]
url = "https://example.org/board"
says = "four cores"
facts = ["processor", "runtimes.litert", "readings.zone"]
"""


CLASSES = [
    "android-low", "android-mid", "browser-desktop", "browser-phone", "coral-dev-board", "galaxy-s22", "galaxy-s23",
    "galaxy-s24", "galaxy-s25", "intel-n100", "ipad-m1", "ipad-m4", "iphone-a15", "iphone-a16", "iphone-a17-pro",
    "iphone-a18", "jetson-agx-orin", "jetson-nano", "jetson-orin-nano", "jetson-orin-nx", "jetson-xavier-nx",
    "mac-m1", "mac-m2", "mac-m4", "pixel-6", "pixel-7", "pixel-8", "pixel-9", "raspberry-pi-3", "raspberry-pi-4",
    "raspberry-pi-5", "raspberry-pi-zero-2-w", "rockchip-rk3566", "rockchip-rk3588", "x86-64-desktop",
    "x86-64-laptop", "x86-64-server",
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project with an empty devices folder, as the working folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n", encoding="utf-8")
    (tmp_path / "devices").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "devices"


def _read(folder: Path, text: str) -> devices.DeviceProfile:
    file = folder / "board.toml"
    file.write_text(text, encoding="utf-8")
    return devices.read(file)


def test_these_classes_ship():
    assert [profile.id for profile in devices.profiles()] == CLASSES


def test_what_a_phone_or_a_browser_does_not_tell_is_absent():
    phone, browser = devices.get("galaxy-s25"), devices.get("browser-phone")
    assert (phone.processor.architecture, phone.processor.instruction_sets, phone.schemes) == ("aarch64", (), ())
    assert browser.processor == devices.Processor("WebAssembly", "wasm32")
    assert browser.memory is None
    assert [runtime.execution_providers for runtime in browser.runtimes] == [("webgpu", "wasm"), ()]


def test_a_raspberry_pi_5_is_what_its_maker_says():
    pi = devices.get("raspberry-pi-5")
    assert (pi.processor.cores, pi.processor.clock_mhz, pi.processor.architecture) == (4, 2400, "aarch64")
    assert pi.processor.instruction_sets == ("neon", "fp16", "dotprod")
    assert pi.memory == devices.Memory("LPDDR4X", (1, 2, 4, 8, 16), 32, 17)
    (throttling,) = pi.reading("throttling")
    assert isinstance(throttling, devices.CommandReading)
    assert throttling.command == ("vcgencmd", "get_throttled")
    assert throttling.bits["18"] == "Throttling has occurred"


def test_a_jetson_prefers_tensorrt_and_leaves_its_clocks_to_the_power_mode():
    jetson = devices.get("jetson-orin-nano")
    assert (jetson.processor.cores, jetson.processor.clock_mhz) == (6, None)
    assert jetson.accelerators == (devices.Accelerator("Ampere GPU", "gpu", 1024, 32, "8.7"),)
    assert jetson.runtimes[0].execution_providers[0] == "TensorrtExecutionProvider"
    assert jetson.reading("throttling") == ()


def test_a_desktop_is_a_class_without_a_number_of_cores():
    desktop = devices.get("x86-64-desktop")
    assert desktop.processor.cores is None
    assert {"avx2", "fma"} <= set(desktop.processor.instruction_sets)
    assert "cores" not in desktop.to_json()["processor"]
    assert [one.name for one in desktop.reading("temperature")] == ["coretemp", "k10temp"]


@pytest.mark.parametrize("file", content.files("devices", ".toml"), ids=lambda file: file.stem)
def test_a_file_keeps_the_schema_and_quotes_a_page_for_every_fact(file: Path):
    profile = devices.read(file)
    Draft202012Validator(SCHEMA).validate([profile.to_json()])
    for source in profile.sources:
        assert re.fullmatch(r"https://[\w.-]+\.[a-z]+/\S*", source.url)
        assert source.says == source.says.strip()
        assert len(source.says) > 10
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    facts = [
        f"{part}.{key}" for part in ("processor", "memory", "match") for key in document.get(part, {})
    ] + [
        f"{part}.{item['name']}.{key}"
        for part in ("accelerators", "runtimes", "schemes", "readings")
        for item in document.get(part, [])
        for key in item
        if key != "name"
    ]  # fmt: skip
    assert {"processor.name", "processor.architecture"} < set(facts)
    assert [fact for fact in facts if not profile.sources_of(fact)] == [
        fact for fact in facts if fact in {"match.system", "match.cpu_flags"}
    ]
    assert file.read_text(encoding="utf-8").startswith("# "), "a comment says what the class is"


def test_no_fact_is_of_two_minds():
    """Cores of one name have the same instruction sets in every class."""
    for core, sets in (("Cortex-A53", {"neon"}), ("Cortex-A55", {"neon", "fp16", "dotprod"})):
        for profile in devices.profiles():
            if core in profile.processor.name and profile.processor.instruction_sets:
                assert set(profile.processor.instruction_sets) == sets, profile.id


def test_the_nearest_ids_are_listed_and_none_is_chosen():
    with pytest.raises(InputError) as caught:
        devices.get("rasberry-pi5")
    assert caught.value.why == "no such device"
    assert "the nearest names are raspberry-pi-5, " in caught.value.next_step
    assert "jetson-orin-nano" not in caught.value.next_step, "it is not near"
    assert f"edgekit devices list names all {len(devices.profiles())}" in caught.value.next_step


def test_a_file_in_the_users_project_is_a_device(project: Path):
    (project / "my-board.toml").write_text(VALID, encoding="utf-8")
    board = devices.get("my-board")
    assert (board.id, board.name, board.transports) == ("my-board", "Board", ("ssh",))
    assert [profile.id for profile in devices.profiles()][-1] == "my-board"


def test_an_id_is_given_once(project: Path):
    (project / "raspberry-pi-5.toml").write_text(VALID, encoding="utf-8")
    with pytest.raises(InputError, match="already describes the device 'raspberry-pi-5'"):
        devices.profiles()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cores = 4", "cores = 4\nthreads = 8", "unknown key 'threads' in 'processor'"),
        ('kind = "sbc"', 'kind = "sbc"\nweight = 3', "unknown key 'weight'"),
        ('kind = "sbc"', 'kind = "toaster"', "'kind' is 'toaster'"),
        ('kind = "sbc"', "", "'kind' is missing"),
        ("cores = 4", 'cores = "four"', "'processor.cores' is 'four'"),
        ("cores = 4", "cores = true", "'processor.cores' is True"),
        ("cores = 4", "cores = 0", "'processor.cores' is 0"),
        (
            "cores = 4",
            "cores = 4\ninstruction_sets = []",
            "'processor.instruction_sets' is no list with something in it",
        ),
        ('architecture = "aarch64"', "", "'architecture' is missing in 'processor'"),
        ('architecture = "aarch64"', 'architecture = "z80"', "'processor.architecture' is 'z80'"),
        ('transports = ["ssh"]', 'transports = ["pigeon"]', "'transports' is 'pigeon'"),
        ('format = "tflite"', 'format = "tflite3"', "'runtimes.litert.format' is 'tflite3'"),
        ('quantity = "temperature"', 'quantity = "mood"', "'readings.zone.quantity' is 'mood'"),
        ('unit = "millidegC"', 'unit = "K"', "'readings.zone.unit' is 'K'"),
        ('files = "/sys', 'command = ["cat"]\nfiles = "/sys', "unknown key 'files' in 'readings'"),
        ('files = "/sys/class/thermal/thermal_zone0/temp"', "", "'files' is missing in 'readings'"),
        ("https://example.org", "http://example.org", "the source 'http://example.org/board' is no https:// address"),
        ('says = "four cores"', 'says = " "', "'sources.says' is ' '"),
        ('"processor", ', "", "no source covers processor.name, processor.architecture, processor.cores"),
        ('"processor", ', '"processor.name", "processor.architecture", ', "no source covers processor.cores"),
        ('"processor", ', '"processor", "memory", ', "a source names 'memory', which the file does not have"),
        ("[processor]", "[memory]\nbandwidth_gb_per_s = nan\n\n[processor]", "'memory.bandwidth_gb_per_s' is nan"),
        ("[processor]", "[memory]\nbus_bits = 32\n\n[processor]", "no source covers memory.bus_bits"),
        (
            "[[sources]]",
            '[[schemes]]\nname = "int8"\nruntimes = ["tvm"]\n\n[[sources]]',
            "'schemes.int8.runtimes' is 'tvm'",
        ),
        ("[[sources]]", '[[runtimes]]\nname = "litert"\nformat = "onnx"\n\n[[sources]]', "'litert' stands twice"),
        (
            "[[sources]]",
            '[[accelerators]]\nname = "X"\nkind = "fpga"\n\n[[sources]]',
            "'accelerators.X.kind' is 'fpga'",
        ),
        (
            'files = "/sys/class/thermal/thermal_zone0/temp"',
            'command = ["cat"]\nbits = { low = "hot" }',
            "'readings.zone.bits' has 'low'",
        ),
        ("[[sources]]", '[match]\nproduct = ["Board"]\n\n[[sources]]', "no source covers match.product"),
        ("[[sources]]", "[match]\n\n[[sources]]", "'match' is empty"),
        ("[[sources]]", '[match]\nsystem = ["BeOS"]\n\n[[sources]]', "'match.system' is 'BeOS'"),
        ("[[sources]]", '[match]\nserial = ["1"]\n\n[[sources]]', "unknown key 'serial' in 'match'"),
        ("[[sources]]", '[match]\nchassis = ["Desktop"]\n\n[[sources]]', "'match.chassis' is 'Desktop'"),
        ("[[sources]]", "[sources]", "'sources' is no list of tables"),
        ("[processor]", "[[processor]]", "'processor' is no table"),
        ('name = "litert"', 'name = "litert.2"', "the name 'litert.2' has a dot in it"),
    ],
)
def test_a_wrong_profile_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str):
    assert _read(tmp_path, VALID).processor.cores == 4
    with pytest.raises(InputError) as caught:
        _read(tmp_path, VALID.replace(old, new, 1))
    assert said in caught.value.why
    assert str(tmp_path / "board.toml") in caught.value.asked
    assert caught.value.next_step


def test_edgekits_own_rule_for_recognizing_a_class_needs_no_source(tmp_path: Path):
    own = '[match]\nsystem = ["Android"]\ncpu_flags = ["asimd"]\n\n[[sources]]'
    board = _read(tmp_path, VALID.replace("[[sources]]", own, 1))
    assert board.match == devices.Match(system=("Android",), cpu_flags=("asimd",))


def test_a_broken_profile_does_not_stand_in_the_way_of_another(project: Path):
    (project / "broken.toml").write_text("name = ", encoding="utf-8")
    assert devices.get("raspberry-pi-5").name == "Raspberry Pi 5"
    with pytest.raises(InputError, match="not a TOML file"):
        devices.profiles()


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not a TOML file"):
        _read(tmp_path, "name = ")


def test_the_list_is_one_document_that_keeps_its_schema():
    result = CliRunner().invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(document)
    assert [one["id"] for one in document] == CLASSES
    assert {"id", "name", "kind"} <= set(document[0])


def test_the_schema_refuses_a_reading_by_command_and_by_file():
    document = devices.get("raspberry-pi-5").to_json()
    assert Draft202012Validator(SCHEMA).is_valid([document])
    document["readings"][0]["files"] = "/sys"
    assert not Draft202012Validator(SCHEMA).is_valid([document])


def test_show_prints_one_object_of_the_list():
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    shown = json.loads(CliRunner().invoke(app, ["show", "raspberry-pi-5", "--json"]).stdout)
    assert shown in listed


def test_the_tables_name_devices_facts_and_sources():
    listed = CliRunner().invoke(app, ["list"])
    assert listed.exit_code == 0
    for profile in devices.profiles():
        assert profile.id in listed.stdout
        shown = CliRunner().invoke(app, ["show", profile.id])
        assert shown.exit_code == 0
        assert f"{profile.name} ({profile.kind})" in shown.stdout
    shown = CliRunner().invoke(app, ["show", "jetson-orin-nano"])
    assert shown.exit_code == 0
    assert "compute_capability: 8.7" in shown.stdout
    assert "https://developer.nvidia.com/cuda-gpus" in shown.stdout
    # Square brackets are text here, not markup.
    assert "/sys/class/hwmon/hwmon*/in[123]_input" in shown.stdout


def test_an_unknown_device_is_an_input_error():
    result = CliRunner().invoke(app, ["show", "toaster"])
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2
