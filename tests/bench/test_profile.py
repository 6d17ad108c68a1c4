"""What each operator takes: the runtimes' own profilers on real models, and the layers that names tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_protocol import SHORT
from test_schemas import validator

from edgekit.bench.measure import Settings, measure
from edgekit.bench.profile import Profile, common, filled, profile_of, typical
from edgekit.bench.result import Result
from edgekit.bench.subject import Subject
from edgekit.errors import ExecutionError
from edgekit.runtime.loading import load
from edgekit.runtime.operators import of_onnx_runs


def notes(result: Result, profile: Profile) -> list[str]:
    return profile.notes(result.median.value, result.providers, "{:.0f} ns".format)


def profiled(bundle: Path, target: str, *providers: str) -> tuple[Result, Profile]:
    settings = Settings(protocol=SHORT, target=target, threads=1, providers=providers, profile_operators=True)
    result = measure(bundle, settings)
    assert result.profile is not None
    return result, result.profile


def test_onnx_runtime_tells_operators_and_names_tell_layers(bench_bundle: Path) -> None:
    result, profile = profiled(bench_bundle, "onnx")
    by_op = {one.op: one for one in profile.operators}
    # The network is convolution 0, activation 1, flattening 2 and linear layer 3; the activation is fused.
    assert by_op["Gemm"].layer == "3"
    assert by_op["Conv"].layer == "0"
    assert "Relu" not in by_op
    assert {one.provider for one in profile.operators} == {"CPUExecutionProvider"}
    assert sum(one.share for one in profile.operators) == pytest.approx(1)
    assert 0 < profile.operators_ns < profile.call_ns
    assert profile.slowest[0].ns == max(one.ns for one in profile.operators)
    document = json.loads(json.dumps(result.to_json()))
    validator("bench").validate(document)
    assert Result.from_json(document) == result
    assert f"{len(profile.operators)} operators take" in notes(result, profile)[0]


def test_litert_tells_xnnpacks_operators_and_its_own(bench_bundle: Path) -> None:
    result, profile = profiled(bench_bundle, "tflite")
    assert {one.provider for one in profile.operators} == {"XNNPACK"}
    assert any(one.op.startswith("Convolution") for one in profile.operators)
    assert {one.layer for one in profile.operators} == {None}
    assert "--provider CPU is without it" in notes(result, profile)[-1]
    result, profile = profiled(bench_bundle, "tflite", "CPU")
    assert {one.provider for one in profile.operators} == {"CPU"}
    by_op = {one.op: one for one in profile.operators}
    assert {"CONV_2D", "FULLY_CONNECTED"} <= set(by_op)
    # litert-torch calls the fused pair by its activation.
    assert by_op["CONV_2D"].layer == "1"
    assert 0 < profile.operators_ns < profile.call_ns
    assert "without the XNNPACK delegate" in notes(result, profile)[-1]


def test_litert_tells_how_much_longer_the_larger_layer_takes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("litert_torch")
    import edgekit

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1024, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 8))
    samples = {"x": np.random.default_rng(0).standard_normal((2, 1024)).astype("f4")}
    path = tmp_path / "two.edge"
    assert edgekit.convert(network, ["tflite"], samples=samples, input_names=["x"], output=path)
    session = load(path, target="tflite", threads=1)
    operators, durations = session.operators({"x": samples["x"][:1]}, warmups=3, calls=40)
    assert len(durations) == 40
    first, second = (typical(one.durations_ns) for one in operators if one.op.startswith("Fully Connected"))
    assert first > 2 * second
    assert sum(typical(one.durations_ns) for one in operators) <= float(np.median(durations))


@pytest.fixture
def looping(tmp_path: Path) -> Path:
    """A product in a loop of eight, after one outside."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    tensor = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["inside", "matrix"], ["next"], "product"),
            helper.make_node("Identity", ["going"], ["go_on"], "on"),
        ],
        "body",
        [tensor("turn", kinds.INT64, []), tensor("going", kinds.BOOL, []), tensor("inside", kinds.FLOAT, [256, 256])],
        [tensor("go_on", kinds.BOOL, []), tensor("next", kinds.FLOAT, [256, 256])],
    )
    weights = (np.random.default_rng(0).standard_normal((256, 256)) / 16).astype("f4")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "matrix"], ["start"], "before"),
            helper.make_node("Loop", ["turns", "yes", "start"], ["y"], "loop", body=body),
        ],
        "graph",
        [tensor("x", kinds.FLOAT, [256, 256])],
        [tensor("y", kinds.FLOAT, [256, 256])],
        [
            onnx.numpy_helper.from_array(weights, "matrix"),
            onnx.numpy_helper.from_array(np.array(8), "turns"),
            onnx.numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "loop.onnx"
    onnx.save(model, path)
    return path


def test_what_runs_in_a_loop_is_counted_once(looping: Path, tmp_path: Path) -> None:
    session = load(looping, threads=1, profile=tmp_path)
    x = np.ones((256, 256), "f4")
    session.run({"x": x})
    operators, durations = session.operators({"x": x}, warmups=2, calls=20)
    times = {one.name: typical(one.durations_ns) for one in operators}
    assert set(times) >= {"before", "loop", "product"}
    assert times["product"] > 4 * times["before"]
    assert times["loop"] < times["product"] / 2
    assert sum(times.values()) <= 1.05 * float(np.median(durations))
    assert all(len(one.durations_ns) == 20 for one in operators)


def test_layers_by_the_names_of_weights(tmp_path: Path) -> None:
    """A quantized convolution, its activation, and a product of which only the bias kept its name, all in a wrapper."""
    onnx = pytest.importorskip("onnx")
    node, tensor = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [
        node("DequantizeLinear", ["model.stem.conv.weight_q", "model.stem.conv.scale"], ["w"], "weight"),
        node("Conv", ["x", "w"], ["c"], "node_conv2d"),
        node("Relu", ["c"], ["relu"], "node_relu"),
        node("MatMul", ["relu", "val_1"], ["product"], "node_MatMul_1"),
        node("Add", ["product", "model.head.bias"], ["y"], "node_linear"),
    ]
    weights = [
        tensor(np.zeros((1, 1, 1, 1), "i1"), "model.stem.conv.weight_q"),
        tensor(np.array(1, "f4"), "model.stem.conv.scale"),
        tensor(np.zeros((4, 4), "f4"), "val_1"),
        tensor(np.zeros(4, "f4"), "model.head.bias"),
    ]
    value = onnx.helper.make_tensor_value_info
    float32 = onnx.TensorProto.FLOAT
    x, y = value("x", float32, [1, 1, 4, 4]), value("y", float32, [1, 1, 4, 4])
    graph = onnx.helper.make_graph(nodes, "graph", [x], [y], weights)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    subject = Subject(tmp_path / "net.onnx", "onnx", None, 1, "0" * 64, None)
    # As ONNX Runtime calls what it has fused, blocked and made of several.
    names = ["relu_nchwc", "ReorderOutput", "node_MatMul_1/MatMulAddFusion", "node_conv2d_token_3", "node_linear"]
    found = [{"name": one, "op": "?", "provider": "CPU", "tensors": [], "durations_ns": [1000]} for one in names]
    profile = profile_of({"operators": found, "durations_ns": [9000]}, subject)
    assert [one.layer for one in profile.operators] == ["stem.conv", None, "head", "stem.conv", "head"]
    assert [one.share for one in profile.operators] == [0.2] * 5


def test_a_runtime_without_a_profiler_refuses(bench_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = {"pixels": np.zeros((1, 3, 16, 16), "f4")}
    with pytest.raises(ExecutionError, match="its session has no profile"):
        load(bench_bundle, target="onnx").operators(x, warmups=1, calls=1)
    session = load(bench_bundle, target="tflite")
    monkeypatch.setattr("edgekit.runtime.litert_profiler._KNOWN", ("1.0.",))
    with pytest.raises(ExecutionError, match=r"known of ai-edge-litert 1\.0\.x"):
        session.operators(x, warmups=1, calls=1)
    session._engine.providers = ("hexagon",)
    with pytest.raises(ExecutionError, match="not on hexagon"):
        session.operators(x, warmups=1, calls=1)


def test_calls_are_taken_in_groups() -> None:
    # Microseconds alternate between 0 and 1000 ns: their median would say 0 or 1000.
    assert typical([0, 1000] * 50) == pytest.approx(500, abs=150)
    assert typical([7, 3, 100]) == 7
    # One slow call among a hundred says nothing.
    assert typical([10] * 99 + [10_000]) == 10


def test_layers_between_named_ones() -> None:
    names = ["a.query", None, "a.key", None, "b.query", None]
    assert filled(names) == ["a.query", "a", "a.key", None, "b.query", "b"]
    assert filled([None, None]) == [None, None]
    assert common([["a", "b"], ["a", "c"]]) == ["a"]


def test_the_note_about_the_profilers_own_time(result: Result) -> None:
    profile: Any = Profile(5, 2e6, ())
    assert len(notes(result, profile)) == 1
    heavy = replace(profile, operators=(replace_operator(result.median.value * 2),))
    assert "small operators take less" in notes(result, heavy)[1]


def replace_operator(ns: float) -> Any:
    from edgekit.bench.profile import OperatorTime

    return OperatorTime("node", "Conv", "CPUExecutionProvider", None, ns, 1.0)


def test_calls_before_the_last_ones_do_not_count(tmp_path: Path) -> None:
    """Three calls of ONNX Runtime's own format, the first of which is a warm-up."""
    events = []
    for call, dur in enumerate((90, 20, 30)):
        events.append({"cat": "Session", "name": "model_run", "ts": 1000 * call, "dur": 200})
        args = {"op_name": "Conv", "provider": "CPUExecutionProvider", "node_index": "0"}
        events.append({"cat": "Node", "name": "stem_kernel_time", "ts": 1000 * call + 5, "dur": dur, "args": args})
    (tmp_path / "profile.json").write_text(json.dumps(events))
    (found,) = of_onnx_runs(tmp_path / "profile.json", 2)
    assert (found.name, found.durations_ns) == ("stem", (20_000, 30_000))
