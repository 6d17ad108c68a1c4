"""PyTorch to Core ML, by coremltools' TorchScript frontend (its torch.export frontend lacks LSTM and GRU)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.convert.coreml_file import import_coremltools, program_options, require_dtypes, tensor_type
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.torch import TorchSource


@converter(
    source="torch",
    target="coreml",
    extra="torch,coreml",
    requires={"torch": "torch", "coremltools": "coremltools"},
    tested={"torch": ">=2.13,<2.14", "coremltools": "==9.*"},
    tolerance=Tolerance(sqnr_db=90),
    schemes=("float32", "float16"),
    dynamic_batch=True,
    known_gaps=(
        "dynamic batch up to 64",
        "int64 inputs become int32",
        "no boolean inputs",
        "PReLU of several slopes after a linear layer",
    ),
)
def torch_to_coreml(source: TorchSource, options: ConvertOptions, output: Path) -> None:
    """Trace and convert to an ML Program, in ``options.scheme``'s precision, for iOS 15 or the lowest that serves."""
    import torch

    require_dtypes(source.signature.inputs)
    interface = source.interface(channels_last=options.channels_last)
    example = source.example(options.example, channels_last=options.channels_last)
    with warnings.catch_warnings(), torch.no_grad(), _layer_by_layer():
        # torch deprecates tracing, which is the way into coremltools that takes recurrent layers.
        warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated.*", category=DeprecationWarning)
        traced = torch.jit.trace(interface, example, check_trace=False)
        if isinstance(source.module, torch.jit.ScriptModule):
            # Scripted layers ask in their code whether they are in training; frozen, the question is answered.
            traced = torch.jit.freeze(traced, optimize_numerics=False)
    coremltools = import_coremltools("torch")
    _register_reciprocal()
    model = coremltools.convert(
        traced,
        source="pytorch",
        inputs=[
            tensor_type(coremltools, spec, options.inputs[spec.name], tensor.shape, dynamic=options.dynamic_batch)
            for spec, tensor in zip(source.signature.inputs, example, strict=True)
        ],
        outputs=[coremltools.TensorType(name=name) for name in options.outputs.values()],
        **program_options(coremltools, options.scheme),
    )
    model.save(str(output))


def _register_reciprocal() -> None:
    """``1 / x`` as it is: coremltools 9 writes ``inverse``, whose default adds 0.0001 to x (errors of 3e-4, unsaid)."""
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op
    from coremltools.converters.mil.mil import types

    def reciprocal(context: Any, node: Any) -> None:
        value = context[node.inputs[0]]
        if types.is_int(value.dtype):
            value = Builder.cast(x=value, dtype="fp32")
        context.add(Builder.inverse(x=value, epsilon=0.0, name=node.name))

    register_torch_op(reciprocal, override=True)


@contextmanager
def _layer_by_layer() -> Iterator[None]:
    """Trace transformer layers as their parts, not as torch's one fused operator, which only torch has."""
    import torch

    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
