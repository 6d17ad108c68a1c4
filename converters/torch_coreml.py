"""PyTorch to Core ML, by coremltools' TorchScript frontend (its torch.export frontend lacks LSTM and GRU)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.convert.coreml_file import import_coremltools
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.errors import InputError
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.torch import TorchSource

# Core ML wants an upper bound for a flexible dimension.
_LARGEST_BATCH = 64
# What a multi-array can hold for each dtype that a model may take.
_DTYPES = {"float32": np.float32, "float16": np.float16, "int64": np.int32, "int32": np.int32}


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

    refused = [spec for spec in source.signature.inputs if spec.dtype not in _DTYPES]
    if refused:
        takes = ", ".join(_DTYPES)
        raise InputError(f"convert to coreml with input {refused[0]}", f"Core ML takes {takes}", "leave coreml out")
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
    precision = {"float32": coremltools.precision.FLOAT32, "float16": coremltools.precision.FLOAT16}[options.scheme]
    model = coremltools.convert(
        traced,
        source="pytorch",
        inputs=[_tensor_type(coremltools, source, options, index, x) for index, x in enumerate(example)],
        outputs=[coremltools.TensorType(name=name) for name in options.outputs.values()],
        convert_to="mlprogram",
        compute_precision=precision,
        minimum_deployment_target=coremltools.target.iOS16 if options.scheme == "float16" else coremltools.target.iOS15,
        skip_model_load=True,
    )
    model.save(str(output))


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


def _tensor_type(coremltools: Any, source: TorchSource, options: ConvertOptions, index: int, tensor: Any) -> Any:
    spec = source.signature.inputs[index]
    shape: list[Any] = list(tensor.shape)
    if options.dynamic_batch and spec.shape and spec.shape[0] is None:
        shape[0] = coremltools.RangeDim(1, _LARGEST_BATCH, default=1)
    return coremltools.TensorType(name=options.inputs[spec.name], shape=tuple(shape), dtype=_DTYPES[spec.dtype])
