"""Half precision: half the size, within 50 dB, nothing silently left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.quantize import SCHEMES, schemes_of
from edgekit.quantize.registry import get, quantizer

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("ai_edge_quantizer")


class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))

    def forward(self, x):  # type: ignore[no-untyped-def]
        return {"scores": self.layers(x)}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((4, 64)).astype("f4")
    path = tmp_path_factory.mktemp("half") / "m.edge"
    result = edgekit.convert(
        Network(), ["onnx", "tflite", "coreml"], samples=x, quantize="float16", allow_slower=True, output=path
    )
    assert result, [str(failure.error) for failure in result.failed]
    return result


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
def test_half_the_size_within_the_schemes_tolerance(converted: Any, target: str) -> None:
    rows = {row["scheme"]: row for row in converted.artifacts if row["target"] == target}
    assert rows.keys() == {"float32", "float16"}
    assert rows["float16"]["bytes"] < 0.62 * rows["float32"]["bytes"]
    assert rows["float16"]["verdict"]["tolerance"] == {"sqnr_db": 50}
    assert rows["float16"]["verdict"]["passed"] is True
    # Rounded, not untouched: half precision has 11 bits.
    assert 50 < rows["float16"]["verdict"]["sqnr_db"] < 90


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
def test_a_session_takes_and_gives_float32_and_float32_is_preferred(converted: Any, target: str) -> None:
    session = edgekit.load(converted.bundle, target=target, scheme="float16")
    x = np.ones((1, 64), "f4")
    half = session.run({"x": x})["scores"]
    assert half.dtype == np.float32
    single = edgekit.load(converted.bundle, target=target).run({"x": x})["scores"]
    np.testing.assert_allclose(half, single, atol=2e-3)
    assert not np.array_equal(half, single)
    assert session.self_test()


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_only_makes_float16_alone(target: str, tmp_path: Path) -> None:
    result = edgekit.convert(
        Network(),
        target,
        samples=np.ones((1, 64), "f4"),
        quantize="float16",
        allow_slower=True,
        only=True,
        output=tmp_path / "m.edge",
    )
    assert [(row["target"], row["scheme"]) for row in result.artifacts] == [(target, "float16")]


def test_onnx_leaves_what_half_precision_cannot_hold_and_counts_the_rest(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    values = {
        "weights": np.full((4, 4), 1 / 3, "f4"),
        "huge": np.full((4, 4), 1e6, "f4"),
        "small": np.ones(2, "f4"),
        "whole": np.arange(16).reshape(4, 4),
        "weights.float16": np.ones((4, 4), "f4"),
    }
    nodes = [
        helper.make_node("Cast", ["whole"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("Sum", ["x", "weights", "huge", "w", "weights.float16"], ["y"]),
        helper.make_node("Identity", ["small"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4]),
            helper.make_tensor_value_info("z", TensorProto.FLOAT, [2]),
        ],
        [numpy_helper.from_array(array, name) for name, array in values.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    onnx.save(model, tmp_path / "a.onnx")
    assert get("onnx", "float16")(tmp_path / "a.onnx", tmp_path / "b.onnx", None) == 2
    onnx.checker.check_model(onnx.load(tmp_path / "b.onnx"))
    x = np.ones((4, 4), "f4")
    one, other = (edgekit.load(tmp_path / name).run({"x": x}) for name in ("a.onnx", "b.onnx"))
    np.testing.assert_allclose(other["y"], one["y"], rtol=1e-3)
    np.testing.assert_array_equal(other["z"], one["z"])


def test_a_model_with_nothing_to_quantize_is_an_error(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return x * 2

    result = edgekit.convert(
        Plain(),
        "onnx",
        samples=np.ones((2, 4), "f4"),
        quantize="float16",
        allow_slower=True,
        output=tmp_path / "m.edge",
    )
    assert result.exit_code == 4
    assert [row["scheme"] for row in result.artifacts] == ["float32"]
    assert "not one tensor of this model was quantized; leave float16 out for this model" in str(result.failed[0].error)


def test_the_table_of_quantizers() -> None:
    assert set(schemes_of("onnx")) <= set(SCHEMES)
    assert "float16" in schemes_of("tflite")
    with pytest.raises(
        InputError, match="--quantize palette4 for onnx: the target has no such scheme; it has: float32, float16"
    ):
        get("onnx", "palette4")
    with pytest.raises(InputError, match="quantizer onnx/float16: it is registered already"):
        quantizer("onnx", "float16")(lambda model, output, calibration: 0)
