"""One converted model for all tests of sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def picture_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a picture (NCHW; the files take NHWC) and int64 tokens (int32 in TFLite), for both runtimes."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("litert_torch")
    import edgekit

    class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 3, padding=1)
            self.embedding = torch.nn.Embedding(10, 4)
            self.linear = torch.nn.Linear(4, 5)

        def forward(self, pixels, tokens):  # type: ignore[no-untyped-def]
            hidden = self.convolution(pixels).relu().mean((2, 3)) + self.embedding(tokens).mean(1)
            return {"scores": self.linear(hidden), "next": tokens + 1}

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("sessions") / "picture.edge"
    samples = {"pixels": rng.standard_normal((4, 3, 8, 8)).astype("f4"), "tokens": rng.integers(0, 10, (4, 6))}
    assert edgekit.convert(Network(), ["onnx", "tflite"], samples=samples, layout="nhwc", output=path)
    return path
