"""One converted model, and one real measurement of it, for all tests of the benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from short_protocol import SHORT

from edgekit.bench.measure import Settings, measure
from edgekit.bench.result import Result


@pytest.fixture(scope="session")
def bench_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network for ONNX Runtime and LiteRT."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("litert_torch")
    import edgekit

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1568, 10)
    )
    samples = {"pixels": np.random.default_rng(0).standard_normal((4, 3, 16, 16)).astype("f4")}
    path = tmp_path_factory.mktemp("bench") / "net.edge"
    assert edgekit.convert(network, ["onnx", "tflite"], samples=samples, input_names=["pixels"], output=path)
    return path


@pytest.fixture(scope="session")
def result(bench_bundle: Path) -> Result:
    """A real measurement of the ONNX artifact on one thread."""
    return measure(bench_bundle, Settings(protocol=SHORT, target="onnx", threads=1))
