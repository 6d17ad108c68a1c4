"""LightGBM to TFLite: rebuilt in PyTorch from the model's own dump, then by the torch route."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert.classical_on_torch import convert_on_torch
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.lightgbm import LightgbmSource


@converter(
    source="lightgbm",
    target="tflite",
    extra="boost,torch",
    requires={
        "lightgbm": "lightgbm",
        "torch": "torch",
        "litert_torch": "litert-torch",
        "ai_edge_litert": "ai-edge-litert",
    },
    tested={
        "lightgbm": ">=4.7,<4.8",
        "torch": ">=2.13,<2.14",
        "litert-torch": "==0.10.*",
    },
    tolerance=Tolerance(sqnr_db=90, label_agreement=1.0),
    known_gaps=("a fixed number of rows a call (one; --input-shape X=256,30 for 256)", "linear trees"),
    platforms=("linux",),
    via="torch → tflite",
)
def lightgbm_to_tflite(source: LightgbmSource, options: ConvertOptions, output: Path) -> None:
    """Convert the module that answers as the model does; labels of text come as their codes."""
    convert_on_torch(source, options, "tflite", output)
