"""PyTorch to TFLite, by litert-torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert import tflite_file
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
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
)
def torch_to_tflite(source: TorchSource, options: ConvertOptions, output: Path) -> None:
    """Export with litert-torch; inputs named in ``options.channels_last`` are taken as NHWC."""
    import litert_torch

    interface = source.interface(channels_last=options.channels_last, exportable=True)
    example = source.example(options.example, channels_last=options.channels_last)
    litert_torch.convert(interface, example).export(str(output))
    # litert-torch numbers what it takes and gives.
    tflite_file.rewrite(
        output,
        inputs={f"args_{index}": name for index, name in enumerate(options.inputs.values())},
        outputs={f"output_{index}": name for index, name in enumerate(options.outputs.values())},
    )
