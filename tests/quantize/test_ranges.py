"""Ranges of activations: kept as counts, found by three methods, with integers that suit a processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import edgekit
from edgekit import devices
from edgekit.errors import InputError
from edgekit.quantize.arithmetic import of_device, of_this_machine
from edgekit.quantize.ranges import METHODS, Spread

FLOATS = st.floats(-1e6, 1e6, width=32)


def spread_of(*parts: np.ndarray) -> Spread:
    spread = Spread()
    for part in parts:
        spread.add(part)
    return spread


@settings(max_examples=60, deadline=None)
@given(st.lists(arrays.arrays(np.float32, st.integers(1, 50), elements=FLOATS), min_size=1, max_size=6))
def test_nothing_is_forgotten(parts: list[np.ndarray]) -> None:
    every = np.concatenate(parts)
    spread = spread_of(*parts)
    assert (spread.low, spread.high, spread.count) == (every.min(), every.max(), len(every))
    for method in METHODS:
        low, high = spread.range(method)
        assert spread.low <= low <= high <= spread.high
    assert spread.range("minmax") == (every.min(), every.max())
    assert spread._counts.sum() == len(every)


def test_order_tells_little() -> None:
    values = np.random.default_rng(0).standard_t(3, 100_000).astype(np.float32)
    small_first = spread_of(*np.split(values[np.argsort(np.abs(values))], 10))
    mixed = spread_of(*np.split(values, 10))
    for method in METHODS:
        assert small_first.range(method) == pytest.approx(mixed.range(method), rel=0.05)


def test_a_percentile_is_numpys() -> None:
    values = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    low, high = spread_of(*np.split(values, 4)).range("percentile")
    expected = np.quantile(values, [0.00005, 0.99995])
    assert (low, high) == pytest.approx(tuple(expected), abs=0.02)
    assert spread_of(values).outside(low, high) == pytest.approx(1e-4, rel=0.5)


def test_entropy_cuts_off_what_few_values_reach() -> None:
    values = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    low, high = spread_of(values, np.array([60.0], np.float32)).range("entropy")
    assert 3 < high < 12
    assert -12 < low < -3
    # And keeps a distribution without outliers.
    even = np.random.default_rng(0).uniform(0, 1, 100_000).astype(np.float32)
    low, high = spread_of(even).range("entropy")
    assert high > 0.95
    assert low == even.min()


def test_values_that_are_no_numbers_are_counted_apart() -> None:
    spread = spread_of(np.array([1, np.nan, np.inf, -2], np.float32), np.zeros(0, np.float32))
    assert (spread.low, spread.high, spread.count, spread.unlike) == (-2, 1, 2, 2)
    zeros = spread_of(np.zeros(5, np.float32))
    assert [zeros.range(method) for method in METHODS] == [(0, 0)] * 3


def test_arithmetic_follows_the_processor() -> None:
    arm, intel = of_device(devices.get("raspberry-pi-5")), of_device(devices.get("x86-64-desktop"))
    assert arm.signed
    assert not arm.narrow
    assert (intel.signed, intel.narrow) == (False, True)
    assert str(intel).startswith("unsigned activations, weights of 7 bits, for ")
    assert "this machine" in str(of_this_machine())


@pytest.fixture(scope="module")
def network() -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10),
        torch.nn.Softmax(dim=1),
    )  # fmt: skip
    return layers.eval()


def made(network: Any, path: Path, **given: Any) -> Any:
    import onnx

    x = np.random.default_rng(0).normal(size=(60, 1, 8, 8)).astype(np.float32)
    ranges = np.random.default_rng(1).normal(size=(400, 1, 8, 8)).astype(np.float32)
    ranges[7, 0, 0, 0] = 100
    np.save(path.with_name("ranges.npy"), ranges)
    asked = {"samples": x, "calibration": path.with_name("ranges.npy"), "quantize": "int8", "allow_slower": True}
    result = edgekit.convert(network, "onnx", output=path, **asked, **given)
    assert result, str(result)
    bundle = edgekit.Bundle.open(path)
    (row,) = [row for row in result.artifacts if row["scheme"] == "int8"]
    return onnx.load_from_string(bytes(bundle.model_bytes(bundle.artifact("onnx", "int8")))).graph, row["verdict"]


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str, network: Any, tmp_path: Path) -> None:
    from onnx import numpy_helper

    graph, verdict = made(network, tmp_path / "m.edge", ranges=method, tolerance={"sqnr_db": 0.0})
    assert any(f"ranges by {method} of 400 samples" in note for note in verdict["notes"])
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    by_output = {node.output[0]: node for node in graph.node}
    (softmax,) = [node for node in graph.node if node.op_type == "Softmax"]
    (after,) = [node for node in graph.node if node.input[0] == softmax.output[0]]
    # Of a softmax no sample need tell the range.
    assert float(constants[after.input[1]]) == pytest.approx(1 / 255)
    (first,) = [
        node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == graph.input[0].name
    ]
    assert by_output
    scale = float(constants[first.input[1]])
    assert scale > 0.3 if method == "minmax" else scale < 0.3, "the one loud sample is cut off, or it is not"


@pytest.mark.parametrize(("device", "kind"), [("raspberry-pi-5", np.int8), ("x86-64-desktop", np.uint8)])
def test_a_device_decides_the_sign(device: str, kind: type, network: Any, tmp_path: Path) -> None:
    from onnx import numpy_helper

    graph, verdict = made(network, tmp_path / "m.edge", device=device)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    points = {constants[node.input[2]].dtype for node in graph.node if node.op_type == "QuantizeLinear"}
    assert points == {np.dtype(kind)}
    assert any("signed activations" in note for note in verdict["notes"])


def test_refusals(network: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 1, 8, 8)).astype(np.float32)
    for changed, why in [
        ({"ranges": "mse"}, "ways to find ranges: minmax, entropy, percentile"),
        ({"device": "raspberry"}, "raspberry-pi-5"),
        ({"device": "raspberry-pi-5", "to": "coreml"}, "nothing on a Raspberry Pi 5 runs it; its formats: tflite"),
        ({"ranges": "entropy", "to": "tflite"}, "its ranges are the least and the largest value seen"),
    ]:
        asked = {"to": "onnx", "samples": x, "quantize": "int8", "output": tmp_path / "m.edge"} | changed
        with pytest.raises(InputError, match=why):
            edgekit.convert(network, **asked)
