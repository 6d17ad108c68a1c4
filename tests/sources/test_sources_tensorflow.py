"""Keras files, SavedModels and live TensorFlow objects: what they are called, what they answer, what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.sources import tensorflow as tensorflow_source
from edgekit.sources.base import LoadRequest
from edgekit.sources.tensorflow_interface import flatten, rebuild

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
layers = keras.layers
pytestmark = [
    # Keras 3 hands its variables to h5py, TensorFlow's lack an argument that numpy 2 wants.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    # tf_keras says so of every .h5 file, which is what these tests are about.
    pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning"),
]


def wrap(native: Any, **request: Any) -> tensorflow_source.TensorFlowSource:
    return tensorflow_source.wrap(native, LoadRequest(model=type(native).__name__, **request))


def load(path: Path, **request: Any) -> tensorflow_source.TensorFlowSource:
    return tensorflow_source.load(LoadRequest(model=str(path), **request))


def dense(**named: Any) -> Any:
    return keras.Sequential([keras.Input((4,), **named), layers.Dense(3, name="probabilities")])


class Doubled(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Pair(keras.Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, left: Any, right: Any, training: bool | None = None) -> Any:
        return {"sum": self.dense(left) + right, "noisy": right * 5 if training else right}


class Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    @tf.function(input_signature=[tf.TensorSpec((None, 2)), tf.TensorSpec((None, 2), name="offset")])
    def __call__(self, x: Any, y: Any) -> Any:
        return {"scaled": x @ self.w, "moved": x + y}


class TestNames:
    def test_the_users_names_are_kept(self) -> None:
        signature = wrap(dense(name="pixels")).signature
        assert signature.inputs == (TensorSpec("pixels", "float32", (1, 4)),)
        assert signature.outputs == (TensorSpec("probabilities", "float32", (1, 3)),)

    def test_names_that_keras_made_up_are_numbered(self) -> None:
        a, b = keras.Input((4,)), keras.Input((4,))
        model = keras.Model([a, b], [layers.Dense(2)(a), layers.Dense(1, name="score")(b)])
        signature = wrap(model).signature
        assert signature.input_names == ("input_0", "input_1")
        assert signature.output_names == ("output_0", "score")

    def test_dictionary_keys_in_the_users_order(self) -> None:
        zeta, alpha = keras.Input((4,), name="zeta"), keras.Input((6,), name="alpha", dtype="int32")
        model = keras.Model(
            {"zeta": zeta, "alpha": alpha}, {"second": layers.Dense(2)(zeta), "first": layers.Embedding(9, 3)(alpha)}
        )
        source = wrap(model)
        assert source.signature.input_names == ("zeta", "alpha")
        assert source.signature.inputs[1] == TensorSpec("alpha", "int32", (1, 6))
        assert source.signature.output_names == ("second", "first")
        x = {"zeta": np.ones((1, 4), np.float32), "alpha": np.full((1, 6), 3, np.int32)}
        np.testing.assert_array_equal(source.predict(x)["first"], model(x)["first"].numpy())
        np.testing.assert_array_equal(source.predict(x)["second"], model(x)["second"].numpy())

    def test_renaming(self) -> None:
        signature = wrap(dense(name="x"), input_names=("photo",), output_names=("label",)).signature
        assert (signature.input_names, signature.output_names) == (("photo",), ("label",))
        with pytest.raises(InputError, match=r"the model has 1 inputs: x"):
            wrap(dense(name="x"), input_names=("a", "b"))
        with pytest.raises(InputError, match=r"the model has 1 outputs: probabilities"):
            wrap(dense(name="x"), output_names=("a", "b"))

    def test_subclassed_models_are_called_by_their_arguments(self) -> None:
        source = wrap(Pair(), shapes={"left": (1, 5), "right": (1, 3)})
        assert source.signature.input_names == ("left", "right")
        assert source.signature.output_names == ("sum", "noisy")
        right = np.array([[1, 2, 3]], np.float32)
        answer = source.predict({"left": np.zeros((1, 5), np.float32), "right": right})
        np.testing.assert_array_equal(answer["noisy"], right)  # not five times: never in training mode

    def test_unbuilt_sequential(self) -> None:
        source = wrap(keras.Sequential([layers.Dense(2)]), shapes={"input_0": (1, 7)})
        assert source.signature.inputs == (TensorSpec("input_0", "float32", (1, 7)),)

    def test_flatten_and_rebuild_are_inverse(self) -> None:
        structure = {"b": [1, {"a": 2}], "a": (3,), "none": None}
        pairs = flatten(structure, "input")
        assert pairs == [("b_0", 1), ("b_1_a", 2), ("a_0", 3)]
        assert rebuild(structure, iter([1, 2, 3])) == structure
        assert flatten((7, 8), "output") == [("output_0", 7), ("output_1", 8)]


class TestShapes:
    def test_dynamic_batch(self) -> None:
        source = wrap(dense(name="x"), dynamic=("batch",))
        assert source.signature.inputs[0].shape == (None, 4)
        assert source.signature.outputs[0].shape == (None, 3)

    def test_open_time_comes_from_the_shape_or_the_samples(self) -> None:
        model = keras.Sequential([keras.Input((None, 5), name="seq"), layers.LSTM(3)])
        assert wrap(model, shapes={"seq": (1, 7, 5)}).signature.inputs[0].shape == (1, 7, 5)
        example = {"seq": np.zeros((4, 9, 5), np.float32)}
        assert wrap(model, example=example).signature.inputs[0].shape == (1, 9, 5)
        with pytest.raises(InputError, match="give --samples, or --input-shape seq"):
            wrap(model)

    def test_contradictions(self) -> None:
        with pytest.raises(InputError, match="the model takes N,4"):
            wrap(dense(name="x"), shapes={"x": (1, 5)})
        with pytest.raises(InputError, match="the model takes float32"):
            wrap(dense(name="x"), dtypes={"x": "int32"})
        with pytest.raises(InputError, match=r"'y'.*the model takes x"):
            wrap(dense(name="x"), shapes={"y": (1, 4)})


class TestKerasFiles:
    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_round_trip(self, tmp_path: Path, suffix: str) -> None:
        model = dense(name="x")
        path = tmp_path / f"model{suffix}"
        model.save(path)
        source = load(path)
        x = np.arange(4, dtype=np.float32)[None]
        np.testing.assert_array_equal(source.predict({"x": x})["probabilities"], model(x).numpy())
        assert source.provenance.file == path.name
        assert source.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert source.provenance.versions == {"tensorflow": tf.__version__, "keras": keras.__version__}

    def test_keras_2_depthwise_convolution(self, tmp_path: Path) -> None:
        model = keras.Sequential([keras.Input((8, 8, 3), name="x"), layers.DepthwiseConv2D(3)])
        path = tmp_path / "old.h5"
        model.save(path)
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1]["config"]["groups"] = 1  # as Keras 2 wrote it
            file.attrs["model_config"] = json.dumps(config)
        with pytest.raises(Exception, match="groups"):
            keras.models.load_model(path)
        source = load(path)
        x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
        np.testing.assert_array_equal(source.predict({"x": x})["output_0"], model(x).numpy())
        assert type(source.native.layers[-1]) is layers.DepthwiseConv2D

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_custom_layer(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"model{suffix}"
        keras.Sequential([keras.Input((4,)), Doubled()]).save(path)
        with pytest.raises(InputError, match=r"custom layer 'Doubled'.*package.module:factory.*register") as caught:
            load(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_lambda_needs_trust(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"model{suffix}"
        keras.Sequential([keras.Input((4,), name="x"), layers.Lambda(lambda x: x * 3)]).save(path)
        with pytest.raises(InputError, match="--trust"):
            load(path)
        answer = load(path, trust=True).predict({"x": np.ones((1, 4), np.float32)})
        np.testing.assert_array_equal(answer["output_0"], np.full((1, 4), 3, np.float32))

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    @pytest.mark.parametrize("kept", [0, 300, 0.5, 0.95])
    def test_truncated(self, tmp_path: Path, suffix: str, kept: float) -> None:
        path = tmp_path / f"model{suffix}"
        dense(name="x").save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
        with pytest.raises(InputError, match="truncated") as caught:
            load(path)
        assert "\n" not in str(caught.value)

    def test_weights_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "model.weights.h5"
        dense().save_weights(path)
        with pytest.raises(InputError, match=r"--weights model\.weights\.h5"):
            load(path)

    def test_tf_keras_reads_what_keras_3_refuses(self, tmp_path: Path) -> None:
        tf_keras = pytest.importorskip("tf_keras")
        model = tf_keras.Sequential(
            [tf_keras.layers.InputLayer((6, 4), name="x"), tf_keras.layers.LSTM(3, time_major=False, name="state")]
        )
        path = tmp_path / "old.h5"
        model.save(path)
        with h5py.File(path, "r+") as file:
            config = json.loads(file.attrs["model_config"])
            config["config"]["layers"][1]["config"]["implementation"] = 2
            config["config"]["layers"][1]["config"]["time_major"] = False  # Keras 3 has no such argument
            file.attrs["model_config"] = json.dumps(config)
        source = load(path)
        assert isinstance(source.native, tf_keras.Model)
        assert source.signature.output_names == ("state",)
        x = np.random.default_rng(0).normal(size=(1, 6, 4)).astype(np.float32)
        np.testing.assert_allclose(source.predict({"x": x})["state"], model(x).numpy(), atol=1e-6)


class TestWeights:
    @pytest.mark.parametrize("suffix", [".weights.h5", ".keras", ".h5"])
    def test_loaded(self, tmp_path: Path, suffix: str) -> None:
        trained, fresh = dense(), dense()
        path = tmp_path / f"w{suffix}"
        trained.save_weights(path) if suffix == ".weights.h5" else trained.save(path)
        tensorflow_source.load_weights(fresh, path, trust=False)
        np.testing.assert_array_equal(fresh.get_weights()[0], trained.get_weights()[0])

    def test_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "w.weights.h5"
        dense().save_weights(path)
        other = keras.Sequential([keras.Input((4,)), layers.Dense(5)])
        with pytest.raises(InputError, match="not this network's") as caught:
            tensorflow_source.load_weights(other, path, trust=False)
        assert "\n" not in str(caught.value)
        with pytest.raises(InputError, match="not been built"):
            tensorflow_source.load_weights(keras.Sequential([layers.Dense(3)]), path, trust=False)
        path.write_bytes(path.read_bytes()[:900])
        with pytest.raises(InputError, match="truncated"):
            tensorflow_source.load_weights(dense(), path, trust=False)
        with pytest.raises(InputError, match=r"does not read '\.npz'"):
            tensorflow_source.load_weights(dense(), tmp_path / "w.npz", trust=False)


class TestFunctions:
    X = np.array([[1, 2]], np.float32)

    @pytest.mark.parametrize("kind", ["module", "function", "concrete"])
    def test_live(self, kind: str) -> None:
        module = Module()
        native = {"module": module, "function": module.__call__}.get(kind) or module.__call__.get_concrete_function()
        source = wrap(native)
        assert source.signature.input_names == ("x", "offset")
        answer = source.predict({"x": self.X, "offset": self.X})
        np.testing.assert_array_equal(answer["scaled"], [[7, 10]])
        np.testing.assert_array_equal(answer["moved"], [[2, 4]])

    def test_function_without_signature(self) -> None:
        function = tf.function(lambda a, b: (a + b, a - b))
        source = wrap(function, shapes={"a": (1, 2), "b": (1, 2)}, dtypes={"a": "int32", "b": "int32"})
        assert source.signature.output_names == ("output_0", "output_1")
        answer = source.predict({"a": np.array([[5, 6]], np.int32), "b": np.array([[1, 2]], np.int32)})
        np.testing.assert_array_equal(answer["output_1"], [[4, 4]])
        with pytest.raises(InputError, match="--input-shape"):
            wrap(function)

    def test_module_without_signature(self) -> None:
        with pytest.raises(InputError, match=r"no tf\.function"):
            wrap(tf.Module())

    def test_wrong_shape_is_one_line(self) -> None:
        with pytest.raises(InputError, match="check the samples") as caught:
            wrap(tf.function(lambda a: tf.matmul(a, tf.ones((3, 3)))), shapes={"a": (1, 2)})
        assert "\n" not in str(caught.value)


class TestSavedModel:
    def test_module_with_signature(self, tmp_path: Path) -> None:
        module = Module()
        tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.__call__.get_concrete_function())
        source = load(tmp_path / "m", dynamic=("batch",))
        assert set(source.signature.input_names) == {"x", "offset"}
        answer = source.predict({"x": np.ones((3, 2), np.float32), "offset": np.ones((3, 2), np.float32)})
        np.testing.assert_array_equal(answer["scaled"], [[4, 6]] * 3)
        assert source.provenance.file == "m"
        assert len(source.provenance.sha256 or "") == 64

    def test_without_signature_the_call_is_taken(self, tmp_path: Path) -> None:
        module = tf.Module()
        module.__call__ = tf.function(lambda a: 2 * a, input_signature=[tf.TensorSpec((None, 2), name="a")])
        tf.saved_model.save(module, str(tmp_path / "m"), signatures={})
        source = load(tmp_path / "m")
        np.testing.assert_array_equal(source.predict({"a": np.ones((1, 2), np.float32)})["output_0"], [[2, 2]])

    def test_export_archive(self, tmp_path: Path) -> None:
        model = dense(name="pixels")
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serve", model.call, input_signature=[tf.TensorSpec((None, 4), name="pixels")])
        archive.write_out(str(tmp_path / "m"), verbose=False)
        source = load(tmp_path / "m")
        x = np.ones((1, 4), np.float32)
        assert source.signature.input_names == ("pixels",)
        np.testing.assert_array_equal(source.predict({"pixels": x})["output_0"], model(x).numpy())

    def test_several_signatures(self, tmp_path: Path) -> None:
        module = Module()
        concrete = module.__call__.get_concrete_function()
        tf.saved_model.save(module, str(tmp_path / "m"), signatures={"encode": concrete, "decode": concrete})
        with pytest.raises(InputError, match="decode, encode"):
            load(tmp_path / "m")

    @pytest.mark.parametrize("refused", [False, True])
    def test_tensorflow_1(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
            x = v1.placeholder(tf.float32, (None, 2), name="in")
            w = v1.get_variable("w", initializer=[[1.0, 2.0], [3.0, 4.0]], use_resource=True)
            y = tf.matmul(x, w)
            session.run(v1.global_variables_initializer())
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y, "x_again": x})
            builder = v1.saved_model.Builder(str(tmp_path / "m"))
            builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
            builder.save()

        def refuse(*_: Any, **__: Any) -> None:
            raise AttributeError("'_UserObject' object has no attribute 'add_slot'")

        if refused:  # as a SavedModel with a Keras 2 optimizer is: its graph can still be restored in a session
            monkeypatch.setattr(tf.saved_model, "load", refuse)
        source = load(tmp_path / "m", dynamic=("batch",))
        assert source.signature.inputs == (TensorSpec("x", "float32", (None, 2)),)
        answer = source.predict({"x": np.array([[1, 2], [0, 1]], np.float32)})
        np.testing.assert_array_equal(answer["y"], [[7, 10], [3, 4]])

    def test_damaged(self, tmp_path: Path) -> None:
        module = Module()
        tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.__call__.get_concrete_function())
        graph = tmp_path / "m" / "saved_model.pb"
        content = graph.read_bytes()
        graph.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match="not a readable SavedModel") as caught:
            load(tmp_path / "m")
        assert "\n" not in str(caught.value)


def test_layers_of_an_operator() -> None:
    source = wrap(keras.Sequential([keras.Input((4,)), layers.Dense(3, name="head")], name="net"))
    assert any("head" in layer for layer in source.layers_of("MatMul"))
    assert source.layers_of("Conv2D") == []


def test_recurrence_and_size() -> None:
    assert wrap(keras.Sequential([keras.Input((6, 4)), layers.GRU(3)])).is_recurrent()
    source = wrap(keras.Sequential([keras.Input((1000,)), layers.Dense(100)]))
    assert not source.is_recurrent()
    assert 400_400 <= source.weight_bytes() < 430_000
