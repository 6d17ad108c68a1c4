"""Keras models after quantization-aware training: TensorFlow's FakeQuant operators become TFLite's own scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.errors import InputError

pytest.importorskip("tensorflow")
pytest.importorskip("ai_edge_litert")

DIGITS, LABELS = load_digits(return_X_y=True)
IMAGES = (DIGITS / 16).astype(np.float32).reshape(-1, 8, 8, 1)
SAMPLES = IMAGES[600:640]


def layers() -> Any:
    """The two layers that a model of TensorFlow's own FakeQuant operators is made of."""
    from edgekit.sources.tensorflow import import_tensorflow

    tf = import_tensorflow()
    import keras

    class Rounded(keras.layers.Layer):  # type: ignore[misc] # keras is not followed
        """Rounds to 8 bits between a low and a high end that are trained."""

        def __init__(self, bits: int = 8, low: float = -1.0, high: float = 4.0) -> None:
            super().__init__()
            self.bits, self.ends = bits, (low, high)

        def build(self, shape: Any) -> None:
            start = keras.initializers.Constant
            self.low, self.high = (self.add_weight(shape=(), initializer=start(end)) for end in self.ends)

        def call(self, x: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(x, self.low, self.high, num_bits=self.bits)

    class Dense(keras.layers.Dense):  # type: ignore[misc]
        """Rounds its weights by their own largest, without -128."""

        def call(self, x: Any) -> Any:
            end = tf.reduce_max(tf.abs(self.kernel))
            weights = tf.quantization.fake_quant_with_min_max_vars(self.kernel, -end, end, narrow_range=True)
            return self.activation(tf.matmul(x, weights) + self.bias)

    class Conv(keras.layers.Conv2D):  # type: ignore[misc]
        """Rounds its weights a channel."""

        def call(self, x: Any) -> Any:
            end = tf.reduce_max(tf.abs(self.kernel), axis=[0, 1, 2])
            rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(
                self.kernel, -end, end, narrow_range=True
            )
            return self.activation(tf.nn.conv2d(x, rounded, self.strides, self.padding.upper()) + self.bias)

    return keras, Rounded, Dense, Conv


@pytest.fixture(scope="module")
def model() -> Any:
    keras, rounded, dense, conv = layers()
    keras.utils.set_random_seed(0)
    given = keras.Input((8, 8, 1), name="image")
    x = rounded(low=0.0, high=1.0)(given)
    x = rounded()(conv(8, 3, padding="same", activation="relu")(x))
    x = rounded()(dense(32, activation="relu")(keras.layers.Flatten()(x)))
    made = keras.Model(given, rounded(low=-5.0, high=5.0)(dense(10)(x)))
    made.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    made.fit(IMAGES[:600], LABELS[:600], epochs=4, verbose=0)
    return made


def trained_scales(model: Any) -> set[float]:
    """Of activations, by the ends that training has found, and of weights, by the largest of a tensor or a channel."""
    found = []
    for layer in model.layers:
        if hasattr(layer, "low"):
            found.append((layer.high.numpy() - layer.low.numpy()) / np.float32(255))
        elif hasattr(layer, "kernel"):
            kernel = np.abs(layer.kernel.numpy())
            found += (
                (2 * kernel.max(axis=(0, 1, 2) if kernel.ndim == 4 else None) / np.float32(254)).reshape(-1).tolist()
            )
    return {float(np.float32(one)) for one in found}


@pytest.mark.parametrize("integer_io", [False, True])
def test_keras_ranges_stand_in_the_file(integer_io: bool, model: Any, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = tmp_path / "m.edge"
    result = edgekit.convert(model, "tflite", samples=SAMPLES, integer_io=integer_io, output=path)
    assert result, str(result)
    (row,) = result.artifacts
    assert row["scheme"] == "int8"
    assert row["verdict"]["sqnr_db"] > 30
    bundle = edgekit.Bundle.open(path)
    artifact = bundle.artifact("tflite", "int8")
    dtype = "int8" if integer_io else "float32"
    assert [spec.dtype for spec in (*artifact.signature.inputs, *artifact.signature.outputs)] == [dtype] * 2
    interpreter = Interpreter(model_content=bytes(bundle.model_bytes(artifact)))
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    scales = {float(one) for detail in details.values() for one in detail["quantization_parameters"]["scales"]}
    wanted = trained_scales(model)
    assert len(wanted) > 10
    # Of the ends that were trained, another order of rounding may give the next float32.
    assert all(min(abs(one - other) for other in scales) <= 1.2e-7 * one for one in wanted)
    layers_ran = [op for op in interpreter._get_ops_details() if op["op_name"] in {"CONV_2D", "FULLY_CONNECTED"}]
    assert [np.dtype(details[op["outputs"][0]]["dtype"]).name for op in layers_ran] == ["int8"] * 3
    session = edgekit.load(path)
    assert session.self_test()


def test_a_layer_without_ranges_stays_in_float(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    keras, rounded, dense, _ = layers()
    keras.utils.set_random_seed(0)
    given = keras.Input((64,))
    x = rounded()(dense(32, activation="relu")(rounded(low=0.0, high=1.0)(given)))
    made = keras.Model(given, keras.layers.Dense(64, name="plain")(keras.layers.Dense(64, activation="tanh")(x)))
    result = edgekit.convert(made, "tflite", samples=SAMPLES.reshape(-1, 64), output=tmp_path / "m.edge")
    assert result, str(result)
    assert result.artifacts[0]["verdict"]["sqnr_db"] > 45
    bundle = edgekit.Bundle.open(tmp_path / "m.edge")
    interpreter = Interpreter(model_content=bytes(bundle.model_bytes(bundle.artifact("tflite", "int8"))))
    details = interpreter.get_tensor_details()
    weights = {
        tuple(d["shape"]): np.dtype(d["dtype"]).name for d in details if len(d["shape"]) == 2 and d["shape"][0] > 1
    }
    assert weights == {(32, 64): "int8", (64, 32): "float32", (64, 64): "float32"}


@pytest.mark.parametrize("target", ["onnx", "coreml"])
def test_routes_that_would_lose_them_refuse(target: str, model: Any, tmp_path: Path) -> None:
    message = (
        f"convert tensorflow to {target}: the model was quantized in training, and tensorflow → {target} would lose"
    )
    with pytest.raises(InputError, match=message):
        edgekit.convert(model, target, samples=SAMPLES, output=tmp_path / "m.edge")


def test_other_bits_than_eight_are_refused(tmp_path: Path) -> None:
    keras, rounded, dense, _ = layers()
    given = keras.Input((64,))
    made = keras.Model(given, dense(8)(rounded(bits=4)(given)))
    with pytest.raises(
        InputError, match="its FakeQuant operators round to 4 bits, and files to 8; train with num_bits=8"
    ):
        edgekit.convert(made, "tflite", samples=SAMPLES.reshape(-1, 64), output=tmp_path / "m.edge")


def test_a_range_that_follows_from_the_input_is_none_that_was_trained(tmp_path: Path) -> None:
    keras, _, dense, _ = layers()
    import tensorflow as tf

    class Loose(keras.layers.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return tf.quantization.fake_quant_with_min_max_vars(x, tf.reduce_min(x), tf.reduce_max(x))

    given = keras.Input((64,))
    made = keras.Model(given, dense(8)(Loose()(given)))
    result = edgekit.convert(made, "tflite", samples=SAMPLES.reshape(-1, 64), output=tmp_path / "m.edge")
    (failure,) = result.failed
    assert "follows from what a call is given; give ranges that training has fixed" in str(failure.error)
