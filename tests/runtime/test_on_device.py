"""The bundle where it is for: an environment with numpy and one runtime, edgekit's wheel, and nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.bench.measure import Settings
from edgekit.bench.protocol import Protocol
from edgekit.bench.subject import resolve
from edgekit.bench.transports import LocalTransport

pytestmark = pytest.mark.slow

# What a device would run: load, self-test, one call, one bound call; then what got imported on the way.
_SCRIPT = """
import json, sys
import edgekit
session = edgekit.load(sys.argv[1], target=sys.argv[2])
verdict = session.self_test()
bound = session.bind()
for array in bound.inputs.values():
    array.fill("une café" if array.dtype.kind == "O" else 1)
bound()
answer = session.run({name: array.copy() for name, array in bound.inputs.items()})
same = all((answer[name] == value).all() for name, value in bound.outputs.items())
imported = {module.split(".")[0] for module in sys.modules}
heavy = sorted(imported & {"typer", "rich", "torch", "tensorflow", "sklearn", "onnx", "PIL", "cryptography"})
facts = {"runtime": session.runtime, "passed": verdict.passed, "samples": verdict.samples, "same": same, "heavy": heavy}
print(json.dumps(facts))
"""


def _environment(folder: Path, wheel: Path, *packages: str) -> Path:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *packages], check=True, timeout=300)
    subprocess.run([*install, "--no-deps", wheel], check=True, timeout=300)
    return python


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    pytest.importorskip("litert_torch")
    import edgekit

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5))
    path = tmp_path_factory.mktemp("bundle") / "model.edge"
    assert edgekit.convert(model, ["onnx", "tflite"], input_shapes={"input": (1, 3, 8, 8)}, layout="nhwc", output=path)
    return path


@pytest.mark.parametrize(
    ("target", "runtime", "packages"),
    [
        ("onnx", "onnxruntime", ("numpy", "onnxruntime")),
        ("tflite", "litert", ("numpy", "ai-edge-litert")),
        pytest.param(
            "tflite",
            "tflite-runtime",
            ("numpy<2", "tflite-runtime==2.14.0"),
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 12) or sys.platform != "linux", reason="tflite-runtime has no wheels for it"
            ),
        ),
    ],
)
def test_a_bundle_runs_with_numpy_and_one_runtime(
    target: str,
    runtime: str,
    packages: tuple[str, ...],
    bundle: Path,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = _environment(tmp_path / "environment", wheel, *packages)
    command = [python, "-c", _SCRIPT, bundle, target]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("runtime").startswith(runtime)
    assert answer == {"passed": True, "samples": 8, "same": True, "heavy": []}
    # There the worker of a benchmark measures it too.
    monkeypatch.setattr(sys, "executable", str(python))
    subject = resolve(bundle, tmp_path, target=target, scheme=None, samples=None)
    settings = Settings(Protocol("short", processes=2, min_calls=20, min_seconds=0.1))
    measured = LocalTransport().work(settings.request("time", [subject]), timeout=60, tick=lambda: None)["models"][0]
    assert measured["runtime"].startswith(runtime)
    assert len(measured["durations_ns"]) * measured["loops"] >= 10


@pytest.mark.parametrize(
    ("vectorizer", "settings"),
    [("TfidfVectorizer", {"strip_accents": "unicode"}), ("HashingVectorizer", {"n_features": 256})],
)
def test_a_bundle_counts_the_terms_of_texts_with_numpy(
    vectorizer: str, settings: dict[str, object], wheel: Path, tmp_path: Path
) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    pytest.importorskip("litert_torch")
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    import edgekit

    texts = np.array(["un café", "une tasse de thé", "The cup", "cups of tea"] * 2, dtype=object)
    model = make_pipeline(getattr(text, vectorizer)(**settings), LogisticRegression())
    model.fit(texts, ["fr", "fr", "en", "en"] * 2)
    assert edgekit.convert(model, "tflite", samples=texts, output=tmp_path / "model.edge")
    python = _environment(tmp_path / "environment", wheel, "numpy", "ai-edge-litert")
    command = [python, "-c", _SCRIPT, tmp_path / "model.edge", "tflite"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("runtime").startswith("litert")
    assert answer == {"passed": True, "samples": 8, "same": True, "heavy": []}
