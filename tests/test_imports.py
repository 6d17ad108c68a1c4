"""What importing costs and needs: no framework anywhere, and on a device numpy alone."""

import pkgutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_python import BarePython, bare_python

import edgekit

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = {
    "torch", "tensorflow", "keras", "tf_keras", "sklearn", "skops", "joblib", "onnx", "onnxruntime", "coremltools",
    "litert_torch", "ai_edge_litert", "tf2onnx", "skl2onnx", "PIL", "pandas", "pyarrow", "jinja2", "scipy",
    "cryptography", "safetensors", "flatbuffers", "google.protobuf",
}  # fmt: skip
# What lands on a device, by the design.
ON_DEVICE = (
    "edgekit", "edgekit.errors", "edgekit.signature", "edgekit.preprocessing", "edgekit.bundle", "edgekit.runtime",
    "edgekit.verify.compare", "edgekit.bench.worker",
)  # fmt: skip


@pytest.fixture(scope="module")
def bare() -> BarePython:
    return bare_python()


def modules() -> Iterator[str]:
    yield "edgekit"
    for found in pkgutil.walk_packages(edgekit.__path__, "edgekit."):
        if found.name != "edgekit.__main__":  # which runs the command
            yield found.name


def test_every_module_imports_without_a_framework(bare: BarePython, tmp_path: Path) -> None:
    names = list(modules())
    assert len(names) > 50
    script = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\nprint(len(sys.modules))"
    done = bare.run(["-W", "error", "-c", script], [ROOT, bare.numpy, bare.cli], tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_converter_loads_without_its_framework(bare: BarePython, tmp_path: Path) -> None:
    script = (
        "from edgekit.convert import routes; print(len(routes()), sum(not r.unavailable_because() for r in routes()))"
    )
    done = bare.run(["-W", "error", "-c", script], [ROOT, bare.numpy, bare.cli], tmp_path)
    assert done.returncode == 0, done.stderr
    count, available = map(int, done.stdout.split())
    assert count == len(list((ROOT / "converters").glob("[!_]*.py")))
    assert available == 0


@pytest.mark.parametrize("name", ON_DEVICE)
def test_device_needs_numpy_only(name: str, bare: BarePython, tmp_path: Path) -> None:
    script = f"import importlib; importlib.import_module({name!r})"
    done = bare.run(["-W", "error", "-c", script], [ROOT, bare.numpy], tmp_path)
    assert done.returncode == 0, done.stderr
    # The environment really is that bare.
    assert bare.run(["-c", "import typer"], [ROOT, bare.numpy], tmp_path).returncode != 0


def test_public_names_on_a_device(bare: BarePython, tmp_path: Path) -> None:
    script = "import edgekit; print(edgekit.load, edgekit.Session, edgekit.Bundle, edgekit.Signature, edgekit.errors)"
    done = bare.run(["-W", "error", "-c", script], [ROOT, bare.numpy], tmp_path)
    assert done.returncode == 0, done.stderr


def test_missing_runtime_is_named_with_its_extra(bare: BarePython, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    script = "import edgekit; edgekit.load('net.onnx')"
    done = bare.run(["-c", script], [ROOT, bare.numpy], tmp_path)
    last = done.stderr.splitlines()[-1]
    assert "MissingDependencyError" in last
    assert "onnxruntime is not installed; run: pip install 'edgekit[runtime-onnx]'" in last


@pytest.mark.parametrize(
    "statement", ["import edgekit", "import edgekit.cli.app", "from edgekit import convert, load, Bundle"]
)
def test_no_framework_is_loaded(statement: str, tmp_path: Path) -> None:
    script = f"{statement}\nimport sys\nprint(*(name for name in {sorted(FRAMEWORKS)} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_import_time_over_numpy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shown, not asserted: a busy machine is no fault of an import. The aim is 50 ms."""
    statements = ("import numpy", "import numpy, edgekit")
    times: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(7):
        for statement in statements:
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], cwd=tmp_path, check=True)
            times[statement].append(time.perf_counter() - started)
    base, ours = (min(times[statement]) for statement in statements)
    with capsys.disabled():
        print(f"\nimport edgekit costs {(ours - base) * 1000:.1f} ms over numpy's {base * 1000:.1f} ms")  # noqa: T201
