"""ONNX files on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, missing
from edgekit.runtime.engine import Buffers, Engine
from edgekit.signature import Array, Shape, Signature, TensorSpec

_DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bool": "bool",
    "string": "string",
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}


class OnnxEngine(Engine):
    """A session of ONNX Runtime on the CPU provider."""

    def __init__(self, model: Path | bytes, *, threads: int | None = None, optimize: bool = True) -> None:
        """Open a model.

        Args:
            model: a path (needed where weights lie in external files), or the file's bytes.
            threads: threads within one operator; ``None`` leaves the choice to the runtime.
            optimize: ``False`` skips graph optimization, for reading a signature quickly.

        Raises:
            ExecutionError: ONNX Runtime cannot load it.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise missing("run an ONNX model", "onnxruntime", "runtime-onnx") from error
        options = onnxruntime.SessionOptions()
        # Warnings on optimizations that did not apply say nothing to who runs a model; errors are raised, not printed.
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = str(model) if isinstance(model, Path) else bytes(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ExecutionError(
                "load an ONNX model", _line(error), "see edgekit doctor for the versions here"
            ) from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self.signature = Signature(
            tuple(_spec(node) for node in self._session.get_inputs()),
            tuple(_spec(node) for node in self._session.get_outputs()),
        )
        self._outputs = list(self.signature.output_names)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call."""
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:
            raise ExecutionError("run an ONNX model", _line(error)) from error
        return dict(zip(self._outputs, values, strict=True))

    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Arrays bound by address: a call copies nothing."""
        inputs = {spec.name: np.zeros(shapes[spec.name], _numpy(spec)) for spec in self.signature.inputs}
        outputs = {spec.name: np.zeros(value.shape, _numpy(spec)) for spec, value in self._probe(inputs)}
        binding: Any = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return Buffers(inputs, outputs, partial(self._session.run_with_iobinding, binding))

    def _probe(self, inputs: Mapping[str, Array]) -> list[tuple[TensorSpec, Array]]:
        """The outputs' shapes, where the file leaves them open, are what one call gives."""
        outputs = self.run(inputs)
        return [(spec, outputs[spec.name]) for spec in self.signature.outputs]


def _spec(node: Any) -> TensorSpec:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if kind not in _DTYPES:
        raise ExecutionError(f"load an ONNX model with {node.name!r}", f"{node.type} is no tensor edgekit can hold")
    shape: Shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, _DTYPES[kind], shape)


def _numpy(spec: TensorSpec) -> np.dtype[Any]:
    if spec.dtype == "string":
        raise ExecutionError(f"bind {spec.name!r}", "text has no fixed size to share", "use session.run")
    return np.dtype(spec.dtype)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
