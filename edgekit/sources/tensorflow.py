"""TensorFlow models: Keras files and SavedModel folders, live Keras models, modules, functions."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.sources import tensorflow_ranges
from edgekit.sources.base import LoadRequest, Provenance, Source
from edgekit.sources.inputs import renamed, resolve_inputs
from edgekit.sources.keras_files import load_weights as _load_weights
from edgekit.sources.keras_files import read_model
from edgekit.sources.provenance import file_provenance
from edgekit.sources.savedmodel import line, read_savedmodel
from edgekit.sources.tensorflow_functions import function_interface
from edgekit.sources.tensorflow_interface import Interface, keras_interface

_PACKAGES = ("tensorflow", "keras")
# Less noise; the reference as TensorFlow's own kernels compute it; no GPU, which edge models do without.
_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
}
# What a loop becomes in a graph; the formats treat it unlike all else.
_LOOPS = {"While", "StatelessWhile", "TensorListReserve", "Enter", "LoopCond"}


def import_tensorflow() -> Any:
    """``tensorflow``, imported quietly, and Keras on it.

    Raises:
        InputError: Keras runs on another backend in this process.
    """
    if "tensorflow" not in sys.modules:
        for name, value in _ENVIRONMENT.items():
            if name != "KERAS_BACKEND":
                os.environ.setdefault(name, value)
    if "keras" not in sys.modules:
        # Whatever backend the user's configuration prefers: these models' graphs are TensorFlow's.
        os.environ["KERAS_BACKEND"] = _ENVIRONMENT["KERAS_BACKEND"]
    tensorflow, keras = importlib.import_module("tensorflow"), importlib.import_module("keras")
    if keras.backend.backend() != "tensorflow":
        why = f"Keras runs on {keras.backend.backend()} in this process"
        raise InputError("convert a Keras model", why, "save it as .keras and convert the file")
    return tensorflow


def load(request: LoadRequest) -> TensorFlowSource:
    """Load a .keras or .h5 file or a SavedModel folder.

    Raises:
        InputError: not such a file, damaged, with custom layers, or a Lambda without trust.
    """
    import_tensorflow()
    path = Path(request.model)
    if path.is_dir():
        native, interface = read_savedmodel(path, f"load {request.model}")
    else:
        native = read_model(path, trust=request.trust)
        interface = keras_interface(native)
    return _source(native, interface, request, file_provenance(path, *_PACKAGES))


def wrap(native: Any, request: LoadRequest) -> TensorFlowSource:
    """A source around a live Keras model or layer, ``tf.Module``, ``tf.function`` or concrete function.

    Raises:
        InputError: it cannot be told how to call it.
    """
    import_tensorflow()
    asked = f"convert a {type(native).__name__}"
    interface = keras_interface(native) if _is_keras(native) else function_interface(native, asked)
    return _source(native, interface, request, file_provenance(None, *_PACKAGES))


def load_weights(native: Any, path: Path, *, trust: bool) -> None:
    """Load a .weights.h5, .h5 or .keras file's weights into a Keras model that a factory made.

    Raises:
        InputError: no Keras model, unreadable, or weights that are not this network's.
    """
    import_tensorflow()
    if not _is_keras(native):
        raise InputError(
            f"--weights {path}", f"a {type(native).__name__} reads no weights file", "load them in the factory"
        )
    _load_weights(native, path, trust=trust)


class TensorFlowSource(Source):
    """A TensorFlow model called by names, answering flat named outputs, in inference mode."""

    framework = "tensorflow"

    def __init__(self, native: Any, interface: Interface, own: tuple[str, ...], provenance: Provenance) -> None:
        self.native = native
        self.interface = interface
        self.provenance = provenance
        self.taken = own
        self._functions: dict[Any, Any] = {}

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The model's outputs; Keras models are called directly, with ``training=False``."""
        answer = self._answer([inputs[spec.name] for spec in self.signature.inputs])
        return {name: value for name, (_, value) in zip(self.signature.output_names, answer, strict=True)}

    def concrete_function(
        self, inputs: Mapping[str, str], outputs: Mapping[str, str], *, dynamic_batch: bool = False
    ) -> Any:
        """The model as one concrete function of flat tensors, in the signature's order, to a dictionary; built once.

        Args:
            inputs: the name of each input's TensorSpec, by the signature's names.
            outputs: the keys of the dictionary that it returns, likewise.
            dynamic_batch: leave a dynamic batch dimension open; otherwise it is 1.
        """
        import tensorflow as tf

        key = (tuple(inputs.items()), tuple(outputs.items()), dynamic_batch)
        if key not in self._functions:
            specs = [
                tf.TensorSpec(_sized(spec.shape, None if dynamic_batch else 1), spec.dtype, name=inputs[spec.name])
                for spec in self.signature.inputs
            ]
            names = [outputs[name] for name in self.signature.output_names]

            def function(*tensors: Any) -> dict[str, Any]:
                answer = self.interface.answer(dict(zip(self.taken, tensors, strict=True)))
                # What goes in and comes out unchanged needs a node of its own to be called an output.
                return {name: tf.identity(value) for name, (_, value) in zip(names, answer, strict=True)}

            self._functions[key] = tf.function(function, autograph=False).get_concrete_function(*specs)
        return self._functions[key]

    @property
    def quantized(self) -> bool:  # type: ignore[override] # elsewhere it is known when the model is loaded
        """Whether the model has FakeQuant operators, which quantization-aware training leaves."""
        return tensorflow_ranges.rounds(self._nodes())

    def trained_scales(self) -> set[float]:
        """The scales that the model rounds by, where it was quantized in training, as float32 holds them."""
        return tensorflow_ranges.scales(self._any_function())

    @property
    def is_keras3(self) -> bool:
        """Whether it is a Keras 3 model, which can be saved and rebuilt on another backend."""
        keras = sys.modules.get("keras")
        return keras is not None and isinstance(self.native, keras.Model)

    def is_recurrent(self) -> bool:
        """Whether the model loops: recurrent layers, ``tf.while_loop``, ``tf.scan``."""
        return any(node.op in _LOOPS for node in self._nodes())

    def weight_bytes(self) -> int:
        """The size of variables and constants."""
        graph = self._any_function().graph
        variables = {id(v): v for v in getattr(self.native, "variables", ())}
        if not _is_keras(self.native):
            variables |= {id(v): v for v in graph.variables}
        constants: int = graph.as_graph_def().ByteSize()
        return constants + sum(int(np.prod(v.shape)) * np.dtype(_dtype(v)).itemsize for v in variables.values())

    def layers_of(self, operator: str) -> list[str]:
        """The scopes of the graph, which are the layers' paths, that use an operator."""
        paths = (node.name.rpartition("/")[0] for node in self._nodes() if node.op == operator)
        return list(dict.fromkeys(path or "the model itself" for path in paths))

    def _answer(self, arrays: list[Array]) -> list[tuple[str, Array]]:
        import tensorflow as tf

        tensors = {
            name: tf.convert_to_tensor(array, dtype=spec.dtype)
            for name, spec, array in zip(self.taken, self.signature.inputs, arrays, strict=True)
        }
        return [(name, np.asarray(value)) for name, value in self.interface.answer(tensors)]

    def _any_function(self) -> Any:
        if self._functions:
            return next(iter(self._functions.values()))
        inputs = {spec.name: f"input_{index}" for index, spec in enumerate(self.signature.inputs)}
        outputs = {name: f"output_{index}" for index, name in enumerate(self.signature.output_names)}
        return self.concrete_function(inputs, outputs)

    def _nodes(self) -> list[Any]:
        graph = self._any_function().graph.as_graph_def()
        return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]


def _source(native: Any, interface: Interface, request: LoadRequest, provenance: Provenance) -> TensorFlowSource:
    facts = interface.facts
    names = renamed(facts.names, request.input_names, "input")
    own = dict(zip(names, facts.names, strict=True))
    _check_dtypes(own, facts.dtypes, request)
    inputs = resolve_inputs(facts, request)
    source = TensorFlowSource(native, interface, tuple(own[spec.name] for spec in inputs), provenance)
    source.signature = Signature(inputs, ())
    source.signature = Signature(inputs, _outputs(source, request))
    return source


def _check_dtypes(own: Mapping[str, str], declared: Mapping[str, str], request: LoadRequest) -> None:
    for name, dtype in request.dtypes.items():
        takes = declared.get(own.get(name, ""), dtype)
        if takes != dtype:
            raise InputError(f"dtype {dtype} for input {name!r}", f"the model takes {takes}", "leave it off")


def _outputs(source: TensorFlowSource, request: LoadRequest) -> tuple[TensorSpec, ...]:
    """Run the model once to see its outputs; with a dynamic batch twice, to see which dimensions follow it."""
    first = _trial(source, request, batch=2)
    if not first:
        raise InputError(f"convert {request.model}", "the model returns nothing", "return its outputs")
    names = renamed(tuple(name for name, _ in first), request.output_names, "output")
    shapes: list[tuple[int | None, ...]] = [value.shape for _, value in first]
    if any(spec.shape[:1] == (None,) for spec in source.signature.inputs):
        other = [value.shape for _, value in _trial(source, request, batch=3)]
        shapes = [
            tuple(n if n == m else None for n, m in zip(a, b, strict=True)) for a, b in zip(shapes, other, strict=True)
        ]
    return tuple(
        TensorSpec(name, "string" if value.dtype.kind in "OUS" else value.dtype.name, shape)
        for name, (_, value), shape in zip(names, first, shapes, strict=True)
    )


def _trial(source: TensorFlowSource, request: LoadRequest, *, batch: int) -> list[tuple[str, Array]]:
    generator = np.random.default_rng(0)
    arrays: list[Array] = []
    for spec in source.signature.inputs:
        size = _sized(spec.shape, batch)
        given = request.example.get(spec.name, request.example.get(""))
        if given is not None and given.shape[1:] == size[1:] and len(given) and given.ndim == len(size):
            arrays.append(np.resize(given, size).astype(_numpy(spec.dtype)))
        elif spec.dtype.startswith("float"):
            arrays.append(generator.normal(size=size).astype(spec.dtype))
        else:
            arrays.append(np.full(size, "" if spec.dtype == "string" else 0, _numpy(spec.dtype)))
    try:
        return source._answer(arrays)
    except InputError:
        raise
    except Exception as error:
        takes = ", ".join(str(spec) for spec in source.signature.inputs)
        check = "check the samples or --input-shape against what the model takes"
        raise InputError(f"run {request.model} on {takes}", line(error), check) from error


def _sized(shape: tuple[int | None, ...], batch: int | None) -> tuple[Any, ...]:
    return tuple(batch if size is None else size for size in shape)


def _numpy(dtype: str) -> Any:
    return object if dtype == "string" else dtype


def _dtype(variable: Any) -> str:
    name = str(getattr(variable.dtype, "name", variable.dtype))
    return "float32" if name in {"resource", "string"} else "float16" if name == "bfloat16" else name


def _is_keras(native: Any) -> bool:
    return any(
        isinstance(native, sys.modules[package].layers.Layer)
        for package in ("keras", "tf_keras")
        if package in sys.modules
    )
