"""The ranges of a TFLite file: the quick way finds what the library itself does, and infinities go the other way."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.convert.prepare import prepare
from edgekit.convert.request import ConvertRequest
from edgekit.quantize import tflite_ranges
from edgekit.quantize.calibration import Calibration
from edgekit.samples import RawSamples

torch = pytest.importorskip("torch")
modes = pytest.importorskip("ai_edge_quantizer.calibrator").CalibrationMode


class Masked(torch.nn.Module):
    """A convolution, and a sum over what a mask leaves: minus infinity for the rest."""

    def __init__(self, *, masked: bool) -> None:
        super().__init__()
        self.masked, self.conv, self.head = masked, torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(36, 6)
        self.register_buffer("mask", torch.tensor([0.0, 0.0, float("-inf"), 0.0, float("-inf"), 0.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.head(torch.relu(self.conv(x)).flatten(1))
        return torch.softmax(scores + self.mask if self.masked else scores, -1)


def made(tmp_path: Path, *, masked: bool) -> tuple[Path, Calibration]:
    """The float32 file and samples."""
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(24, 1, 5, 5)).astype(np.float32)
    network = Masked(masked=masked).eval()
    bundle = edgekit.convert(network, "tflite", samples=x, output=tmp_path / "m.edge").bundle
    assert bundle is not None
    opened = edgekit.Bundle.open(bundle)
    path = tmp_path / "m.tflite"
    path.write_bytes(opened.model_bytes(opened.artifact("tflite")))
    request = ConvertRequest(model="network", targets=("tflite",), schemes=("int8",))
    prepared = prepare(request, lambda _: None, network, RawSamples({"": x}, "nameless", "x"))
    assert prepared.calibration is not None
    (mine,) = opened.artifact("tflite").inputs
    return path, Calibration(prepared.calibration, lambda run: {mine.native: next(iter(run.values()))})


def counted(path: Path, calibration: Calibration) -> dict[str, Any]:
    return tflite_ranges._counted(path, calibration, modes.CALIBRATION_PRESERVE_ALL_TENSORS)


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
def test_the_quick_way_finds_the_same_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calibration = made(tmp_path, masked=False)
    wanted = counted(path, calibration)
    ways: list[Any] = []
    real = tflite_ranges._counted
    monkeypatch.setattr(tflite_ranges, "_counted", lambda *given: (ways.append(given[-1]), real(*given))[1])
    found = tflite_ranges.ranges_of(path, calibration)
    assert ways == [modes.CALIBRATION_PROFILER_BASED]
    assert set(found) >= set(wanted)
    for name, range_ in wanted.items():
        for side, end in range_.items():
            assert found[name][side].shape == np.shape(end)
            np.testing.assert_array_equal(found[name][side], np.asarray(end, np.float32))
    one = dataclasses.replace(calibration, samples=calibration.samples.head(1))
    assert any(tflite_ranges.ranges_of(path, one)[name]["max"] < found[name]["max"] for name in wanted)


@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
def test_minus_infinity_is_no_end_of_a_range(tmp_path: Path) -> None:
    path, calibration = made(tmp_path, masked=True)
    found = tflite_ranges.ranges_of(path, calibration)
    assert found.keys() == counted(path, calibration).keys()
    assert all(np.isfinite(end).all() for range_ in found.values() for end in range_.values())
