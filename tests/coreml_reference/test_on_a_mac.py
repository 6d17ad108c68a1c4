"""The reference against Core ML itself, where that exists."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import converter, save

from edgekit.coreml_reference import open_model
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance

pytestmark = pytest.mark.skipif(sys.platform != "darwin", reason="Core ML exists on macOS only")
torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
nn = torch.nn
RNG = np.random.default_rng(0)


class Convolutional(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(nn.functional.gelu(self.conv(x)).mean((2, 3))).softmax(-1)


class Recurrent(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 12, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.lstm(x)[0]


class Attentive(nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(16), nn.Linear(16, 16)

    def forward(self, x: Any) -> Any:
        y = self.fc(self.norm(x))
        return x + torch.matmul((torch.matmul(y, y.transpose(1, 2)) / 4).softmax(-1), y)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("kind", "shape"), [(Convolutional, (1, 3, 16, 16)), (Recurrent, (1, 5, 8)), (Attentive, (1, 6, 16))]
)
def test_core_ml_says_the_same(tmp_path: Path, kind: Any, shape: tuple[int, ...], *, half: bool) -> None:
    ct = converter()
    torch.manual_seed(0)
    path = save(kind(), torch.zeros(shape), tmp_path / "m.mlpackage", half=half)
    theirs = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)
    ours = open_model(path)
    samples = [RNG.standard_normal(shape).astype(np.float32) for _ in range(4)]
    verdict = compare(
        [theirs.predict({"x": x}) for x in samples],
        [ours.predict({"x": x}) for x in samples],
        Tolerance(sqnr_db=40 if half else 90),
        executed_by="edgekit Core ML reference",
    )
    assert verdict.passed, verdict


def test_image_outputs_are_rounded_as_core_ml_rounds_them(tmp_path: Path) -> None:
    class Brighter(nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, x: Any) -> Any:
            return x * 1.6 - 40

    image = pytest.importorskip("PIL.Image")
    ct = converter()
    path = save(
        Brighter(),
        torch.zeros(1, 3, 10, 14),
        tmp_path / "m.mlpackage",
        inputs=[ct.ImageType(name="x", shape=(1, 3, 10, 14))],
        outputs=[ct.ImageType(name="y")],
    )
    pixels = RNG.integers(0, 256, (10, 14, 3), dtype=np.uint8)
    model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit.CPU_ONLY)
    theirs = np.asarray(model.predict({"x": image.fromarray(pixels)})["y"].convert("RGB"))
    np.testing.assert_array_equal(open_model(path).predict({"x": pixels})["y"], theirs)
