"""Layer by layer: the weights of one known layer are changed in the file, and that layer must be found."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.bundle import Bundle
from edgekit.convert.request import ConvertRequest
from edgekit.errors import InputError
from edgekit.verify.layers import LayerReport, compare_layers

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

FACTORY = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = torch.nn.Conv2d(6, 6, 3, padding=1), torch.nn.BatchNorm2d(6)
        self.act = torch.nn.ReLU(inplace=True)
        self.bn.running_var.uniform_(0.3, 2)
        self.bn.weight.data.uniform_(0.5, 1.5)
    def forward(self, x):
        return x + self.act(self.bn(self.conv(x)))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.middle = torch.nn.Conv2d(3, 6, 3, stride=2), torch.nn.Conv2d(6, 6, 3, padding=1)
        self.first, self.second = Block(), Block()
        self.head = torch.nn.Linear(6, 4)
    def forward(self, image):
        x = self.first(torch.relu(self.stem(image)))
        x = self.second(torch.relu(self.middle(x)))
        return {"scores": torch.softmax(self.head(torch.nn.functional.gelu(x.mean((2, 3)))), 1)}

def build():
    torch.manual_seed(0)
    return Net().eval()
"""
FORMATS = {"onnx": ".onnx", "tflite": ".tflite", "coreml": ".mlpackage"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("layers")
    (folder / "layer_nets.py").write_text(FACTORY)
    sys.path.insert(0, str(folder))
    import layer_nets

    np.savez(folder / "s.npz", image=np.random.default_rng(0).standard_normal((3, 3, 17, 17)).astype("f4"))
    result = edgekit.convert(layer_nets.build(), list(FORMATS), samples=folder / "s.npz", output=folder / "net.edge")
    assert result, [str(failure.error) for failure in result.failed]
    bundle = Bundle.open(folder / "net.edge")
    for artifact in bundle.artifacts:
        bundle.extract(artifact, folder / artifact.target)
    yield folder
    sys.path.remove(str(folder))


def original(folder: Path) -> ConvertRequest:
    return ConvertRequest("layer_nets:build", ("onnx",), samples=str(folder / "s.npz"))


def model(folder: Path, target: str, scheme: str = "float32") -> Path:
    return folder / target / f"{scheme}{FORMATS[target]}"


def corrupted(folder: Path, target: str, into: Path, error: float = 0.05) -> Path:
    """The file with the weights of ``middle``, which no converter changes, a little off."""
    import layer_nets

    weight = layer_nets.build().middle.weight.detach().numpy()
    wrong = weight.copy()
    wrong[2, 3] += error
    if target == "tflite":
        weight, wrong = (np.ascontiguousarray(array.transpose(0, 2, 3, 1)) for array in (weight, wrong))
    path = into / f"wrong{FORMATS[target]}"
    place = shutil.copytree(model(folder, target), path) if target == "coreml" else None
    (file,) = place.rglob("weight.bin") if place else (model(folder, target),)
    content = file.read_bytes()
    assert content.count(weight.tobytes()) == 1
    (file if place else path).write_bytes(content.replace(weight.tobytes(), wrong.tobytes()))
    return path


def middle_of(report: LayerReport) -> set[str]:
    """The operations of the original in the row that departs first, and those fused into it."""
    assert report.first is not None
    row = report.rows[report.first]
    return {tensor.layer for tensor in (row.original, *row.includes)}


def test_every_artifact_of_a_bundle(folder: Path) -> None:
    reports = compare_layers(folder / "net.edge", against=original(folder))
    assert [(one.target, one.scheme) for one in reports] == [(target, "float32") for target in FORMATS]
    for report in reports:
        assert report.passed is True, (report.target, report.reason, report.rows)
        assert report.first is None
        assert report.missing == ()
        assert report.samples == 3
        (output,) = [row for row in report.rows if row.artifact.output]
        assert (output.original.output, output.matched_by) == ("scores", "name")
        # Each of the original's operations is either a row or inside one.
        assert sum(1 + len(row.includes) for row in report.rows) == 16


@pytest.mark.parametrize("target", FORMATS)
def test_the_layer_whose_weights_are_wrong(target: str, folder: Path, tmp_path: Path) -> None:
    (report,) = compare_layers(corrupted(folder, target, tmp_path), against=original(folder))
    assert report.passed is False
    assert "middle" in middle_of(report)
    assert report.first is not None
    good = report.rows[: report.first]
    assert good[-1].original.layer == "first"
    assert all(row.distance.sqnr_db > 100 for row in good)
    # Nothing after it is right again.
    assert all(row.departs for row in report.rows[report.first :])


@pytest.mark.parametrize("target", FORMATS)
def test_weights_that_have_nothing_to_do_with_the_original(target: str, folder: Path, tmp_path: Path) -> None:
    (report,) = compare_layers(corrupted(folder, target, tmp_path, 30.0), against=original(folder))
    assert "middle" in middle_of(report) | {report.rows[report.first].original.layer}
    assert report.rows[report.first - 1].original.layer == "first"


@pytest.mark.parametrize("reference", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_any_two_formats(reference: str, target: str, folder: Path, tmp_path: Path) -> None:
    against = ConvertRequest(str(model(folder, reference)), ("onnx",))
    (right,) = compare_layers(model(folder, target), against=against)
    assert right.passed, right
    assert len(right.rows) >= 10
    (wrong,) = compare_layers(corrupted(folder, target, tmp_path), against=against)
    assert wrong.first is not None
    # What departs first is what the convolution gives, or the activation that is fused into it.
    assert [row.artifact for row in wrong.rows[: wrong.first + 1]] == [
        row.artifact for row in right.rows[: wrong.first + 1]
    ]
    assert [row.departs for row in wrong.rows[: wrong.first]] == [False] * wrong.first
    assert 3 <= wrong.first <= 7


def test_bounds_of_the_users(folder: Path) -> None:
    (report,) = compare_layers(
        folder / "net.edge", against=original(folder), target="onnx", tolerance={"max_abs_error_relative": 0}
    )
    assert report.first is not None
    assert all(row.distance.sqnr_db == math.inf for row in report.rows[: report.first])
    assert report.tolerance.to_json() == {"sqnr_db": 90, "max_abs_error_relative": 0}


def test_half_precision_that_overflows(tmp_path: Path) -> None:
    class Large(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return torch.tanh(x * x * 1000.0 / 1e6)

    network = Large().eval()
    inputs = np.array([[1, 2, 3, 40]], np.float32)
    bounds = {"sqnr_db": 0.0}
    assert edgekit.convert(
        network, "coreml", samples=inputs, quantize="float16", only=True, tolerance=bounds, output=tmp_path / "l.edge"
    )
    torch.export.save(torch.export.export(network, (torch.from_numpy(inputs),)), tmp_path / "l.pt2")
    against = ConvertRequest(str(tmp_path / "l.pt2"), ("onnx",))
    (report,) = compare_layers(tmp_path / "l.edge", against=against)
    assert report.first is not None
    assert report.rows[report.first].original.op == "mul"
    assert report.rows[report.first].distance.problem == "Inf in 1 of 4 elements"
    assert any("overflow" in line for line in report.troubles)


def test_no_original_and_another_one(folder: Path) -> None:
    with pytest.raises(InputError, match=r"records the original's outputs, not its layers; name the original"):
        compare_layers(folder / "net.edge", against=None)
    with pytest.raises(InputError, match="the original's image: float32"):
        compare_layers(
            folder / "net.edge", against=ConvertRequest("layer_nets:build", ("onnx",), shapes={"image": (1, 3, 33, 33)})
        )


def test_a_module_that_cannot_be_exported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("data-dependent control flow")

    monkeypatch.setattr(torch.export, "export", refuse)
    (report,) = compare_layers(model(folder, "onnx"), against=original(folder))
    assert report.passed
    assert {"stem", "middle", "second", "head"} <= {row.original.layer for row in report.rows}
