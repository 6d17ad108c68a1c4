"""The looks into originals of every framework, and into ONNX files whose weights lie beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.convert.request import ConvertRequest
from edgekit.errors import UnsupportedError
from edgekit.verify.layers import compare_layers
from edgekit.verify.layers.onnx import OnnxTap
from edgekit.verify.layers.tap import in_portions
from edgekit.verify.layers.tflite import _module_path

pytest.importorskip("onnxruntime")


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:tf2onnx")
def test_keras_with_a_nested_model_and_a_normalization_that_changes_little(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="act")(x)
    inner = keras.Sequential([keras.layers.DepthwiseConv2D(3, padding="same"), keras.layers.Conv2D(8, 1)], name="block")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.Add(name="sum")([x, inner(x)]))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="head")(x))
    model.save(tmp_path / "k.keras")
    samples = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.save(tmp_path / "s.npy", samples)
    assert edgekit.convert(model, ["onnx", "tflite", "coreml"], samples=samples, output=tmp_path / "k.edge")
    against = ConvertRequest(str(tmp_path / "k.keras"), ("onnx",), samples=str(tmp_path / "s.npy"))
    for report in compare_layers(tmp_path / "k.edge", against=against):
        assert report.passed is True, report
        assert report.missing == ()
        layers = [row.original.layer for row in report.rows]
        assert any("/sum" in layer for layer in layers)
        assert any("/block" in layer for layer in layers)
        assert layers[-1].endswith("Softmax")


def test_a_pipelines_steps(tmp_path: Path) -> None:
    pytest.importorskip("skl2onnx")
    import joblib
    from sklearn.datasets import load_iris
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = load_iris(return_X_y=True)
    np.save(tmp_path / "s.npy", X[::30].astype(np.float32))
    for name, estimator in (
        ("whole", LogisticRegression(max_iter=500)),
        ("steps", make_pipeline(StandardScaler(), PCA(3), LogisticRegression())),
    ):
        joblib.dump(estimator.fit(X, y), tmp_path / f"{name}.joblib")
        made = tmp_path / f"{name}.edge"
        assert edgekit.convert(tmp_path / f"{name}.joblib", "onnx", trust=True, samples=tmp_path / "s.npy", output=made)
    against = ConvertRequest(str(tmp_path / "steps.joblib"), ("onnx",), trust=True, samples=str(tmp_path / "s.npy"))
    (report,) = compare_layers(tmp_path / "steps.edge", against=against)
    assert report.passed
    assert [row.original.layer for row in report.rows] == ["standardscaler", "pca", "logisticregression"]
    with pytest.raises(UnsupportedError, match="a LogisticRegression has no steps that can be looked into"):
        compare_layers(
            tmp_path / "whole.edge", against=ConvertRequest(str(tmp_path / "whole.joblib"), ("onnx",), trust=True)
        )


def test_weights_beside_an_onnx_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    weights = np.random.default_rng(0).standard_normal((4, 300)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["h"]), onnx.helper.make_node("Tanh", ["h"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 4])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 300])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "m").mkdir()
    path = tmp_path / "m" / "big.onnx"
    onnx.save(model, path, save_as_external_data=True, location="big.data", size_threshold=0)
    tap = OnnxTap(path, lambda inputs: inputs, {"y": "y"})
    seen: dict[str, Any] = {}
    tap.run({"x": np.ones((1, 4), np.float32)}, lambda tensor, array: seen.update({tensor.key: array}))
    np.testing.assert_allclose(seen["h"], weights.sum(0, keepdims=True), rtol=1e-5)
    assert list(seen) == ["h", "y"]
    tap.close()
    assert sorted(one.name for one in path.parent.iterdir()) == ["big.data", "big.onnx"]


def test_portions_keep_to_the_limit() -> None:
    sizes = {f"t{index}": 100 if index < 40 else 10 for index in range(200)}
    asked: list[int] = []
    got: list[str] = []

    def fetch(names: list[str]) -> list[Any]:
        asked.append(sum(sizes[name] for name in names))
        return [np.zeros(sizes[name], np.int8) for name in names]

    in_portions(list(sizes), fetch, lambda name, _: got.append(name), 2000)
    assert got == list(sizes)
    assert max(asked[1:]) <= 2000


def test_the_module_in_litert_torchs_names() -> None:
    name = "edgekit.sources.torch.TorchSource.interface.<locals>.Interface/nets.Net_model/"
    assert (
        _module_path(f"{name}torch.nn.modules.container.Sequential_blocks/nets.Block_0/nets.Act_act;")
        == "blocks.0.act;"
    )
    assert _module_path(name) == ""
    assert _module_path("serving_default_x:0") == ""
