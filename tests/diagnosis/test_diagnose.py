"""What fewer bits will not bear: each fault put into a network, and found with its layer and numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.convert.request import ConvertRequest
from edgekit.diagnosis import Diagnosis, Finding, diagnose
from edgekit.errors import InputError
from edgekit.samples import RawSamples

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

X = np.random.default_rng(0).normal(size=(40, 3, 8, 8)).astype(np.float32)
Module: Any = torch.nn.Module


class Healthy(Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.Conv2d(3, 16, 3, padding=1)
        self.last = torch.nn.Linear(32, 4)

    def forward(self, x: Any) -> Any:
        both = torch.cat([self.first(x), self.second(x)], dim=1)
        return torch.softmax(self.last(both.mean(dim=(2, 3))), dim=1)


def found_in(model: Any, samples: np.ndarray = X, **given: Any) -> Diagnosis:
    request = ConvertRequest(model=type(model).__name__, targets=("onnx",), **given)
    return diagnose(request, native=model.eval(), given=RawSamples({"": samples}, "nameless", "an array"))


def one_of(found: Diagnosis, kind: str) -> Finding:
    matching = [one for one in found.findings if one.kind == kind]
    assert matching, [str(one) for one in found.findings]
    return matching[0]


def test_a_healthy_network() -> None:
    found = found_in(Healthy())
    assert [str(one) for one in found.findings] == []
    assert found.samples == 40
    assert found.tensors >= 5


def test_joined_parts_whose_ranges_are_far_apart() -> None:
    model = Healthy()
    with torch.no_grad():
        model.second.weight *= 500
        model.second.bias *= 500
    one = one_of(found_in(model), "ranges-apart")
    assert "cat" in one.layer
    ratio = re.search(r"it joins first .* with second .*, (\d+) x apart", one.what)
    assert ratio
    assert 300 < int(ratio[1]) < 800


def test_a_channel_that_stretches_the_range_of_all() -> None:
    model = Healthy()
    with torch.no_grad():
        model.first.weight[5] *= 80
        model.first.bias[5] *= 80
    one = one_of(found_in(model), "outlier-channels")
    assert one.layer.startswith("first")
    assert "channel 5 of 16 reaches" in one.what


def test_values_beyond_half_precision() -> None:
    model = Healthy()
    with torch.no_grad():
        model.first.weight *= 1e5
        model.second.weight *= 1e5
    one = one_of(found_in(model), "overflow")
    assert one.layer.startswith("first")
    assert "half precision ends at 65504" in one.what


def test_an_output_that_never_changes() -> None:
    model = Healthy()
    with torch.no_grad():
        model.last.weight.zero_()
    one = one_of(found_in(model), "constant")
    assert "the output output_0 is the same for all 40 samples" in one.what


def test_samples_for_ranges_that_do_not_look_like_the_others(tmp_path: Path) -> None:
    np.save(tmp_path / "pixels.npy", np.random.default_rng(1).uniform(0, 255, (20, 3, 8, 8)).astype(np.float32))
    one = one_of(found_in(Healthy(), calibration=str(tmp_path / "pixels.npy")), "unlike")
    assert one.layer == "input x"
    assert re.search(r"lie between 0\.\d+ and 25\d", one.what)
    np.save(tmp_path / "alike.npy", np.random.default_rng(1).normal(size=(20, 3, 8, 8)).astype(np.float32))
    assert not found_in(Healthy(), calibration=str(tmp_path / "alike.npy")).findings


def test_a_softmax_calibrated_beyond_one(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    def quantized(scale: float) -> Path:
        constants = {"scale": np.float32(scale), "zero": np.uint8(0)}
        nodes = [
            helper.make_node("Softmax", ["x"], ["share"], name="shares", axis=-1),
            helper.make_node("QuantizeLinear", ["share", "scale", "zero"], ["integers"]),
            helper.make_node("DequantizeLinear", ["integers", "scale", "zero"], ["y"]),
        ]
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 5]) for name in "xy"]
        tensors = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
        graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
        path = tmp_path / f"{scale}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), path)
        return path

    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32))

    def of(scale: float) -> Diagnosis:
        request = ConvertRequest(str(quantized(scale)), ("onnx",), samples=str(tmp_path / "x.npy"))
        return diagnose(request)

    one = one_of(of(4 / 255), "beyond")
    assert one.layer == "shares (Softmax)"
    assert "its integers reach from 0 to 4: 64 levels are left" in one.what
    assert not of(1 / 255).findings


def test_files_of_edgekit_have_bounded_layers(tmp_path: Path) -> None:
    """Its own int8 files, of both kinds, are not told that a Softmax reaches beyond 1."""
    import edgekit

    pytest.importorskip("ai_edge_quantizer")
    edgekit.convert(
        Healthy().eval(), ["onnx", "tflite"], samples=X, quantize="int8", output=tmp_path / "m.edge",
        allow_slower=True, unpacked=True, tolerance={"sqnr_db": 0.0, "label_agreement": 0.0},
    )  # fmt: skip
    np.save(tmp_path / "x.npy", X)
    for file in ("onnx/int8.onnx", "tflite/int8.tflite"):
        request = ConvertRequest(str(tmp_path / "m.edge" / file), ("onnx",), samples=str(tmp_path / "x.npy"))
        kinds = {one.kind for one in diagnose(request).findings}
        assert "beyond" not in kinds, file


def test_no_samples() -> None:
    with pytest.raises(InputError, match="ranges come from real inputs, and there are none; give --samples"):
        diagnose(ConvertRequest("m.pt2", ("onnx",)), native=Healthy())


def test_the_command(tmp_path: Path) -> None:
    model = Healthy()
    with torch.no_grad():
        model.second.weight *= 500
    torch.export.save(torch.export.export(model.eval(), (torch.zeros(1, 3, 8, 8),)), tmp_path / "m.pt2")
    np.save(tmp_path / "x.npy", X)
    command = [sys.executable, "-m", "edgekit", "diagnose", "m.pt2", "--samples", "x.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "x apart" in done.stdout
    assert "scale the parts alike" in done.stdout
    assert "on 40 samples by torch" in done.stderr
    done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "ranges-apart" in {one["kind"] for one in json.loads(done.stdout)["findings"]}
