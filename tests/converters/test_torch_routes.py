"""Every route out of PyTorch, over models that differ in what they take and give; the routes come from the registry."""

from __future__ import annotations

import collections
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.convert import registry

torch = pytest.importorskip("torch")
nn = torch.nn
TARGETS = tuple(route.target for route in registry.routes() if route.source == "torch")
RAN = ("onnx", "tflite") if sys.platform != "darwin" else TARGETS
RNG = np.random.default_rng(0)
Pair = collections.namedtuple("Pair", ["first", "second"])


@dataclasses.dataclass
class Boxes:
    boxes: Any
    scores: Any
    masks: Any = None


def function(forward: Callable[..., Any], *layers: Any) -> Any:
    """A module whose forward is a function; layers lie in ``self.layers``."""

    class Model(nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(layers)

    Model.forward = forward
    return Model()


def f32(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype("f4")


@dataclass(frozen=True)
class Case:
    """A model, its samples (their leading dimension counts them) and what the bundle's signature must say."""

    model: Callable[[], Any]
    samples: dict[str, np.ndarray[Any, Any]]
    outputs: tuple[str, ...] = ("output_0",)
    options: dict[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


CASES = {
    "several inputs and outputs": Case(
        lambda: function(lambda self, a, b: (a + b, a - b), nn.Linear(1, 1)),
        {"a": f32(3, 4), "b": f32(3, 4)},
        ("output_0", "output_1"),
    ),
    "a dictionary": Case(
        lambda: function(
            lambda self, x: {"logits": self.layers[0](x), "probabilities": self.layers[0](x).softmax(-1)},
            nn.Linear(4, 3),
        ),
        {"x": f32(3, 4)},
        ("logits", "probabilities"),
    ),
    "nested outputs": Case(
        lambda: function(lambda self, x: (x + 1, {"deep": [x * 2, (x * 3,)]})),
        {"x": f32(3, 4)},
        ("output_0", "output_1_deep_0", "output_1_deep_1_0"),
    ),
    "a dataclass with a None": Case(
        lambda: function(lambda self, x: Boxes(x * 2, x.sum(1))), {"x": f32(3, 4)}, ("boxes", "scores")
    ),
    "a named tuple": Case(lambda: function(lambda self, x: Pair(x * 2, x + 1)), {"x": f32(3, 4)}, ("first", "second")),
    "an optional argument, left out": Case(
        lambda: function(lambda self, x, mask=None, scale=2.0: x * scale if mask is None else x * mask),
        {"x": f32(3, 4)},
    ),
    "an optional argument, given": Case(
        lambda: function(lambda self, x, mask=None, scale=2.0: x * scale if mask is None else x * mask),
        {"x": f32(3, 4), "mask": f32(3, 4)},
    ),
    "positional-only arguments": Case(lambda: function(lambda self, x, /, y: x - y), {"x": f32(3, 4), "y": f32(3, 4)}),
    "int64 tokens": Case(
        lambda: function(lambda self, tokens: (self.layers[0](tokens).mean(1), tokens + 1), nn.Embedding(20, 4)),
        {"tokens": RNG.integers(0, 20, (3, 6))},
        ("output_0", "output_1"),
    ),
    "a uint8 picture": Case(
        lambda: function(lambda self, x: x.float().mean((2, 3)) / 255),
        {"x": RNG.integers(0, 256, (3, 3, 4, 4)).astype("u1")},
        refused=("coreml",),
    ),
    "a bool mask": Case(
        lambda: function(lambda self, x, keep: torch.where(keep, x, torch.zeros_like(x))),
        {"x": f32(3, 4), "keep": RNG.random((3, 4)) > 0.5},
        refused=("coreml",),
    ),
    "a scalar input and a scalar output": Case(
        lambda: function(lambda self, x, k: (x * k).sum()), {"x": f32(3, 4), "k": f32(3)}
    ),
    "LSTM": Case(
        lambda: nn.LSTM(4, 5, batch_first=True), {"input": f32(3, 6, 4)}, ("output_0", "output_1_0", "output_1_1")
    ),
    "GRU": Case(lambda: nn.GRU(4, 5, batch_first=True), {"input": f32(3, 6, 4)}, ("output_0", "output_1")),
    "transformer encoder layer": Case(
        lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), {"src": f32(3, 6, 8)}
    ),
    "pictures, channel-last": Case(
        lambda: function(
            lambda self, image: self.layers[1](self.layers[0](image).relu()).mean((2, 3)),
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
        ),
        {"image": f32(3, 3, 8, 6)},
        options={"layout": "nhwc"},
    ),
    "a state of one name on both sides": Case(
        lambda: function(
            lambda self, x, state: {"y": (h := (self.layers[0](x) + state).tanh()), "state": h}, nn.Linear(4, 4)
        ),
        {"x": f32(3, 4), "state": f32(3, 4)},
        ("y", "state"),
    ),
    "an input handed through": Case(
        lambda: function(lambda self, x, k: {"x_again": x, "sum": x + k}),
        {"x": f32(3, 4), "k": f32(3, 4)},
        ("x_again", "sum"),
    ),
    "outputs called as inner values are": Case(
        lambda: function(
            lambda self, x: {"linear": self.layers[0](x).relu(), "relu": self.layers[0](x) + 1}, nn.Linear(4, 4)
        ),
        {"x": f32(3, 4)},
        ("linear", "relu"),
    ),
    "names that formats cannot hold": Case(
        lambda: function(
            lambda self, x: {"a.b": x * 2, "a_b": x * 3, "1x": x + 1, "größe": x - 1, "two words/:0": x * 5}
        ),
        {"größe.0": f32(3, 4)},
        ("a.b", "a_b", "1x", "größe", "two words/:0"),
        options={"input_names": ["größe.0"]},
    ),
    "a module that changes its input": Case(lambda: function(lambda self, x: x.add_(1) * 2), {"x": f32(3, 4)}),
    "an unused input": Case(lambda: function(lambda self, x, spare: x * 2), {"x": f32(3, 4), "spare": f32(3, 4)}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_target_answers_as_the_original(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    torch.manual_seed(0)
    model = case.model()
    targets = [target for target in TARGETS if target not in case.refused]
    result = edgekit.convert(model, targets, samples=case.samples, output=tmp_path / "m.edge", **case.options)
    assert result, [str(failure.error) for failure in result.failed]
    rows = {row["target"]: row["verdict"] for row in result.artifacts}
    assert rows.keys() == set(targets)
    for target in set(targets) & set(RAN):
        assert rows[target]["passed"] is True
        assert rows[target]["tolerance"] == {"sqnr_db": 90}
    # Independent of edgekit's own comparison: the session beside the module.
    tensors = [
        torch.from_numpy(array[:1].reshape((1, *array.shape[1:]) if array.ndim > 1 else ()).copy())
        for array in case.samples.values()
    ]
    with torch.no_grad():
        want = flat(model.eval()(*tensors))
    for target in set(targets) & set(RAN):
        session = edgekit.load(tmp_path / "m.edge", target=target)
        assert session.signature.input_names == tuple(case.samples)
        assert session.signature.output_names == case.outputs
        got = session.run(
            {
                spec.name: array[:1].reshape(spec.shape)
                for spec, array in zip(session.signature.inputs, case.samples.values(), strict=True)
            }
        )
        for array, tensor in zip(got.values(), want, strict=True):
            np.testing.assert_allclose(array, tensor, atol=2e-6)


def flat(value: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(value, torch.Tensor):
        return [value.numpy()]
    if value is None:
        return []
    if isinstance(value, Boxes):
        value = [value.boxes, value.scores, value.masks]
    return [array for part in (value.values() if isinstance(value, dict) else value) for array in flat(part)]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.refused])
def test_what_a_target_cannot_take_is_said(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for target in case.refused:
        result = edgekit.convert(case.model(), target, samples=case.samples, output=tmp_path / "m.edge")
        assert (result.exit_code, result.bundle) == (2, None)
        assert "Core ML takes float32, float16, int64, int32" in str(result.failed[0].error)


def batchnorm() -> Any:
    torch.manual_seed(0)
    model = function(lambda self, x: self.layers[1](self.layers[0](x)).softmax(-1), nn.BatchNorm1d(4), nn.Linear(4, 3))
    with torch.no_grad():
        model.layers[0].running_mean += 1.5
    return model


def test_a_model_in_training_is_converted_in_evaluation_and_left_in_training(tmp_path: Path) -> None:
    model = batchnorm()
    model.layers[1].eval()
    x = f32(3, 4)
    assert edgekit.convert(model, "onnx", samples=x, output=tmp_path / "m.edge")
    assert (model.training, model.layers[0].training, model.layers[1].training) == (True, True, False)
    np.testing.assert_array_equal(model.layers[0].running_mean.numpy(), np.full(4, 1.5, "f4"))
    with torch.no_grad():
        want = model.eval()(torch.from_numpy(x[:1])).numpy()
    np.testing.assert_allclose(edgekit.load(tmp_path / "m.edge").run({"x": x[:1]})["output_0"], want, atol=1e-6)


DYNAMIC = {
    "module": batchnorm,
    "LSTM": lambda: nn.LSTM(4, 5, batch_first=True),
    "encoder": lambda: nn.TransformerEncoderLayer(4, 2, 16, batch_first=True),
    "traced": lambda: torch.jit.trace(batchnorm().eval(), torch.zeros(2, 4)),
    "scripted": lambda: torch.jit.script(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)).eval()),
    "exported": lambda: torch.export.export(
        batchnorm().eval(), (torch.zeros(2, 4),), dynamic_shapes={"x": {0: torch.export.Dim("n", min=1)}}
    ),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_dynamic_batch(name: str, tmp_path: Path) -> None:
    model = DYNAMIC[name]()
    samples = f32(8, 4) if name not in {"LSTM", "encoder"} else f32(8, 6, 4)
    # Runs of 1, 2 and 5 rows: whoever answers with the batch of the conversion is found out.
    targets = [route.target for route in registry.routes() if route.source == "torch" and route.dynamic_batch]
    if name == "scripted":
        targets.remove("coreml")  # coremltools lacks what scripted layers ask in their code
    result = edgekit.convert(model, targets, samples=samples, dynamic="batch", output=tmp_path / "m.edge")
    assert result, [str(failure.error) for failure in result.failed]
    session = edgekit.load(tmp_path / "m.edge", target="onnx")
    assert session.signature.inputs[0].shape[0] is None
    first = session.signature.output_names[0]
    for batch in (1, 2, 5):
        assert session.run({session.signature.input_names[0]: samples[:batch]})[first].shape[0] == batch


def test_a_dynamic_batch_is_refused_where_the_target_cannot(tmp_path: Path) -> None:
    with pytest.raises(
        edgekit.errors.InputError, match=r"--dynamic batch for tflite: .*one batch size.*leave tflite out"
    ):
        edgekit.convert(batchnorm(), "tflite", samples=f32(3, 4), dynamic="batch", output=tmp_path / "m.edge")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def own_operator() -> Any:
    with torch.library._scoped_library("edgekit_test", "DEF") as library:
        library.define("odd(Tensor x) -> Tensor")
        library.impl("odd", lambda x: x * 2, "CompositeExplicitAutograd")
        library.impl("odd", torch.empty_like, "Meta")
        yield lambda self, x: torch.ops.edgekit_test.odd(x)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["own", "eigenvalues"])
def test_an_unsupported_operator_is_named_with_its_layer(
    target: str, kind: str, own_operator: Any, tmp_path: Path
) -> None:
    forward, operator = {
        "own": (own_operator, "odd"),
        "eigenvalues": (lambda self, x: torch.linalg.eigvalsh(x @ x.transpose(-1, -2)), "linalg_eig"),
    }[kind]
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), function(forward)))
    result = edgekit.convert(model, target, samples=f32(2, 3, 4), output=tmp_path / "m.edge")
    assert (result.exit_code, result.bundle) == (4, None)
    message = str(result.failed[0].error)
    assert operator in message
    assert "(layer 1.1)" in message, message
    assert not (tmp_path / "m.edge").exists()


def test_complex_values_are_named_with_their_layer(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(8, 8), function(lambda self, x: torch.fft.fft(x).real))
    result = edgekit.convert(model, "tflite", samples=f32(2, 8), output=tmp_path / "m.edge")
    assert "no counterpart for values of type complex<f32> (layer 1)" in str(result.failed[0].error)


def test_a_reciprocal_is_not_shifted_in_core_ml(tmp_path: Path) -> None:
    class Reciprocals(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"divided": 1.0 / x, "root": torch.sqrt(x).reciprocal() * (1 / x.shape[1])}

    small = np.random.default_rng(0).uniform(1e-3, 2, (20, 1, 5)).astype(np.float32)
    result = edgekit.convert(Reciprocals(), to="coreml", samples={"x": small}, output=tmp_path / "model.edge")
    assert result.artifacts[0]["verdict"]["passed"], str(result)
