"""The wheel: what is in it, and that it works far from the checkout."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bare_python import PIP, ROOT, BarePython, bare_python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def bare() -> BarePython:
    return bare_python()


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed into a folder of its own, without what it depends on."""
    target = tmp_path_factory.mktemp("far") / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, capture_output=True)
    return target


def contents(folder: str, pattern: str, inside: str) -> set[str]:
    return {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in (ROOT / folder).rglob(pattern)}


def test_wheel_holds_the_engine_and_its_content_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    converters = contents("converters", "*.py", "edgekit/_content/converters")
    devices = contents("devices", "*.toml", "edgekit/_content/devices")
    suites = contents("benchmarks/suites", "*.*", "edgekit/_content/benchmarks/suites")
    suites = {name for name in suites if not name.endswith(".pyc")}
    engine = {name for name in contents("edgekit", "*.*", "edgekit") if not name.endswith(".pyc")}
    assert "edgekit/_content/converters/torch_onnx.py" in names
    assert "edgekit/_content/devices/raspberry-pi-5.toml" in names
    assert names == converters | devices | suites | engine


def test_wheel_names_its_license_script_and_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(texts["METADATA"]).decode()
        assert archive.read(texts["entry_points.txt"]).decode().split("\n")[1] == "edgekit = edgekit.cli:main"
    assert "licenses/LICENSE" in texts
    assert "License-Expression: Apache-2.0" in metadata
    extras = {line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Provides-Extra: ")}
    wanted = {"torch", "tensorflow", "sklearn", "coreml", "onnx", "tflite", "all", "runtime-onnx", "runtime-tflite"}
    assert extras >= wanted
    needed = {line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra ==" not in line}
    assert {line.split()[1].partition(">")[0] for line in needed} == {"numpy", "rich", "tomli", "typer"}


def answer(bare: BarePython, site: Path, folder: Path, *arguments: str) -> str:
    done = bare.run(["-m", "edgekit", *arguments], [site, bare.numpy, bare.cli], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "edgekit", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=True).stdout


def test_routes_and_devices_far_from_the_checkout(site: Path, bare: BarePython, tmp_path: Path) -> None:
    def table(text: str) -> list[dict[str, Any]]:
        changing = {"available", "reason"}
        return [{key: value for key, value in row.items() if key not in changing} for row in json.loads(text)]

    routes = ("routes", "--json")
    assert table(answer(bare, site, tmp_path, *routes)) == table(here(*routes, cwd=tmp_path))
    devices = ("devices", "list", "--json")
    assert json.loads(answer(bare, site, tmp_path, *devices)) == json.loads(here(*devices, cwd=tmp_path))
    markdown = ("routes", "--markdown")
    assert answer(bare, site, tmp_path, *markdown) == here(*markdown, cwd=tmp_path)


def test_commands_far_from_the_checkout(site: Path, bare: BarePython, tmp_path: Path) -> None:
    assert "Usage:" in answer(bare, site, tmp_path, "--help")
    assert "missing" in answer(bare, site, tmp_path, "doctor")
    # Nothing is installed for the user: the extra is named.
    (tmp_path / "net.onnx").write_bytes(b"x")
    done = bare.run(["-m", "edgekit", "convert", "net.onnx"], [site, bare.numpy, bare.cli], tmp_path)
    assert done.returncode == 3, done.stderr
    assert "onnxruntime is not installed; run: pip install 'edgekit[runtime-onnx]'" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
