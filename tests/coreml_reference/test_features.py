"""Flexible shapes, defaults, scalars and class labels of real packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import converter, save, wanted

from edgekit.coreml_reference import open_model
from edgekit.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
nn = torch.nn
RNG = np.random.default_rng(0)


def f32(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def module(forward: Any, *layers: Any) -> Any:
    """A torch module whose forward is a function of it and of its inputs."""
    torch.manual_seed(0)

    class Net(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(layers)

    Net.forward = forward
    return Net()


def linear() -> Any:
    return module(lambda self, x: self.layers[0](x), nn.Linear(5, 3))


def test_a_range_of_sizes(tmp_path: Path) -> None:
    ct = converter()
    net = linear()
    shape = (ct.RangeDim(1, 8, default=2), 5)
    path = save(net, torch.zeros(2, 5), tmp_path / "m.mlpackage", inputs=[ct.TensorType(name="x", shape=shape)])
    model = open_model(path)
    assert model.inputs[0].wanted() == "[1..8, 5]"
    for rows in (1, 2, 8):
        x = f32(rows, 5)
        np.testing.assert_allclose(model.predict({"x": x})["output"], wanted(net, x), atol=1e-5)
    for shape in ((0, 5), (9, 5), (2, 4), (5,), (1, 2, 5), ()):
        with pytest.raises(InputError, match=r"it takes \[1\.\.8, 5\]"):
            model.predict({"x": np.zeros(shape, np.float32)})


def test_enumerated_shapes_of_several_inputs(tmp_path: Path) -> None:
    ct = converter()
    net = module(lambda self, x, y: torch.cat([self.layers[0](x), y], dim=1), nn.Linear(5, 3))
    several = ct.EnumeratedShapes([(2, 5), (4, 5)], default=(2, 5))
    other = ct.EnumeratedShapes([(2, 3), (4, 3)], default=(2, 3))
    path = save(
        net,
        (torch.zeros(2, 5), torch.zeros(2, 3)),
        tmp_path / "m.mlpackage",
        inputs=[ct.TensorType(name="x", shape=several), ct.TensorType(name="y", shape=other)],
        minimum_deployment_target=ct.target.iOS18,
    )
    model = open_model(path)
    for rows in (2, 4):
        x, y = f32(rows, 5), f32(rows, 3)
        np.testing.assert_allclose(model.predict({"x": x, "y": y})["output"], wanted(net, x, y), atol=1e-5)
    with pytest.raises(InputError, match=r"it takes \[2, 5\] or \[4, 5\]"):
        model.predict({"x": f32(3, 5), "y": f32(3, 3)})


@pytest.mark.parametrize("half", [False, True])
def test_an_input_that_is_left_out_has_its_default(tmp_path: Path, *, half: bool) -> None:
    ct = converter()
    net = module(lambda _, x, y: x * 2 + y)
    dtype = np.float16 if half else np.float32
    default = np.full((2, 3), 0.5, dtype)
    path = save(
        net,
        (torch.zeros(2, 3), torch.zeros(2, 3)),
        tmp_path / "m.mlpackage",
        half=half,
        inputs=[
            ct.TensorType(name="x", shape=(2, 3), dtype=dtype),
            ct.TensorType(name="y", shape=(2, 3), dtype=dtype, default_value=default),
        ],
        outputs=[ct.TensorType(name="output", dtype=dtype)],
    )
    model = open_model(path)
    assert [feature.optional for feature in model.inputs] == [False, True]
    x, y = f32(2, 3).astype(dtype), f32(2, 3).astype(dtype)
    given = model.predict({"x": x, "y": y})["output"]
    assert given.dtype == dtype
    np.testing.assert_allclose(given, x * 2 + y, atol=1e-2 if half else 1e-6)
    np.testing.assert_allclose(model.predict({"x": x})["output"], x * 2 + default, atol=1e-2 if half else 1e-6)
    with pytest.raises(InputError, match="run without input 'x': the model needs it"):
        model.predict({"y": y})


def test_scalars_come_and_go() -> None:
    ct = converter()
    from coremltools.converters.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec((2, 3)), mb.TensorSpec((1,))], opset_version=ct.target.iOS16)
    def program(x: Any, y: Any) -> Any:
        return mb.reduce_sum(x=mb.mul(x=x, y=mb.squeeze(x=y, axes=[0])), axes=[0, 1], name="total")

    package = ct.convert(
        program, convert_to="mlprogram", skip_model_load=True, compute_precision=ct.precision.FLOAT32
    ).package_path
    x = f32(2, 3)
    total = open_model(Path(package)).predict({"x": x, "y": np.float32([2])})["total"]
    assert total.size == 1
    np.testing.assert_allclose(total.item(), 2 * x.sum(), rtol=1e-5)


@pytest.mark.parametrize("labels", [["cat", "dog", "ünï"], [7, 3, 2**40]], ids=["text", "integers"])
def test_a_classifier_gives_its_label_and_every_probability(tmp_path: Path, labels: list[Any]) -> None:
    ct = converter()
    net = module(lambda self, x: self.layers[0](x).softmax(-1), nn.Linear(5, 3))
    path = save(
        net,
        torch.zeros(1, 5),
        tmp_path / "m.mlpackage",
        classifier_config=ct.ClassifierConfig(class_labels=labels, predicted_feature_name="label"),
    )
    model = open_model(path)
    kinds = {feature.name: feature.kind for feature in model.outputs}
    assert kinds.pop("label") == ("string" if isinstance(labels[0], str) else "int64")
    ((name, kind),) = kinds.items()
    assert kind == "dictionary"
    for _ in range(4):
        x = f32(1, 5)
        outputs = model.predict({"x": x})
        probabilities = wanted(net, x)[0]
        assert outputs["label"] == labels[int(probabilities.argmax())]
        assert type(outputs["label"]) is type(labels[0])
        assert list(outputs[name]) == labels
        np.testing.assert_allclose(list(outputs[name].values()), probabilities, atol=1e-5)
        assert all(type(value) is float for value in outputs[name].values())


def test_a_classifier_of_one_of_several_outputs() -> None:
    ct = converter()
    from coremltools.converters.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec((1, 3))], opset_version=ct.target.iOS16)
    def program(x: Any) -> Any:
        return mb.softmax(x=x, axis=-1, name="p"), mb.mul(x=x, y=2.0, name="q")

    package = ct.convert(
        program,
        convert_to="mlprogram",
        skip_model_load=True,
        compute_precision=ct.precision.FLOAT32,
        classifier_config=ct.ClassifierConfig(class_labels=["a", "b", "c"], predicted_probabilities_output="p"),
    ).package_path
    x = f32(1, 3)
    outputs = open_model(Path(package)).predict({"x": x})
    p = wanted(lambda x: x.softmax(-1), x)
    assert set(outputs) == {"classLabel", "classLabel_probs", "q"}
    assert outputs["classLabel"] == "abc"[int(p.argmax())]
    assert list(outputs["classLabel_probs"]) == ["a", "b", "c"]
    np.testing.assert_allclose(list(outputs["classLabel_probs"].values()), p[0], atol=1e-5)
    np.testing.assert_allclose(outputs["q"], x * 2, atol=1e-6)


def test_integers_are_taken_where_nothing_is_lost(tmp_path: Path) -> None:
    net = module(lambda self, x: self.layers[0](x), nn.Embedding(6, 4))
    path = save(net, torch.zeros(2, 3, dtype=torch.int32), tmp_path / "m.mlpackage")
    model = open_model(path)
    x = np.array([[0, 5, 2], [1, 1, 3]])
    expected = wanted(net, x)
    for dtype in (np.int64, np.int32, np.uint8, np.float32):
        np.testing.assert_allclose(model.predict({"x": x.astype(dtype)})["output"], expected, atol=1e-6)
    for wrong in (x + 0.5, x + 2**32, np.full((2, 3), np.nan)):
        with pytest.raises(InputError, match="it takes int32, which cannot hold"):
            model.predict({"x": wrong})


def test_inputs_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    path = save(linear(), torch.zeros(2, 5), tmp_path / "m.mlpackage")
    model = open_model(path)
    x = f32(2, 5)
    for inputs, message in (
        ({}, "run without input 'x': the model needs it"),
        ({"y": x}, "run with input 'y': the model has no such input; it has 'x'"),
        ({"x": x, "y": x}, "the model has no such input"),
        ({"x": x[None]}, r"shape \[1, 2, 5\]: it takes \[2, 5\]"),
        ({"x": x.T}, r"shape \[5, 2\]"),
        ({"x": 1.0}, r"shape \[\]"),
        ({"x": None}, "it takes numbers"),
        ({"x": "text"}, "it takes numbers"),
        ({"x": x.astype(np.complex64)}, "it takes numbers"),
        ({"x": x.astype(str)}, "it takes numbers"),
        ({"x": [[1.0], [1.0, 2.0]]}, "it takes numbers"),
        ({"x": {"a": 1.0}}, "it takes numbers"),
    ):
        with pytest.raises(InputError, match=message):
            model.predict(inputs)
    # What is like numbers is taken: lists, doubles, half precision, arrays that do not lie in one piece.
    expected = model.predict({"x": x})["output"]
    for alike in (x.tolist(), x.astype(np.float64), np.asfortranarray(x), x[::-1][::-1]):
        np.testing.assert_allclose(model.predict({"x": alike})["output"], expected, atol=1e-6)
    np.testing.assert_allclose(model.predict({"x": x.astype(np.float16)})["output"], expected, atol=1e-2)
