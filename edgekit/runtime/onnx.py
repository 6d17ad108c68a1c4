"""ONNX files on ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, InputError, missing
from edgekit.runtime.engine import Buffers, Engine
from edgekit.runtime.operators import Operator, of_onnx_runs
from edgekit.runtime.placement import of_onnx_profile
from edgekit.signature import Array, Shape, Signature, TensorSpec

_CPU = "CPUExecutionProvider"
_DTYPES = {
    "float": "float32",
    "double": "float64",
    "float16": "float16",
    "bool": "bool",
    "string": "string",
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}


class OnnxEngine(Engine):
    """A session of ONNX Runtime, on the CPU provider where no other is asked for."""

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int | None = None,
        optimize: bool = True,
        providers: Sequence[str] | None = None,
        profile: Path | None = None,
    ) -> None:
        """Open a model.

        Args:
            model: a path (needed where weights lie in external files), or the file's bytes.
            threads: threads within one operator; ``None`` leaves the choice to the runtime.
            optimize: ``False`` skips graph optimization, for reading a signature quickly.
            providers: execution providers, the preferred one first; what they do not take falls to the CPU's.
            profile: a folder for ONNX Runtime's own profile, which :meth:`placement` reads; it slows every call.

        Raises:
            InputError: this ONNX Runtime does not have a provider.
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
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile / "onnxruntime")
        self._profiled = profile is not None
        chosen = _known_providers(providers or (_CPU,), onnxruntime.get_available_providers())
        source = str(model) if isinstance(model, Path) else bytes(model)
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=chosen)
        except Exception as error:
            raise ExecutionError(
                "load an ONNX model", _line(error), "see edgekit doctor for the versions here"
            ) from error
        self.name = f"onnxruntime {onnxruntime.__version__}"
        self.providers = tuple(self._session.get_providers())
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

    def repeated(self, shapes: Mapping[str, tuple[int, ...]]) -> Callable[..., Sequence[Array] | None] | None:
        """ONNX Runtime's own run, without its Python wrapper."""
        del shapes
        inner = getattr(self._session, "_sess", None)
        if inner is None:
            return None
        run, names, outputs = inner.run, self.signature.input_names, self._outputs
        if len(names) == 1:
            name = names[0]
            return lambda array: run(outputs, {name: array}, None)
        return lambda *arrays: run(outputs, dict(zip(names, arrays, strict=True)), None)

    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Arrays bound by address: a call copies nothing."""
        inputs = {spec.name: np.zeros(shapes[spec.name], _numpy(spec)) for spec in self.signature.inputs}
        outputs = {spec.name: np.zeros(value.shape, _numpy(spec)) for spec, value in self._probe(inputs)}
        binding: Any = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        # Without its Python wrapper, where it is as of today.
        inner, bound = getattr(self._session, "_sess", None), getattr(binding, "_iobinding", None)
        if inner is None or bound is None:
            return Buffers(inputs, outputs, partial(self._session.run_with_iobinding, binding), binding)
        return Buffers(inputs, outputs, partial(inner.run_with_iobinding, bound, None), (self._session, binding))

    def placement(self) -> dict[str, tuple[str, ...]]:
        """The operators by provider, of a session with a profile; it can be asked once."""
        return of_onnx_profile(Path(self._session.end_profiling())) if self._profiled else {}

    def operators(
        self, inputs: Mapping[str, Array], *, warmups: int, calls: int
    ) -> tuple[list[Operator], Sequence[int]]:
        """From ONNX Runtime's own profile, of a session with one; it can be asked once."""
        if not self._profiled:
            raise ExecutionError("profile an ONNX model", "its session has no profile", "load it with profile=folder")
        durations = [self._timed(inputs) for _ in range(warmups + calls)][warmups:]
        return of_onnx_runs(Path(self._session.end_profiling()), calls), durations

    def _timed(self, inputs: Mapping[str, Array]) -> int:
        start = time.perf_counter_ns()
        self.run(inputs)
        return time.perf_counter_ns() - start

    def _probe(self, inputs: Mapping[str, Array]) -> list[tuple[TensorSpec, Array]]:
        """The outputs' shapes, where the file leaves them open, are what one call gives."""
        outputs = self.run(inputs)
        return [(spec, outputs[spec.name]) for spec in self.signature.outputs]


def _known_providers(providers: Sequence[str], available: Sequence[str]) -> list[str]:
    for name in providers:
        if name not in available:
            # ONNX Runtime itself would warn, and take the CPU.
            why = f"this onnxruntime has {', '.join(available)}"
            raise InputError(f"run on {name}", why, "take one of those, or install the package that has it")
    return list(providers)


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
