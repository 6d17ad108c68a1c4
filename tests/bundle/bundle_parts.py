"""A small bundle with every kind of artifact: one file, a folder, a file with external data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.bundle import Artifact, Binding, Manifest, measure, write_golden
from edgekit.signature import Signature, TensorSpec
from edgekit.verify import Tolerance, Verdict, compare

SIGNATURE = Signature((TensorSpec("x", "float32", (None, 2)),), (TensorSpec("y/ä", "int64", (None,)),))


@dataclass(frozen=True)
class Parts:
    manifest: Manifest
    files: dict[str, Path]
    golden: Path


def artifact(target: str, scheme: str, name: str, path: Path, verdict: Verdict, **more: object) -> Artifact:
    digest = measure(path, Path(name).name, more.pop("companions", ()))
    native = Signature((TensorSpec("in", "float32", (2, None)),), (TensorSpec("out", "int32", (None,)),))
    return Artifact(
        target=target,
        scheme=scheme,
        file=name,
        bytes=digest.bytes,
        sha256=digest.sha256,
        files=digest.files,
        signature=native,
        inputs=(Binding("x", "in", (1, 0), "float32"),),
        outputs=(Binding("y/ä", "out", None, "int32"),),
        convert_seconds=1.5,
        call_ms=None if verdict.passed is None else 0.25,
        verdict=verdict,
        runtimes={"runtime": "1.0"},
        versions={"tool": "2.0"},
    )


def make_parts(work: Path) -> Parts:
    """What a conversion leaves in its work folder."""
    package = work / "model.mlpackage"
    (package / "Data").mkdir(parents=True)
    contents = {
        work / "model.onnx": bytes(range(100)),
        work / "model.tflite": b"TFL3" * 5,
        work / "big.onnx": b"graph",
        work / "big.onnx.data": b"weights" * 9,
        package / "Manifest.json": b"{}",
        package / "Data" / "weights.bin": bytes(range(70)),
    }
    for path, content in contents.items():
        path.write_bytes(content)
    runs = [{"y/ä": np.array([1, 2])}, {"y/ä": np.array([3, 4])}]
    write_golden(work / "golden.npz", [{"x": np.full((2, 2), n, np.float32)} for n in (1, 2)], runs)
    passed = compare(runs, runs, Tolerance(sqnr_db=90), executed_by="onnxruntime 1.32.0")
    unknown = Verdict.not_executed("no Core ML here", Tolerance(sqnr_db=60))
    files = {
        "onnx/float32.onnx": work / "model.onnx",
        "tflite/float32.tflite": work / "model.tflite",
        "coreml/float32.mlpackage": package,
        "onnx/float16.onnx": work / "big.onnx",
    }
    artifacts = (
        artifact("onnx", "float32", "onnx/float32.onnx", work / "model.onnx", passed),
        artifact("tflite", "float32", "tflite/float32.tflite", work / "model.tflite", passed),
        artifact("coreml", "float32", "coreml/float32.mlpackage", package, unknown),
        artifact("onnx", "float16", "onnx/float16.onnx", work / "big.onnx", passed, companions=["big.onnx.data"]),
    )
    manifest = Manifest(
        created="2026-01-31T12:00:00Z",
        edgekit="0.1.0",
        source={"framework": "torch", "file": "model.pt2", "sha256": "0" * 64, "versions": {"torch": "2.13.0"}},
        signature=SIGNATURE,
        artifacts=artifacts,
        samples={"count": 2, "synthetic": False, "origin": "photos.npz", "golden": 2},
        preprocessing={"size": [2, 2], "mean": [0.1]},
        labels=("Katze 🐈", "dog"),
        seed=7,
        notes=("one note",),
        columns={"x": ("a", "b")},
    )
    return Parts(manifest, files, work / "golden.npz")
