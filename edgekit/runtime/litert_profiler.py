"""LiteRT's profiler, which its Python package does not show: through the C interface of the library inside it.

Sources: ``litert/c/litert_profiler.h``, ``litert_profiler_event.h``, ``litert_compiled_model.h``, ``litert_model.h`` of
LiteRT 2.3; options travel as TOML under the names that ``litert_runtime_options.cc`` and ``litert_cpu_options.cc``
read.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from edgekit.errors import ExecutionError
from edgekit.runtime.operators import Operator
from edgekit.signature import Array

# The C interface has no version of its own that could be asked: what it looks like is known of these.
_KNOWN = ("2.3.",)
_LIBRARIES = {"linux": "libLiteRt.so", "darwin": "libLiteRt.dylib", "win32": "libLiteRt.dll"}
_CPU_ACCELERATOR = 1
_KERNELS = {"XNNPACK": 0, "CPU": 2}  # LiteRtCpuKernelMode: the delegate, the built-in kernels
_INVOKE, _IN_DELEGATE, _OF_DELEGATE = 2, 4, 8  # LiteRtProfilerEventType
_WRITE = 1  # LiteRtTensorBufferLockMode
_HANDLE, _SIZE = ctypes.c_void_p, ctypes.c_size_t


class _Event(ctypes.Structure):
    """``ProfiledEventData``."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int32),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", _SIZE * 6),
        ("index", ctypes.c_uint64),
        ("graph", ctypes.c_uint64),
        ("source", ctypes.c_int32),
    )


class LitertProfiler:
    """A model compiled with LiteRT's profiler on."""

    def __init__(self, model: Path | bytes, *, threads: int | None, providers: Sequence[str]) -> None:
        """Compile a model.

        Args:
            model: a path, or the file's bytes.
            threads: of the CPU kernels; ``None`` for one, which is the interpreter's own choice.
            providers: ``XNNPACK`` or ``CPU``.

        Raises:
            ExecutionError: another delegate, a LiteRT whose interface is not known, or one that refuses.
        """
        self._library = _library(providers)
        self._provider = providers[0]
        self._kept: list[Any] = []
        self._environment = self._made("LiteRtCreateEnvironment", 0, None)
        self._model = self._opened(model)
        options = self._made("LiteRtCreateOptions")
        self._do("LiteRtSetOptionsHardwareAccelerators", options, _CPU_ACCELERATOR)
        self._option(options, "runtime_options_string", "enable_profiling = true\n")
        kernels = f"num_threads = {threads or 1}\nkernel_mode = {_KERNELS[self._provider]}\n"
        self._option(options, "xnnpack", kernels)
        self._compiled = self._made("LiteRtCreateCompiledModel", self._environment, self._model, options)
        self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._compiled)
        self._signature = self._made("LiteRtGetModelSignature", self._model, _SIZE(0))

    def operators(
        self, inputs: Mapping[str, Array], tensors: Mapping[int, tuple[str, ...]], *, warmups: int, calls: int
    ) -> tuple[list[Operator], list[int]]:
        """What each operator took in several calls, and what each call took, in nanoseconds.

        Args:
            inputs: by the names of the file's first signature.
            tensors: the names of an operator's outputs, by its number in the file.
            warmups: calls before those that count.
            calls: calls that count.

        Raises:
            ExecutionError: LiteRT refuses.
        """
        names = self._names("Input")
        buffers = self._buffers("Input", [inputs[name] for name in names])
        outputs = self._buffers("Output", [None] * len(self._names("Output")))
        found: dict[tuple[bool, int, int], Operator] = {}
        durations: list[int] = []
        for number in range(warmups + calls):
            self._do("LiteRtResetProfiler", self._profiler)
            self._do("LiteRtStartProfiler", self._profiler)
            start = time.perf_counter_ns()
            self._do("LiteRtRunCompiledModel", self._compiled, _SIZE(0), _SIZE(len(buffers)), buffers,
                     _SIZE(len(outputs)), outputs)  # fmt: skip
            taken = time.perf_counter_ns() - start
            self._do("LiteRtStopProfiler", self._profiler)
            if number >= warmups:
                durations.append(taken)
                self._collect(found, tensors, len(durations))
        return list(found.values()), durations

    def _collect(
        self, found: dict[tuple[bool, int, int], Operator], tensors: Mapping[int, tuple[str, ...]], calls: int
    ) -> None:
        """Add one call's events to what was found before it."""
        events = self._events()
        delegated = any(one.type in {_IN_DELEGATE, _OF_DELEGATE} for one in events)
        for one in events:
            tag = (one.tag or b"").decode("utf-8", "replace")
            inner = one.type in {_IN_DELEGATE, _OF_DELEGATE}
            # A delegate's part of the graph is a node too, which holds what the delegate tells of its own operators.
            if not inner and (one.type != _INVOKE or (delegated and "delegate" in tag.lower())):
                continue
            key = (inner, int(one.graph), int(one.index))
            known = found.get(key)
            before = known.durations_ns if known else ()
            values = [*before, *[0] * (calls - len(before))]
            values[-1] += 1000 * int(one.elapsed_us)
            outputs = () if inner else tensors.get(int(one.index), ())
            where = self._provider if inner else "CPU"
            found[key] = Operator(f"{tag} {one.index}", tag, where, outputs, tuple(values))

    def _events(self) -> list[_Event]:
        count = ctypes.c_int()
        self._do("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        if not count.value:
            return []
        events = (_Event * count.value)()
        self._do("LiteRtGetProfilerEvents", self._profiler, count.value, events)
        return list(events)

    def _names(self, side: str) -> list[str]:
        count = _SIZE()
        self._do(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count))
        names = []
        for index in range(count.value):
            name = ctypes.c_char_p()
            self._do(f"LiteRtGetSignature{side}Name", self._signature, _SIZE(index), ctypes.byref(name))
            names.append((name.value or b"").decode())
        return names

    def _buffers(self, side: str, values: Sequence[Array | None]) -> Any:
        """One buffer each input or output, the inputs' filled."""
        made = (_HANDLE * len(values))()
        for index, value in enumerate(values):
            tensor = self._made(f"LiteRtGetSignature{side}TensorByIndex", self._signature, _SIZE(index))
            kind = ctypes.create_string_buffer(256)  # LiteRtRankedTensorType: at most 8 dimensions and their strides
            self._do("LiteRtGetRankedTensorType", tensor, kind)
            need = self._made(f"LiteRtGetCompiledModel{side}BufferRequirements", self._compiled, _SIZE(0), _SIZE(index))
            buffer = self._made("LiteRtCreateManagedTensorBufferFromRequirements", self._environment, kind, need)
            made[index] = buffer.value
            if value is not None:
                self._fill(buffer, value)
        return made

    def _fill(self, buffer: Any, value: Array) -> None:
        size = _SIZE()
        self._do("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        if size.value != value.nbytes:
            why = f"an input has {value.nbytes} bytes, and the compiled model takes {size.value}"
            raise ExecutionError("profile a TFLite model", why, "give it input of the file's own shape")
        memory = _HANDLE()
        self._do("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), _WRITE)
        ctypes.memmove(memory, value.tobytes(), value.nbytes)
        self._do("LiteRtUnlockTensorBuffer", buffer)

    def _option(self, options: Any, name: str, toml: str) -> None:
        text, free = ctypes.create_string_buffer(toml.encode()), ctypes.CFUNCTYPE(None, _HANDLE)(lambda _: None)
        self._kept += [text, free]
        made = self._made("LiteRtCreateOpaqueOptions", name.encode(), text, free)
        self._do("LiteRtAddOpaqueOptions", options, made)

    def _opened(self, model: Path | bytes) -> Any:
        if isinstance(model, Path):
            return self._made("LiteRtCreateModelFromFile", self._environment, str(model).encode())
        # LiteRT reads weights where they lie.
        held = (ctypes.c_char * len(model)).from_buffer_copy(model)
        self._kept.append(held)
        return self._made("LiteRtCreateModelFromBuffer", self._environment, held, _SIZE(len(model)))

    def _made(self, function: str, *given: Any) -> Any:
        """What a function gives by its last argument."""
        handle = _HANDLE()
        self._do(function, *given, ctypes.byref(handle))
        return handle

    def _do(self, function: str, *given: Any) -> None:
        status = getattr(self._library, function)(*given)
        if status:
            raise ExecutionError("profile a TFLite model", f"LiteRT's {function} ended with status {status}")


def _library(providers: Sequence[str]) -> Any:
    asked = "profile a TFLite model"
    if len(providers) != 1 or providers[0] not in _KERNELS:
        why = f"LiteRT's profiler runs it on XNNPACK or CPU, not on {', '.join(providers)}"
        raise ExecutionError(asked, why, "take --provider XNNPACK or CPU, or leave --profile off")
    found = importlib.util.find_spec("ai_edge_litert")
    version = metadata.version("ai-edge-litert") if found else "none"
    path = Path(found.origin or "").parent / _LIBRARIES.get(sys.platform, "") if found else Path()
    if not version.startswith(_KNOWN) or not path.is_file():
        why = f"the profiler's interface is known of ai-edge-litert {_KNOWN[0]}x, and here is {version}"
        raise ExecutionError(asked, why, "install that one, or leave --profile off")
    return ctypes.CDLL(str(path))
