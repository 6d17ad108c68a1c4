"""PyTorch to ONNX, by the torch.export-based exporter."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.convert.onnx_file import MAX_IR_VERSION, give_way_to_interface, strip_traces
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.convert.trained_ranges import fold_roundings, require_scales
from edgekit.quantize.onnx import INLINE_BYTES
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.torch import TorchSource

# The lowest opset in which the exporter writes: a model exported in it runs on onnxruntime 1.14 and later.
_OPSET = 18


@converter(
    source="torch",
    target="onnx",
    extra="torch",
    requires={"torch": "torch", "onnx": "onnx", "onnxscript": "onnxscript"},
    tested={"torch": ">=2.13,<2.14", "onnx": ">=1.23,<1.24", "onnxscript": ">=0.7,<0.8"},
    tolerance=Tolerance(sqnr_db=90),
    dynamic_batch=True,
    keeps_ranges=True,
)
def torch_to_onnx(source: TorchSource, options: ConvertOptions, output: Path) -> None:
    """Export with torch.onnx's dynamo exporter; inputs named in ``options.channels_last`` are taken as NHWC."""
    import torch

    interface = source.interface(channels_last=options.channels_last, exportable=True)
    example = source.example(options.example, channels_last=options.channels_last)
    with _remembered_registry(), warnings.catch_warnings():
        # Several inputs share one batch, which is what is meant.
        warnings.filterwarnings("ignore", message="# The axis name", category=UserWarning)
        program = torch.onnx.export(
            interface,
            example,
            dynamo=True,
            opset_version=_OPSET,
            input_names=list(options.inputs.values()),
            output_names=list(options.outputs.values()),
            dynamic_shapes=source.dynamic_shapes() if options.dynamic_batch else None,
            custom_translation_table=dict(options.translations) or None,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    strip_traces(program.model)
    give_way_to_interface(program.model)
    if source.quantized:
        fold_roundings(program.model)
    program.model.ir_version = min(program.model.ir_version, MAX_IR_VERSION)
    program.save(str(output), external_data=source.weight_bytes() > INLINE_BYTES)
    if source.quantized:
        require_scales("onnx", source.trained_scales(), output)


@contextmanager
def _remembered_registry() -> Iterator[None]:
    """Build the exporter's table of operators once a process instead of at each export.

    It parses the source of every ONNX function each time: most of the time that a small model's export takes.
    """
    from torch.onnx._internal.exporter import _constants, _registration

    registry: Any = _registration.ONNXRegistry
    build = registry.from_torchlib

    def remembered(opset_version: int = _constants.TORCHLIB_OPSET) -> Any:
        if opset_version not in _REGISTRIES:
            _REGISTRIES[opset_version] = build(opset_version)
        # An export registers its own operators in what it is given: it gets a copy.
        fresh = copy.copy(_REGISTRIES[opset_version])
        fresh.functions = {name: list(found) for name, found in fresh.functions.items()}
        return fresh

    registry.from_torchlib = staticmethod(remembered)
    try:
        yield
    finally:
        registry.from_torchlib = build


_REGISTRIES: dict[int, Any] = {}
