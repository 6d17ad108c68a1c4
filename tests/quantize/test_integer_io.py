"""TFLite files that take and give integers: the session's reals are theirs, by scale and zero point, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.bundle import Binding, Quantization
from edgekit.errors import ConversionError, InputError
from edgekit.runtime.session import from_native, to_native
from edgekit.signature import Array, TensorSpec
from edgekit.verify.again import verify

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("ai_edge_quantizer")
pytest.importorskip("litert_torch")

IMAGES = (load_digits().data / 16).astype(np.float32).reshape(-1, 1, 8, 8)
SCHEMES = {"int8": ("int8", -128, 127), "int16x8": ("int16", -32768, 32767)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A convolutional network in both schemes, pictures channel-last, from a file: through worker processes."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10))
    ).eval()
    folder = tmp_path_factory.mktemp("integers")
    torch.export.save(torch.export.export(layers, (torch.from_numpy(IMAGES[:1]),)), folder / "net.pt2")
    np.save(folder / "x.npy", IMAGES[:100])
    path = folder / "m.edge"
    result = edgekit.convert(
        folder / "net.pt2", "tflite", samples=folder / "x.npy", quantize=list(SCHEMES), integer_io=True,
        layout="nhwc", allow_slower=True, output=path,
    )  # fmt: skip
    assert result, str(result)
    assert [row["verdict"]["passed"] for row in result.artifacts] == [True, True, True]
    return path


def scale_of(bundle: Path, scheme: str, side: str) -> Quantization:
    (binding,) = getattr(edgekit.Bundle.open(bundle).artifact("tflite", scheme), side)
    assert binding.quantization is not None
    return binding.quantization  # type: ignore[no-any-return]


def by_hand(image: Array, native: Any, scheme: str, taken: Quantization, given: Quantization) -> Array:
    """numpy's rounding, the file's own run, numpy's widening."""
    dtype, low, high = SCHEMES[scheme]
    rounded = np.rint(image.astype(np.float64) / taken.scale) + taken.zero_point
    integers = np.minimum(np.maximum(rounded, low), high).astype(dtype).transpose(0, 2, 3, 1)
    (answer,) = native.run({native.signature.input_names[0]: np.ascontiguousarray(integers)}).values()
    assert answer.dtype == dtype
    return ((answer.astype(np.float64) - given.zero_point) * given.scale).astype(np.float32)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_a_session_is_rounding_the_files_run_and_widening(bundle: Path, scheme: str) -> None:
    session = edgekit.load(bundle, target="tflite", scheme=scheme)
    native = edgekit.load(bundle, target="tflite", scheme=scheme, native=True)
    dtype = SCHEMES[scheme][0]
    assert [spec.dtype for spec in (*session.signature.inputs, *session.signature.outputs)] == ["float32"] * 2
    assert [spec.dtype for spec in (*native.signature.inputs, *native.signature.outputs)] == [dtype] * 2
    (name,), (answer,) = session.signature.input_names, session.signature.output_names
    scales = scale_of(bundle, scheme, "inputs"), scale_of(bundle, scheme, "outputs")
    bound = session.bind()
    rng = np.random.default_rng(0)
    saturating = rng.normal(scale=50, size=(1, 1, 8, 8)).astype("f4")
    endless = IMAGES[:1].copy()
    endless[0, 0, 3, :3] = np.inf, -np.inf, np.float32(3e38)
    for image in (*(one[None] for one in IMAGES[100:110]), saturating, endless):
        wanted = by_hand(image, native, scheme, *scales)
        got = session.run({name: image})[answer]
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
        bound.inputs[name][...] = image
        bound()
        np.testing.assert_array_equal(bound.outputs[answer], got)
    assert session.self_test()


def test_nan_is_refused(bundle: Path) -> None:
    session = edgekit.load(bundle, target="tflite", scheme="int8")
    (name,) = session.signature.input_names
    image = IMAGES[:1].copy()
    image[0, 0, 0, 0] = np.nan
    refusal = f"input '{name}': it holds NaN, and the file's int8 has no integer for that; give numbers"
    with pytest.raises(InputError, match=refusal):
        session.run({name: image})
    bound = session.bind()
    bound.inputs[name][...] = image
    with pytest.raises(InputError, match=refusal):
        bound()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_rounding_is_onnx_runtimes(dtype: str) -> None:
    """Ties, the ends and beyond, and infinity, as QuantizeLinear and DequantizeLinear do them; to the bit."""
    onnxruntime = pytest.importorskip("onnxruntime")
    scale, zero_point = float(np.float32(0.037)), {"int8": -5, "uint8": 131, "int16": 7, "uint16": 40000}[dtype]
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    constants = [
        onnx.numpy_helper.from_array(np.array(scale, np.float32), "s"),
        onnx.numpy_helper.from_array(np.array(zero_point, dtype), "z"),
    ]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            onnx.helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ],
        "rounding",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None])],
        [
            onnx.helper.make_tensor_value_info("q", kind, [None]),
            onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None]),
        ],
        constants,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
    rng = np.random.default_rng(0)
    ties = (np.arange(-300, 300) + 0.5).astype("f4") * np.float32(scale)
    reals = np.concatenate(
        [ties, rng.normal(scale=3, size=5000), rng.normal(scale=3000, size=500), [np.inf, -np.inf, 0.0, -0.0]]
    ).astype("f4")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    integers, widened = session.run(None, {"x": reals})
    binding = Binding("x", "x", None, dtype, quantization=Quantization(scale, zero_point))
    np.testing.assert_array_equal(to_native(reals, binding), integers)
    np.testing.assert_array_equal(from_native(integers, binding, TensorSpec("x", "float32", (None,))), widened)


def test_other_reals_than_float32_are_taken_and_given() -> None:
    binding = Binding("x", "x", None, "int8", quantization=Quantization(0.5, 1))
    reals = np.array([1e300, -1e300, 0.5, 0.25], np.float64)
    np.testing.assert_array_equal(to_native(reals, binding), np.array([127, -128, 2, 1], np.int8))
    given = from_native(np.array([-128, 127], np.int8), binding, TensorSpec("x", "float16", (2,)))
    np.testing.assert_array_equal(given, np.array([-64.5, 63], np.float16))


def test_inspect_and_the_report_say_what_the_integers_mean(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgekit._report.view import differences
    from edgekit.cli.inspect import inspect

    inspect(bundle)
    out = capsys.readouterr().out
    scale = scale_of(bundle, "int8", "inputs")
    meaning = f"real = (integer + 128) * {scale.scale:.9g}"
    assert f"tflite/int8.tflite: input is int8, {meaning}" in out
    rows = differences(edgekit.Bundle.open(bundle).manifest)
    changes = [row["changes"] for row in rows if row["side"] == "input" and meaning in row["changes"]]
    assert changes == [f"int8 instead of float32; {meaning}; transposed, 1 × 8 × 8 × 1"]


def test_verify_executes_it_again(bundle: Path) -> None:
    checks = verify(bundle)
    assert [(check.scheme, check.verdict.passed) for check in checks] == [
        ("float32", True),
        ("int8", True),
        ("int16x8", True),
    ]


def test_integers_among_the_inputs_stay_what_they_are(tmp_path: Path) -> None:
    class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(10, 16)
            self.linear = torch.nn.Linear(20, 6)

        def forward(self, tokens, x):  # type: ignore[no-untyped-def]
            return self.linear(torch.cat([self.table(tokens), x], dim=1))

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    samples = {"tokens": rng.integers(0, 10, 60), "x": rng.normal(size=(60, 4)).astype("f4")}
    result = edgekit.convert(
        Network(), "tflite", samples=samples, quantize="int8", integer_io=True, allow_slower=True,
        output=tmp_path / "m.edge",
    )  # fmt: skip
    assert result, str(result)
    artifact = edgekit.Bundle.open(tmp_path / "m.edge").artifact("tflite", "int8")
    found = {binding.name: (binding.dtype, binding.quantization is None) for binding in artifact.inputs}
    assert found == {"tokens": ("int32", True), "x": ("int8", False)}


class Wave(torch.nn.Module):  # type: ignore[name-defined,misc]
    """TFLite has no sine in integers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 8)

    def forward(self, x, unused):  # type: ignore[no-untyped-def]
        return torch.sin(self.linear(x))


def test_a_layer_in_float_at_the_end_is_rounded_and_an_unused_input_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    samples = {"x": rng.normal(size=(60, 64)).astype("f4"), "unused": rng.normal(size=(60, 3)).astype("f4")}
    asked: dict[str, Any] = {"quantize": "int8", "integer_io": True, "allow_slower": True}
    result = edgekit.convert(Wave(), "tflite", samples=samples, output=tmp_path / "m.edge", **asked)
    (failure,) = result.failed
    assert isinstance(failure.error, ConversionError)
    why = "nothing with integer arithmetic takes or gives unused: float32[1, 3]"
    assert str(failure.error) == f"--integer-io for int8: {why}; leave --integer-io off"

    class Used(Wave):
        def forward(self, x):  # type: ignore[no-untyped-def]
            return super().forward(x, None)

    again = edgekit.convert(Used(), "tflite", samples={"x": samples["x"]}, output=tmp_path / "n.edge", **asked)
    assert again, str(again)
    artifact = edgekit.Bundle.open(tmp_path / "n.edge").artifact("tflite", "int8")
    assert [spec.dtype for spec in (*artifact.signature.inputs, *artifact.signature.outputs)] == ["int8"] * 2


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"to": ["onnx", "tflite"], "quantize": "int8"}, "--integer-io for onnx: .*leave it off, or onnx out of --to"),
        ({"to": "tflite", "quantize": "int8-weights"}, "add --quantize int8 or int16x8, or leave it off"),
        ({"to": "tflite"}, "nothing asked for has integer activations: float32"),
        ({"to": "tflite", "quantize": "auto", "max_drop": 0.01}, "--integer-io with --quantize auto"),
    ],
)
def test_refusals(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    with pytest.raises(InputError, match=message):
        edgekit.convert(model, samples=IMAGES[:60], integer_io=True, output=tmp_path / "m.edge", **asked)
    assert not (tmp_path / "m.edge").exists()
