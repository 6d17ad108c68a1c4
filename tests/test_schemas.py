"""Every command's JSON on real models, against the schemas in docs/schemas."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from referencing import Registry, Resource

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"
NAMES = (
    "bench",
    "compare",
    "convert",
    "device",
    "diagnose",
    "doctor",
    "history",
    "inspect-file",
    "manifest",
    "preprocessing",
    "probe",
    "routes",
    "run",
    "suite-run",
    "suite",
    "tune",
    "verify-layers",
    "verify",
)
LABELS = ["apple", "pear", "plum"]

NETWORK = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                               torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.Softmax(1))
"""
CONTRACT = f"""
size = [8, 8]
resize = "cover"
colour = "rgb"
layout = "nchw"
mean = 127.0
std = 128.0
labels = {json.dumps(LABELS)}
"""


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return found


def validator(name: str) -> jsonschema.Draft202012Validator:
    registry: Any = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text("utf-8"))))
        for path in SCHEMAS.glob("*.schema.json")
    )
    return jsonschema.Draft202012Validator(schema(name), registry=registry)


def check(name: str, document: Any) -> Any:
    """The document, which is as its schema says, and would not be with a key more or a key less."""
    validator(name).validate(document)
    for first in document if isinstance(document, list) else [document]:
        wrong = [
            {**first, "unheard_of": 1},
            *({k: v for k, v in first.items() if k != key} for key in schema_keys(name)),
        ]
        for one in wrong:
            assert not validator(name).is_valid([one] if isinstance(document, list) else one)
    return document


def schema_keys(name: str) -> list[str]:
    found = schema(name)
    reference = found.get("items", found).get("$ref")
    if reference:
        found = found["$defs"][reference.rpartition("/")[2]]
    return list(found["required"])


def edgekit(folder: Path, *arguments: str, code: int = 0) -> Any:
    environment = {**os.environ, "PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *arguments, "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("schemas")
    (made / "tiny.py").write_text(NETWORK)
    (made / "contract.toml").write_text(CONTRACT)
    pictures = made / "pictures"
    pictures.mkdir()
    from PIL import Image

    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{index}.png")
    return made


@pytest.fixture(scope="session")
def converted(folder: Path) -> Any:
    """A bundle of an executed and a not executed artifact, made from a real network by the command line."""
    return edgekit(
        folder, "convert", "tiny:build", "--to", "onnx,coreml", "--output-name", "scores",
        "--samples", "pictures", "--preprocess", "contract.toml", "-o", "tiny.edge", "--quiet",
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_one_and_says_no_to_the_unknown(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    objects = [one for one in _walk(found) if one.get("type") == "object" and "properties" in one]
    assert objects or "items" in found
    assert all(one["additionalProperties"] is False for one in objects)


def _walk(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for one in value for found in _walk(one)]
    if isinstance(value, dict):
        return [value, *(found for one in value.values() for found in _walk(one))]
    return []


def test_every_schema_is_tested_here() -> None:
    assert sorted(path.name for path in SCHEMAS.glob("*.json")) == [f"{name}.schema.json" for name in NAMES]


def test_convert(converted: Any) -> None:
    document = check("convert", converted)
    assert document["failed"] == []
    assert {(row["target"], row["file"], row["verdict"]["passed"]) for row in document["artifacts"]} >= {
        ("onnx", "onnx/float32.onnx", True)
    }
    coreml = next(row for row in document["artifacts"] if row["target"] == "coreml")
    assert coreml["verdict"]["passed"] is True
    # Where there is no Core ML, its reference answers: that is not timed.
    reference = coreml["verdict"]["executed_by"] == "edgekit Core ML reference"
    assert reference == (coreml["call_ms"] is None) == bool(coreml["verdict"]["notes"])


def test_convert_that_fails(folder: Path) -> None:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    X, y = load_iris(return_X_y=True)
    joblib = pytest.importorskip("joblib")
    joblib.dump(LogisticRegression(max_iter=500).fit(X, y), folder / "iris.joblib")
    np.save(folder / "iris.npy", X[::10].astype(np.float32))
    document = edgekit(
        folder, "convert", "iris.joblib", "--trust", "--to", "onnx", "--samples", "iris.npy",
        "--tolerance", "sqnr_db=1000", "-o", "iris.edge", "--quiet", code=1,
    )  # fmt: skip
    check("convert", document)
    assert document["bundle"] is None
    (row,) = document["artifacts"]
    assert (row["file"], row["verdict"]["passed"]) == (None, False)
    (failure,) = document["failed"]
    assert (failure["target"], failure["scheme"]) == ("onnx", "float32")


@pytest.mark.usefixtures("converted")
def test_verify(folder: Path) -> None:
    document = check("verify", edgekit(folder, "verify", "tiny.edge", "--target", "onnx"))
    assert [(row["file"], row["verdict"]["passed"]) for row in document["artifacts"]] == [("onnx/float32.onnx", True)]


@pytest.mark.usefixtures("converted")
def test_verify_layers(folder: Path) -> None:
    against = ("--against", "tiny:build", "--output-name", "scores", "--samples", "pictures")
    more = (*against, "--preprocess", "contract.toml", "--layers")
    document = check("verify-layers", edgekit(folder, "verify", "tiny.edge", *more, "--target", "onnx"))
    (artifact,) = document["artifacts"]
    assert (artifact["passed"], artifact["samples"], artifact["first_departure"]) == (True, 3, None)
    assert artifact["layers"][-1]["output"] == "scores"
    # The exit code of a layer that departs.
    document = edgekit(folder, "verify", "tiny.edge", *more, "--tolerance", "sqnr_db=1000", code=1)
    validator("verify-layers").validate(document)
    assert document["artifacts"][0]["passed"] is False


@pytest.mark.usefixtures("converted")
def test_run(folder: Path) -> None:
    document = check("run", edgekit(folder, "run", "tiny.edge", "--target", "onnx", "--samples", "pictures"))
    assert (document["artifact"], document["samples"]) == ("onnx/float32", 3)
    scores = document["outputs"]["scores"]
    assert (scores["dtype"], scores["shape"]) == ("float32", [3, 3])
    best = document["labels"]["scores"][0][0]
    assert best == {"label": LABELS[int(np.argmax(scores["values"][0]))], "score": max(scores["values"][0])}


@pytest.mark.usefixtures("converted")
def test_inspect(folder: Path) -> None:
    manifest = check("manifest", edgekit(folder, "inspect", "tiny.edge"))
    assert manifest["labels"] == LABELS
    check("preprocessing", manifest["preprocessing"])

    from edgekit.bundle import Bundle

    bundle = Bundle.open(folder / "tiny.edge")
    onnx = next(artifact for artifact in bundle.artifacts if artifact.target == "onnx")
    (folder / "tiny.onnx").write_bytes(bundle.model_bytes(onnx))
    document = check("inspect-file", edgekit(folder, "inspect", "tiny.onnx"))
    assert (document["sha256"], document["bytes"]) == (onnx.sha256, onnx.bytes)
    assert document["preprocessing"] == manifest["preprocessing"]


def test_doctor(folder: Path) -> None:
    document = check("doctor", edgekit(folder, "doctor"))
    assert [row["target"] for row in document["runtimes"]] == ["onnx", "tflite", "coreml"]


def test_routes(folder: Path) -> None:
    rows = check("routes", edgekit(folder, "routes"))
    assert {("torch", "onnx"), ("sklearn", "onnx")} <= {(row["source"], row["target"]) for row in rows}


def test_devices(folder: Path) -> None:
    validator("device").validate(edgekit(folder, "devices", "list"))
    phone = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari"
    assert check("probe", edgekit(folder, "devices", "probe", "--user-agent", phone))["device"] == "browser-phone"


def test_tune_and_diagnose(folder: Path) -> None:
    (folder / "colours.py").write_text(
        "import torch\n\n\ndef build():\n    torch.manual_seed(0)\n    return torch.nn.Linear(4, 3).eval()\n"
    )
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    np.save(folder / "rows.npy", rows)
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        labels = torch.nn.Linear(4, 3)(torch.from_numpy(rows)).numpy().argmax(axis=1)
    np.save(folder / "labels.npy", labels)
    given = ["colours:build", "--samples", "rows.npy", "--input-shape", "input=1,4"]
    found = check("diagnose", edgekit(folder, "diagnose", *given, "--quiet"))
    assert found["samples"] == 256
    tuned = check(
        "tune",
        edgekit(
            folder, "tune", *given, "--labels", "labels.npy", "--max-drop", "30%", "--for", "size", "--to", "onnx",
            "-o", "colours.edge", "--quiet",
        ),
    )  # fmt: skip
    assert tuned["candidates"][0]["name"] == "float32"
