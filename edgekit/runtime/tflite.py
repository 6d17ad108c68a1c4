"""TFLite files on LiteRT (ai-edge-litert), or on tflite-runtime where only that exists (32-bit Arm)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, missing
from edgekit.runtime.engine import Buffers, Engine
from edgekit.signature import Array, Shape, Signature, TensorSpec


class TfliteEngine(Engine):
    """An interpreter, called by its first signature's names (by its tensors' names where it has no signature)."""

    def __init__(self, model: Path | bytes, *, threads: int | None = None) -> None:
        """Open a model.

        Args:
            model: a path (memory-mapped by the runtime), or the file's bytes.
            threads: threads of the CPU kernels; ``None`` leaves the choice to the runtime.

        Raises:
            ExecutionError: the runtime cannot load it.
        """
        interpreter_class, self.name = _runtime()
        source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": bytes(model)}
        self._open = partial(interpreter_class, num_threads=threads, **source)
        # An interpreter has one set of tensors: calls from several threads take turns.
        self._lock = threading.Lock()
        try:
            self._interpreter = self._open()
        except Exception as error:
            raise ExecutionError(
                "load a TFLite model", _line(error), "see edgekit doctor for the versions here"
            ) from error
        signatures = self._interpreter._get_full_signature_list()
        inputs = {detail["index"]: detail for detail in self._interpreter.get_input_details()}
        outputs = {detail["index"]: detail for detail in self._interpreter.get_output_details()}
        if signatures:
            first = next(iter(signatures.values()))
            # A signature lists its tensors by name; the model's own order is that of the graph's inputs.
            self._inputs = {name: i for i in inputs for name, index in first["inputs"].items() if index == i}
            self._outputs = dict(first["outputs"])
        else:
            self._inputs = {detail["name"]: index for index, detail in inputs.items()}
            self._outputs = {detail["name"]: index for index, detail in outputs.items()}
        self.signature = Signature(
            tuple(_spec(name, inputs[index]) for name, index in self._inputs.items()),
            tuple(_spec(name, outputs[index]) for name, index in self._outputs.items()),
        )
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call; resizes the inputs first where their shapes have changed."""
        with self._lock:
            try:
                self._allocate({name: array.shape for name, array in inputs.items()})
                for name, index in self._inputs.items():
                    self._interpreter.set_tensor(index, inputs[name])
                self._interpreter.invoke()
                return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
            except (RuntimeError, ValueError) as error:
                self._shapes = {}
                raise ExecutionError("run a TFLite model", _line(error)) from error

    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Views of an interpreter's own memory: a call copies nothing.

        They keep the interpreter for themselves; whatever comes after runs in another, so that nothing moves it.
        """
        with self._lock:
            try:
                self._allocate(shapes)
                interpreter, tensor = self._interpreter, self._interpreter.tensor
                inputs = {name: tensor(index)() for name, index in self._inputs.items()}
                outputs = {name: tensor(index)() for name, index in self._outputs.items()}
            except (RuntimeError, ValueError) as error:
                # A tensor whose size only a call tells has no memory before it.
                self._shapes = {}
                raise ExecutionError("bind a TFLite model", _line(error), "use session.run") from error
            self._interpreter, self._shapes = self._open(), {}
        # The public invoke refuses to run while anyone looks at the memory, because a resize would move it: nobody
        # resizes this interpreter. The model's bytes belong to the Python object around it.
        return Buffers(inputs, outputs, interpreter._interpreter.Invoke, interpreter)

    def _allocate(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        if self._shapes == shapes:
            return
        for spec in self.signature.inputs:
            current = self._shapes.get(spec.name, tuple(1 if size is None else size for size in spec.shape))
            if current != shapes[spec.name]:
                self._interpreter.resize_tensor_input(self._inputs[spec.name], shapes[spec.name], strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = dict(shapes)


def _runtime() -> tuple[Any, str]:
    """The interpreter class and its name, LiteRT first."""
    try:
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"litert {metadata.version('ai-edge-litert')}"
    except ImportError:
        pass
    try:
        from tflite_runtime.interpreter import Interpreter as OldInterpreter

        return OldInterpreter, f"tflite-runtime {metadata.version('tflite-runtime')}"
    except ImportError as error:
        raise missing("run a TFLite model", "ai-edge-litert", "runtime-tflite") from error


def _spec(name: str, detail: Mapping[str, Any]) -> TensorSpec:
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    shape: Shape = tuple(None if size < 0 else int(size) for size in declared)
    return TensorSpec(
        name, "string" if detail["dtype"] in {bytes, np.bytes_, np.object_} else np.dtype(detail["dtype"]).name, shape
    )


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
