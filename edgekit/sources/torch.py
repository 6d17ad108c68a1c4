"""PyTorch models: live modules, ``torch.export`` programs (.pt2), TorchScript (.pt) and factories with weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.sources import torch_ranges
from edgekit.sources.base import LoadRequest, Provenance, Source
from edgekit.sources.inputs import renamed, resolve_inputs
from edgekit.sources.provenance import file_provenance
from edgekit.sources.torch_arguments import opened
from edgekit.sources.torch_files import load_weights as load_weights  # noqa: PLC0414 - part of this module's interface
from edgekit.sources.torch_files import read_module


def load(request: LoadRequest) -> TorchSource:
    """Load a .pt2, a TorchScript file, or (trusted only) a pickled module.

    Raises:
        InputError: not such a file, truncated, or a state dict without its network.
    """
    path = Path(request.model)
    return _source(read_module(path, trust=request.trust), request, file_provenance(path, "torch"))


def wrap(native: Any, request: LoadRequest) -> TorchSource:
    """A source around a live ``nn.Module``, ``ScriptModule`` or ``ExportedProgram``."""
    return _source(native, request, file_provenance(None, "torch"))


class TorchSource(Source):
    """A PyTorch model in evaluation mode, called by names, answering flat named outputs."""

    framework = "torch"

    def __init__(
        self, native: Any, module: Any, arguments: tuple[tuple[str, ...], tuple[str, ...]], provenance: Provenance
    ) -> None:
        self.native = native
        self.module = module
        self.provenance = provenance
        self._positional, self._keyword = arguments
        self.quantized = torch_ranges.rounds(module)
        self._held = torch_ranges.hold(module)
        self._trained = [part for part in module.modules() if part.training] if _has_modes(module) else []
        for part in self._trained:
            part.training = False

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The module's outputs, flattened, on the CPU and without gradients."""
        import torch

        tensors = [_tensor(inputs[spec.name]) for spec in self.signature.inputs]
        with torch.no_grad():
            outputs = flatten_outputs(self._call(self.module, tensors))
        # Copied: a module may give its own state, which the next call changes.
        return {
            name: value.detach().cpu().resolve_conj().resolve_neg().numpy().copy()
            for name, (_, value) in zip(self.signature.output_names, outputs, strict=True)
        }

    def interface(self, *, channels_last: Sequence[str] = (), exportable: bool = False) -> Any:
        """The model as a module that takes the signature's inputs by position and gives a flat tuple.

        Args:
            channels_last: inputs that it takes as NHWC and turns to NCHW itself.
            exportable: for ``torch.export``, which refuses TorchScript: such a module is rebuilt as a graph first.
        """
        import torch

        inner, call = self._exportable() if exportable else (self.module, self._call)
        turned = [spec.name in channels_last for spec in self.signature.inputs]

        class Interface(torch.nn.Module):  # type: ignore[misc] # torch is not followed
            def __init__(self) -> None:
                super().__init__()
                self.model = inner

            def forward(self, *tensors: Any) -> Any:
                given = [x.permute(0, 3, 1, 2) if turn else x for x, turn in zip(tensors, turned, strict=True)]
                outputs: list[Any] = []
                for _, value in flatten_outputs(call(self.model, given)):
                    # Formats want an output of its own where a model hands through an input, or one value twice;
                    # coremltools takes a clone for the value itself.
                    taken = any(value is other for other in (*tensors, *given, *outputs))
                    outputs.append(_computed(value) if taken else value)
                return tuple(outputs) if len(outputs) > 1 else outputs[0]

        interface = Interface()
        interface.training = False
        return interface

    def example(self, inputs: Mapping[str, Array], *, channels_last: Sequence[str] = ()) -> tuple[Any, ...]:
        """Inputs as the tensors that :meth:`interface` takes."""
        arrays = ((spec.name, inputs[spec.name]) for spec in self.signature.inputs)
        return tuple(_tensor(array.transpose(0, 2, 3, 1) if name in channels_last else array) for name, array in arrays)

    def dynamic_shapes(self) -> Any:
        """The ``dynamic_shapes`` of ``torch.export`` that leave the batch of :meth:`interface` open."""
        import torch

        batch = torch.export.Dim("batch", min=1)
        return (tuple({0: batch} if spec.shape and spec.shape[0] is None else None for spec in self.signature.inputs),)

    def weight_bytes(self) -> int:
        """The size of parameters and buffers."""
        return sum(t.numel() * t.element_size() for t in (*self.module.parameters(), *self.module.buffers()))

    def trained_scales(self) -> set[float]:
        """The scales that the model rounds by, where it was quantized in training, as float32 holds them."""
        return torch_ranges.scales(self.module)

    def layers_of(self, operator: str) -> list[str]:
        """The modules whose exported graph uses an operator, by their paths in the model (``encoder.norm``)."""
        import torch

        wanted = _operator_name(operator)
        example = {spec.name: np.zeros([n or 2 for n in spec.shape], spec.dtype) for spec in self.signature.inputs}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what the exporter deprecates, the vendor's log speaks
                program = self.native
                # A program exported once keeps its layers' names; exporting it again would lose them.
                if not isinstance(program, torch.export.ExportedProgram):
                    program = torch.export.export(self.interface(exportable=True), self.example(example))
                # A vendor names what it saw: the operator as written, or one of those that it was taken apart into.
                return _layers(program, wanted) or _layers(program.run_decompositions(), wanted)
        except Exception:  # noqa: BLE001 - it only helps a message; the error it is for is being reported already
            return []

    def close(self) -> None:
        """Put the modules that were in training mode, or counting ranges, back into it: a live model is the user's."""
        for part in self._trained:
            part.training = True
        for switch, was in self._held:
            switch.copy_(was)

    def _call(self, module: Any, tensors: Sequence[Any]) -> Any:
        count = len(self._positional)
        return module(*tensors[:count], **dict(zip(self._keyword, tensors[count:], strict=True)))

    def _exportable(self) -> tuple[Any, Callable[[Any, Sequence[Any]], Any]]:
        """The module as exporters take it, and how it is called."""
        import torch

        if not isinstance(self.module, torch.jit.ScriptModule):
            return torch_ranges.paired(self.module), self._call
        from torch._export.converter import TS2EPConverter

        with warnings.catch_warnings():
            # torch deprecates TorchScript, which the owner of this model knows.
            warnings.simplefilter("ignore", DeprecationWarning)
            # Layers ask in their code whether they are in training; frozen, the question is answered.
            frozen = torch.jit.freeze(self.module)
            example = [np.zeros([n or 2 for n in spec.shape], spec.dtype) for spec in self.signature.inputs]
            program = TS2EPConverter(frozen, tuple(_tensor(array) for array in example)).convert()
        return program.module(check_guards=False), lambda module, tensors: module(*tensors)


def _tensor(array: Array) -> Any:
    """A tensor with memory of its own: a module may change its inputs in place, and they are used again."""
    import torch

    return torch.from_numpy(np.array(array, order="C"))


def _computed(value: Any) -> Any:
    """The same value as the result of an operation."""
    return value.logical_and(value) if str(value.dtype) == "torch.bool" else value * 1


def flatten_outputs(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """A model's answer as (name, tensor) pairs in order; ``None`` is left out.

    Dictionary keys, dataclass and named-tuple fields name their outputs, joined by ``_`` where nested; the parts of a
    plain tuple are numbered, and ``output_0``, ``output_1`` … at the top.

    Raises:
        InputError: a part is no tensor.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return [(name or "output_0", value)]
    if value is None:
        return []
    prefix = f"{name}_" if name else ""
    parts: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        parts = [(f"{prefix}{key}", part) for key, part in value.items()]
    elif hasattr(value, "_fields"):
        parts = [(f"{prefix}{key}", getattr(value, key)) for key in value._fields]
    elif hasattr(value, "__dataclass_fields__"):
        parts = [(f"{prefix}{key}", getattr(value, key)) for key in value.__dataclass_fields__]
    elif isinstance(value, list | tuple):
        parts = [(f"{prefix or 'output_'}{index}", part) for index, part in enumerate(value)]
    else:
        raise InputError(
            f"output {name or 'of the model'}", f"it is a {type(value).__name__}, not a tensor", "return tensors only"
        )
    return [pair for key, part in parts for pair in flatten_outputs(part, key)]


def _operator_name(operator: str) -> str:
    """``aten::_linalg_eigh.default``, ``aten._linalg_eigh`` and ``linalg_eigh`` alike as ``linalg_eigh``."""
    parts = operator.replace("::", ".").split(".")
    return parts[1 if len(parts) > 1 else 0].strip("_")


def _layers(program: Any, wanted: str) -> list[str]:
    layers = []
    for node in program.graph.nodes:
        complex_value = wanted.startswith("complex<") and getattr(node.meta.get("val"), "is_complex", bool)()
        if node.op == "call_function" and (_operator_name(str(node.target)) == wanted or complex_value):
            stack = list(node.meta.get("nn_module_stack", {}).values())
            path = str(stack[-1][0]).removeprefix("model").lstrip(".") if stack else ""
            layers.append(path or "the model itself")
    return list(dict.fromkeys(layers))


def _source(native: Any, request: LoadRequest, provenance: Provenance) -> TorchSource:
    module, arguments, facts = opened(native, request)
    _require_cpu(module)
    inputs = resolve_inputs(facts, request)
    _require_tensors(inputs)
    native_of = dict(zip(renamed(facts.names, request.input_names, "input"), facts.names, strict=True))
    taken = [native_of[spec.name] for spec in inputs]
    used = (
        tuple(name for name in arguments.positional if name in taken),
        tuple(name for name in arguments.keyword if name in taken),
    )
    ordered = dict(zip(taken, inputs, strict=True))
    inputs = tuple(ordered[name] for name in (*used[0], *used[1]))
    source = TorchSource(native, module, used, provenance)
    try:
        source.signature = Signature(inputs, ())
        source.signature = Signature(inputs, _outputs(source, request))
    except BaseException:
        source.close()
        raise
    return source


def _outputs(source: TorchSource, request: LoadRequest) -> tuple[TensorSpec, ...]:
    """Run the model once to see its outputs; with a dynamic batch twice, to see which dimensions follow it."""
    first = _answer(source, request, batch=2)
    names = renamed(tuple(name for name, _ in first), request.output_names, "output")
    shapes = [tuple(value.shape) for _, value in first]
    if any(spec.shape and spec.shape[0] is None for spec in source.signature.inputs):
        other = [tuple(value.shape) for _, value in _answer(source, request, batch=3)]
        shapes = [
            tuple(n if n == m else None for n, m in zip(a, b, strict=True)) for a, b in zip(shapes, other, strict=True)
        ]
    return tuple(
        TensorSpec(name, str(value.dtype).removeprefix("torch."), shape)
        for name, (_, value), shape in zip(names, first, shapes, strict=True)
    )


def _answer(source: TorchSource, request: LoadRequest, *, batch: int) -> list[tuple[str, Any]]:
    import torch

    generator = torch.Generator().manual_seed(0)
    tensors = []
    for spec in source.signature.inputs:
        size = [batch if n is None else n for n in spec.shape]
        given = request.example.get(spec.name, request.example.get(""))
        dtype = getattr(torch, spec.dtype)
        if given is not None and given.ndim == len(size) and given.shape[1:] == tuple(size[1:]) and len(given):
            tensors.append(torch.from_numpy(np.resize(given, size)).to(dtype))
        elif dtype.is_floating_point:
            tensors.append(torch.randn(size, generator=generator).to(dtype))
        else:
            tensors.append(torch.zeros(size, dtype=dtype))
    try:
        with torch.no_grad():
            return flatten_outputs(source._call(source.module, tensors))
    except InputError:
        raise
    except Exception as error:
        taken = ", ".join(str(spec) for spec in source.signature.inputs)
        message = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise InputError(
            f"run {request.model} on {taken}", message, "check the samples or --input-shape against what forward takes"
        ) from error


def _require_cpu(module: Any) -> None:
    devices = {str(tensor.device) for tensor in (*module.parameters(), *module.buffers())} - {"cpu"}
    if devices:
        raise ExecutionError(
            "convert a module", f"its weights are on {', '.join(sorted(devices))}", "move it first: model.cpu()"
        )


def _require_tensors(inputs: Sequence[TensorSpec]) -> None:
    import torch

    for spec in inputs:
        if not hasattr(torch, spec.dtype):
            raise InputError(f"input {spec}", f"torch has no tensors of {spec.dtype}", "give samples of numbers")


def _has_modes(module: Any) -> bool:
    modules: Callable[[], Any] | None = getattr(module, "modules", None)
    return modules is not None
