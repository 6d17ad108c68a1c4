"""Two models in turn, and two results that were measured apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from short_protocol import SHORT

from edgekit.bench.compared import chosen, compare_models, compare_results
from edgekit.bench.measure import Settings
from edgekit.bench.result import Result
from edgekit.bench.stability import Stability
from edgekit.errors import InputError


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A product of a row with a small matrix, and with one of a thousand times as many numbers."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("networks")
    for width in (64, 2048):
        weights = np.ones((width, width), np.float32)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, width])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, width])],
            [numpy_helper.from_array(weights, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, folder / f"{width}.onnx")
    return folder / "64.onnx", folder / "2048.onnx"


def test_models_in_turn(networks: tuple[Path, Path]) -> None:
    how = Settings(SHORT, threads=1)
    found = compare_models(networks, [how, how])
    assert found.verdict == "slower"
    assert found.interleaved
    assert found.ratio.value > 20
    assert found.null is not None
    assert found.null.value == pytest.approx(1, abs=0.5)
    first, second = found.medians_ns
    assert second / first == pytest.approx(found.ratio.value, rel=0.5)
    # In each process the first, the second, and the first again.
    assert {len(turn) for turn in found.processes} == {3}
    # A single time faster than the other way round.
    assert found.band[0] < 1 < found.band[1] < found.ratio.low


def test_results_measured_apart(result: Result) -> None:
    slower = replace(
        result,
        stability=Stability(()),
        processes=tuple(
            replace(one, durations_ns=tuple(2 * duration for duration in one.durations_ns)) for one in result.processes
        ),
    )
    found = compare_results(replace(result, stability=Stability(("noise",))), slower)
    assert not found.interleaved
    assert found.ratio.value == pytest.approx(2)
    assert found.stability.reasons == ("the first: noise",)
    assert compare_results(result, result).verdict == "tie"
    # What differs from itself by more than two results do says nothing of them.
    first, *rest = result.processes
    other = replace(first, durations_ns=tuple(3 * duration for duration in first.durations_ns))
    restless = replace(result, processes=(first, other, first, other, *rest))
    least = compare_results(restless, restless)
    assert (least.null, least.band[1]) == (restless.null, max(restless.null.high, 1 / restless.null.low))
    elsewhere = replace(slower, environment=replace(result.environment, cpus=64))
    with pytest.raises(InputError, match=r"they come from different environments: cpus .* and 64"):
        compare_results(result, elsewhere)
    assert compare_results(result, elsewhere, anywhere=True).ratio.value == pytest.approx(2)


def test_artifacts_by_name() -> None:
    assert (chosen(Settings(), "tflite/int8").target, chosen(Settings(), "tflite/int8").scheme) == ("tflite", "int8")
    assert chosen(Settings(), "onnx").scheme is None
