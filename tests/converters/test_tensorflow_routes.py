"""TensorFlow → ONNX, TFLite, Core ML: the files run, answer as the original does, and carry the user's names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.convert import registry
from edgekit.convert.coreml_file import read_signature, read_spec
from edgekit.convert.options import ConvertOptions, legal_names
from edgekit.errors import ConversionError, InputError
from edgekit.runtime import open_engine
from edgekit.signature import Array, TensorSpec
from edgekit.sources import tensorflow as tensorflow_source
from edgekit.sources.base import LoadRequest
from edgekit.verify import Tolerance, Verdict, compare

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
onnx = pytest.importorskip("onnx")
pytest.importorskip("tf2onnx")
litert = pytest.importorskip("ai_edge_litert.interpreter")
layers = keras.layers
pytestmark = [
    # tf2onnx 1.17 and coremltools 9 lag behind what they import.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tf2onnx"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:coremltools"),
]

Source = tensorflow_source.TensorFlowSource


def wrap(native: Any, **request: Any) -> Source:
    return tensorflow_source.wrap(native, LoadRequest(model=type(native).__name__, **request))


def inputs_for(source: Source, batch: int, seed: int = 0) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for spec in source.signature.inputs:
        shape = [batch if size is None else size for size in spec.shape]
        draw = generator.normal(size=shape) if spec.dtype.startswith("float") else generator.integers(0, 5, shape)
        arrays[spec.name] = draw.astype(spec.dtype)
    return arrays


def make(source: Source, target: str, folder: Path, *, dynamic: bool = False, scheme: str = "float32") -> Path:
    inputs, outputs = legal_names(source.signature, target)
    options = ConvertOptions(inputs, outputs, inputs_for(source, 2), scheme=scheme, dynamic_batch=dynamic)
    output = folder / f"model{registry.SUFFIXES[target]}"
    registry.get("tensorflow", target).convert(source, options, output)
    return output


def verdict(source: Source, target: str, path: Path, batch: int = 1) -> Verdict:
    """The file's answers to four inputs beside the original's, by the names in the file."""
    inputs, outputs = legal_names(source.signature, target)
    engine = open_engine(target, path)
    runs = [inputs_for(source, batch, seed) for seed in range(4)]
    answers = [engine.run({inputs[name]: array for name, array in run.items()}) for run in runs]
    renamed = [{name: answer[outputs[name]] for name in outputs} for answer in answers]
    return compare([source.predict(run) for run in runs], renamed, Tolerance(sqnr_db=90), executed_by=target)


def digits_classifier() -> Any:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Rescaling(1 / 16),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, strides=2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax", name="probabilities"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images.reshape(-1, 8, 8, 1)[:512], labels[:512], epochs=1, verbose=0)
    return model


def tokens_and_features() -> Any:
    tokens, features = keras.Input((6,), name="tokens", dtype="int32"), keras.Input((4,), name="features")
    joined = layers.Concatenate()([layers.Flatten()(layers.Embedding(10, 3)(tokens)), features])
    outputs = {"z score": layers.Dense(2)(joined), "a/b": layers.Dense(3, name="mul")(joined)}
    return keras.Model({"tokens": tokens, "features": features}, outputs)


def attention() -> Any:
    x = keras.Input((6, 8), name="x")
    y = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(x, x) + x)
    return keras.Model(x, layers.Dense(5, activation="gelu")(y))


class Subclassed(keras.Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, left: Any, right: Any, training: bool | None = None) -> Any:
        return self.dense(left), {"sum": self.dense(right) + left[:, :3]}


def recurrent(*cells: Any, **named: Any) -> Any:
    return keras.Sequential([keras.Input((7, 5), name="sequence"), *cells, layers.Dense(3, **named)])


def masked() -> Any:
    cells = (layers.Embedding(9, 4, mask_zero=True), layers.LSTM(6, return_sequences=True), layers.GRU(4))
    return keras.Sequential([keras.Input((7,), name="tokens", dtype="int32"), *cells, layers.Dense(3)])


class Module(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(np.full((4, 2), 0.3, np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 4)), tf.TensorSpec((None, 4), name="offset")])
    def __call__(self, x: Any, y: Any) -> Any:
        return {"s": tf.tanh(x + y) @ self.w, "r": x - y, "same": x}


# A concrete function does not keep the variables of its module alive.
MODULE = Module()
FEED_FORWARD = {
    "cnn": lambda: (digits_classifier(), {}),
    "several": lambda: (tokens_and_features(), {}),
    "attention": lambda: (attention(), {}),
    "subclassed": lambda: (Subclassed(), {"shapes": {"left": (1, 5), "right": (1, 5)}}),
    "module": lambda: (Module(), {}),
    "concrete": lambda: (MODULE.__call__.get_concrete_function(), {}),
}
RECURRENT = {
    "lstm": lambda: recurrent(layers.LSTM(8)),
    "gru": lambda: recurrent(layers.GRU(8, return_sequences=True), layers.GRU(4)),
    "bidirectional": lambda: recurrent(layers.Bidirectional(layers.LSTM(4)), name="scores"),
    "simple": lambda: recurrent(layers.SimpleRNN(4)),
    "masked": masked,
}


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
@pytest.mark.parametrize("name", FEED_FORWARD)
def test_feed_forward(name: str, target: str, dynamic: bool, tmp_path: Path) -> None:
    native, request = FEED_FORWARD[name]()
    source = wrap(native, dynamic=("batch",) if dynamic else (), **request)
    path = make(source, target, tmp_path, dynamic=dynamic)
    found = verdict(source, target, path, batch=3)
    assert found, found.problems


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent(name: str, target: str, tmp_path: Path) -> None:
    source = wrap(RECURRENT[name]())
    found = verdict(source, target, make(source, target, tmp_path))
    assert found, found.problems


def test_recurrent_with_dynamic_batch(tmp_path: Path) -> None:
    source = wrap(RECURRENT["lstm"](), dynamic=("batch",))
    assert verdict(source, "onnx", make(source, "onnx", tmp_path, dynamic=True), batch=3)
    for target in ("tflite", "coreml"):
        with pytest.raises(ConversionError, match=r"recurrent.*leave --dynamic off"):
            make(source, target, tmp_path, dynamic=True)


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
@pytest.mark.parametrize("exported", ["keras", "module"])
def test_savedmodel(exported: str, target: str, tmp_path: Path) -> None:
    folder = str(tmp_path / "saved")
    if exported == "keras":
        tokens_and_features().export(folder, verbose=False)
    else:
        module = Module()
        tf.saved_model.save(module, folder, signatures=module.__call__.get_concrete_function())
    source = tensorflow_source.load(LoadRequest(model=folder))
    found = verdict(source, target, make(source, target, tmp_path))
    assert found, found.problems


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
def test_names_that_no_graph_can_hold(target: str, tmp_path: Path) -> None:
    names = {"input_names": ("t/é:0", "_f"), "output_names": ("mul", "Identity")}
    source = wrap(tokens_and_features(), **names)
    path = make(source, target, tmp_path)
    assert verdict(source, target, path)
    if target == "tflite":
        signatures = litert.Interpreter(model_path=str(path)).get_signature_list()
        assert {side: set(found) for side, found in signatures["serving_default"].items()} == {
            "inputs": {"t/é:0", "_f"},
            "outputs": {"mul", "Identity"},
        }
    elif target == "onnx":
        graph = onnx.load(path).graph
        assert [value.name for value in graph.input] == ["t/é:0", "_f"]
        assert {value.name for value in graph.output} == {"mul", "Identity"}


def test_onnx_is_written_for_old_runtimes(tmp_path: Path) -> None:
    model = onnx.load(make(wrap(attention(), dynamic=("batch",)), "onnx", tmp_path, dynamic=True))
    assert model.ir_version == 8
    assert {(entry.domain, entry.version) for entry in model.opset_import} >= {("", 15)}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    onnx.checker.check_model(model)


def test_onnx_large_models_keep_their_weights_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = wrap(keras.Sequential([keras.Input((64,), name="x"), layers.Dense(64), layers.Dense(3)]))
    registry.routes()
    monkeypatch.setattr(sys.modules["edgekit.converters.tensorflow_onnx"], "INLINE_BYTES", 1000)
    path = make(source, "onnx", tmp_path)
    assert (tmp_path / "model.onnx.data").stat().st_size >= 64 * 64 * 4
    assert path.stat().st_size < 64 * 64 * 4
    assert verdict(source, "onnx", path)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_unsupported_operators_are_named_with_their_layer(target: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: tf.math.erfinv(tf.math.tanh(x)), name="odd")])
    with pytest.raises(ConversionError, match=r"operator Erfinv \(layer .*odd") as caught:
        make(wrap(model), target, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / f"model{registry.SUFFIXES[target]}").exists()


def test_recurrent_savedmodel_with_an_open_batch(tmp_path: Path) -> None:
    RECURRENT["lstm"]().export(str(tmp_path / "saved"), verbose=False)
    source = tensorflow_source.load(LoadRequest(model=str(tmp_path / "saved")))
    assert verdict(source, "onnx", make(source, "onnx", tmp_path))
    with pytest.raises(ConversionError, match=r"convert the \.keras file"):
        make(source, "tflite", tmp_path)
    with pytest.raises(ConversionError, match=r"operator While .*convert the \.keras file"):
        make(source, "coreml", tmp_path)


class TestCoreML:
    @pytest.fixture(autouse=True)
    def needs_coremltools(self) -> None:
        pytest.importorskip("coremltools")

    @pytest.mark.parametrize("scheme", ["float32", "float16"])
    def test_structure(self, scheme: str, tmp_path: Path) -> None:
        source = wrap(attention())
        path = make(source, "coreml", tmp_path, scheme=scheme)
        signature = read_signature(path)
        assert signature.inputs == (TensorSpec("x", "float32", (1, 6, 8)),)
        assert signature.outputs == (TensorSpec("output_0", scheme, (1, 6, 5)),)
        assert read_spec(path).specificationVersion == {"float32": 6, "float16": 7}[scheme]  # iOS 15, iOS 16
        matmul = next(operation for operation in operations(path) if operation.type in {"matmul", "linear", "einsum"})
        code = {"float32": 11, "float16": 10}[scheme]  # MIL.proto, DataType
        assert matmul.outputs[0].type.tensorType.dataType == code

    def test_names_that_stand_inside_already(self, tmp_path: Path) -> None:
        source = wrap(tokens_and_features(), input_names=("t/é:0", "_f"), output_names=("a_b", "Identity"))
        path = make(source, "coreml", tmp_path)
        signature = read_signature(path)
        assert {spec.name: spec.shape for spec in signature.inputs} == {"t___0": (1, 6), "_f": (1, 4)}
        assert {spec.name: spec.shape for spec in signature.outputs} == {"a_b": (1, 2), "Identity": (1, 3)}
        made = [value.name for operation in operations(path) for value in operation.outputs]
        assert len(made) == len(set(made))

    def test_dynamic_batch(self, tmp_path: Path) -> None:
        source = wrap(digits_classifier(), dynamic=("batch",))
        signature = read_signature(make(source, "coreml", tmp_path, dynamic=True))
        assert signature.inputs == (TensorSpec("image", "float32", (None, 8, 8, 1)),)

    def test_recurrent_models_go_through_torch(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        cells = (layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.GRU(3), layers.Reshape((3, 1)))
        source = wrap(recurrent(*cells, layers.SimpleRNN(2), name="scores"))
        signature = read_signature(make(source, "coreml", tmp_path))
        assert signature.inputs == (TensorSpec("sequence", "float32", (1, 7, 5)),)
        assert signature.outputs == (TensorSpec("scores", "float32", (1, 3)),)

    def test_inputs_that_no_multi_array_holds(self, tmp_path: Path) -> None:
        flag = keras.Input((4,), name="flag", dtype="bool")
        source = wrap(keras.Model(flag, layers.Dense(1)(keras.ops.cast(flag, "float32"))))
        with pytest.raises(InputError, match=r"flag: bool.*Core ML takes"):
            make(source, "coreml", tmp_path)


def operations(path: Path) -> list[Any]:
    (function,) = read_spec(path).mlProgram.functions
    (specialization,) = function.value.block_specializations
    return list(specialization.value.operations)
