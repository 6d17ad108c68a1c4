"""PyTorch to TFLite, by litert-torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.convert import tflite_file
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.convert.trained_ranges import as_reals, require_scales
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.torch import TorchSource


@converter(
    source="torch",
    target="tflite",
    extra="torch",
    requires={"torch": "torch", "litert_torch": "litert-torch", "ai_edge_litert": "ai-edge-litert"},
    tested={"torch": ">=2.13,<2.14", "litert-torch": "==0.10.*"},
    tolerance=Tolerance(sqnr_db=90),
    known_gaps=("no dynamic batch", "int64 inputs and outputs become int32"),
    platforms=("linux",),
    keeps_ranges=True,
)
def torch_to_tflite(source: TorchSource, options: ConvertOptions, output: Path) -> None:
    """Export with litert-torch; inputs named in ``options.channels_last`` are taken as NHWC."""
    import litert_torch

    interface = source.interface(channels_last=options.channels_last, exportable=True)
    example = source.example(options.example, channels_last=options.channels_last)
    if source.quantized:
        _convert_rounded(interface, example, output)
        require_scales("tflite", source.trained_scales(), output)
    else:
        litert_torch.convert(interface, example).export(str(output))
    # litert-torch numbers what it takes and gives.
    tflite_file.rewrite(
        output,
        inputs={f"args_{index}": name for index, name in enumerate(options.inputs.values())},
        outputs={f"output_{index}": name for index, name in enumerate(options.outputs.values())},
    )


def _convert_rounded(interface: Any, example: tuple[Any, ...], output: Path) -> None:
    """Export a model that rounds its own values to TFLite's integer kernels."""
    import litert_torch
    import torch
    from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
    from litert_torch.quantize.quant_config import QuantConfig

    module = as_reals(torch.export.export(interface, example).module(check_guards=False))
    # litert-torch reads of the quantizer only that ranges are fixed: the model has been quantized.
    config = QuantConfig(pt2e_quantizer=PT2EQuantizer().set_global(get_symmetric_quantization_config()))
    litert_torch.convert(module, example, quant_config=config).export(str(output))
