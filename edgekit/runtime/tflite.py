"""TFLite files on LiteRT (ai-edge-litert), or on tflite-runtime where only that exists (32-bit Arm)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgekit.errors import ExecutionError, InputError, missing
from edgekit.runtime.engine import Buffers, Engine
from edgekit.runtime.operators import Operator
from edgekit.runtime.placement import of_tflite_operators
from edgekit.signature import Array, Shape, Signature, TensorSpec

_XNNPACK, _CPU = "XNNPACK", "CPU"
_A_MOMENT = 20e-6
# An interpreter's own memory of its inputs and of its outputs.
_Seen: TypeAlias = "tuple[tuple[Array, ...], tuple[Array, ...]]"


class TfliteEngine(Engine):
    """An interpreter, called by its first signature's names (by its tensors' names where it has no signature).

    Attributes:
        input_scales: of the inputs whose integers stand for reals, (scale, zero point) by name.
        output_scales: of the outputs, likewise.
    """

    def __init__(
        self, model: Path | bytes, *, threads: int | None = None, providers: Sequence[str] | None = None
    ) -> None:
        """Open a model.

        Args:
            model: a path (memory-mapped by the runtime), or the file's bytes.
            threads: threads of the CPU kernels; ``None`` leaves the choice to the runtime.
            providers: ``XNNPACK`` (the runtime's own choice), ``CPU`` for its kernels without a delegate, or the path
                of a delegate's library, several in order.

        Raises:
            InputError: no such delegate.
            ExecutionError: the runtime cannot load it.
        """
        interpreter_class, self.name = _runtime()
        source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": bytes(model)}
        chosen = tuple(providers or (_XNNPACK,))
        # A delegate's library is called by its name, wherever it lies.
        self.providers = tuple(Path(name).stem for name in chosen)
        delegates = _delegates(interpreter_class, chosen)
        self._open = partial(interpreter_class, num_threads=threads, **source, **delegates)
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
        # One scale and zero point each, of the integers that have one; no others stand for reals.
        self.input_scales = {n: _scale(inputs[i]) for n, i in self._inputs.items() if _scale(inputs[i])[0] > 0}
        self.output_scales = {n: _scale(outputs[i]) for n, i in self._outputs.items() if _scale(outputs[i])[0] > 0}
        self._shapes: dict[str, tuple[int, ...]] = {}
        # Whether all that goes in and comes out has its memory before a call, and what repeated calls see of it.
        self._fixed = False
        self._at_hand: list[_Seen] | None = None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call; resizes the inputs first where their shapes have changed."""
        with self._lock:
            self._alone()
            try:
                self._allocate({name: array.shape for name, array in inputs.items()})
                for name, index in self._inputs.items():
                    self._interpreter.set_tensor(index, inputs[name])
                self._interpreter.invoke()
                return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}
            except (RuntimeError, ValueError) as error:
                self._shapes = {}
                raise ExecutionError("run a TFLite model", _line(error)) from error

    def repeated(self, shapes: Mapping[str, tuple[int, ...]]) -> Callable[..., Sequence[Array] | None] | None:
        """The interpreter's memory, written, computed on and copied, until another call resizes or binds it."""
        with self._lock:
            self._alone()
            usable = self._fixed and self._shapes == shapes and hasattr(self._interpreter, "_interpreter")
            seen = self._seen() if usable else None
            if seen is None:
                return None
            self._at_hand = at_hand = [seen]
            interpreter = self._interpreter

        # Who takes the memory out of the list has it alone, and who finds none goes the long way: a lock would be a
        # fifth of a small model's call. Nothing else may hold these arrays: the interpreter could not be resized.
        def single(array: Array) -> Sequence[Array] | None:
            try:
                seen = at_hand.pop()
            except IndexError:
                return None
            try:
                (given,), (found,) = seen
                given[...] = array
                interpreter._interpreter.Invoke()
                return (found.copy(),)
            finally:
                at_hand.append(seen)

        def several(*arrays: Array) -> Sequence[Array] | None:
            try:
                seen = at_hand.pop()
            except IndexError:
                return None
            try:
                for given, array in zip(seen[0], arrays, strict=True):
                    given[...] = array
                interpreter._interpreter.Invoke()
                return [found.copy() for found in seen[1]]
            finally:
                at_hand.append(seen)

        return single if len(self._inputs) == len(self._outputs) == 1 else several

    def _alone(self) -> None:
        """End what repeated calls see of the interpreter's memory, after the one that is on its way."""
        at_hand, self._at_hand = self._at_hand, None
        while at_hand is not None:
            try:
                at_hand.pop()
            except IndexError:
                time.sleep(_A_MOMENT)
            else:
                return

    def _seen(self) -> _Seen | None:
        """The interpreter's own memory of inputs and outputs; ``None`` where one has none that stays."""
        try:
            inputs, outputs = (tuple(self._views(side).values()) for side in (self._inputs, self._outputs))
        except (RuntimeError, ValueError):
            return None
        return (inputs, outputs) if all(one.dtype.kind in "biuf" for one in (*inputs, *outputs)) else None

    def _views(self, side: Mapping[str, int]) -> dict[str, Array]:
        """The interpreter's memory of inputs or outputs, by name."""
        views = {name: self._interpreter.tensor(index)() for name, index in side.items()}
        # Of a lone number it gives a copy, which would keep what it was before the call.
        if any(one.flags.owndata and one.dtype.kind != "O" for one in views.values()):
            raise ValueError("a lone number among inputs or outputs has no memory to share")
        return views

    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Views of an interpreter's own memory: a call copies nothing.

        They keep the interpreter for themselves; whatever comes after runs in another, so that nothing moves it.
        """
        with self._lock:
            self._alone()
            try:
                self._allocate(shapes)
                interpreter = self._interpreter
                inputs, outputs = self._views(self._inputs), self._views(self._outputs)
            except (RuntimeError, ValueError) as error:
                # A tensor whose size only a call tells has no memory before it.
                self._shapes = {}
                raise ExecutionError("bind a TFLite model", _line(error), "use session.run") from error
            self._interpreter, self._shapes = self._open(), {}
        # The public invoke refuses to run while anyone looks at the memory, because a resize would move it: nobody
        # resizes this interpreter. The model's bytes belong to the Python object around it.
        return Buffers(inputs, outputs, interpreter._interpreter.Invoke, interpreter)

    def placement(self) -> dict[str, tuple[str, ...]]:
        """The operators by delegate, the rest by the runtime's own kernels (``CPU``)."""
        with self._lock:
            delegate = "+".join(name for name in self.providers if name != _CPU)
            return of_tflite_operators(self._interpreter._get_ops_details(), delegate, _CPU)

    def operators(
        self, inputs: Mapping[str, Array], *, warmups: int, calls: int
    ) -> tuple[list[Operator], Sequence[int]]:
        """From LiteRT's profiler, which has the model compiled a second time."""
        from edgekit.runtime.litert_profiler import LitertProfiler

        given = self._open.keywords
        model = Path(given["model_path"]) if "model_path" in given else given["model_content"]
        profiler = LitertProfiler(model, threads=given["num_threads"], providers=self.providers)
        names = {detail["index"]: detail["name"] for detail in self._interpreter.get_tensor_details()}
        listed = self._interpreter._get_ops_details()
        tensors = {int(one["index"]): tuple(names.get(int(i), "") for i in one["outputs"]) for one in listed}
        return profiler.operators(inputs, tensors, warmups=warmups, calls=calls)

    def _allocate(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        if self._shapes == shapes:
            return
        for spec in self.signature.inputs:
            current = self._shapes.get(spec.name, tuple(1 if size is None else size for size in spec.shape))
            if current != shapes[spec.name]:
                self._interpreter.resize_tensor_input(self._inputs[spec.name], shapes[spec.name], strict=True)
        self._interpreter.allocate_tensors()
        self._shapes = dict(shapes)
        # What has no memory yet gets it from the call, each time elsewhere.
        self._fixed = self._seen() is not None


def _delegates(interpreter_class: Any, names: Sequence[str]) -> dict[str, Any]:
    """What the interpreter is opened with; the runtime adds XNNPACK itself where it is not kept from it."""
    module = sys.modules[interpreter_class.__module__]
    libraries = [name for name in names if name not in {_XNNPACK, _CPU}]
    for name in libraries:
        if not Path(name).is_file():
            raise InputError(f"run on {name}", "no such delegate", f"take {_XNNPACK}, {_CPU} or a library's path")
    try:
        given = {"experimental_delegates": [module.load_delegate(name) for name in libraries]} if libraries else {}
    except (OSError, ValueError) as error:
        raise ExecutionError(f"load the delegate {libraries[0]}", _line(error), "see its maker's notes") from error
    if _XNNPACK not in names:
        given["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return given


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


def _scale(detail: Mapping[str, Any]) -> tuple[float, int]:
    """(scale, zero point); a scale of 0 where integers stand for themselves, or each channel has its own."""
    scale, zero_point = detail["quantization"]
    return float(scale), int(zero_point)


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
