"""LightGBM to Core ML: rebuilt in PyTorch from the model's own dump, then by the torch route."""

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
    target="coreml",
    extra="boost,torch,coreml",
    requires={
        "lightgbm": "lightgbm",
        "torch": "torch",
        "coremltools": "coremltools",
    },
    tested={
        "lightgbm": ">=4.7,<4.8",
        "torch": ">=2.13,<2.14",
        "coremltools": "==9.*",
    },
    tolerance=Tolerance(sqnr_db=90, label_agreement=1.0),
    known_gaps=("a fixed number of rows a call (one; --input-shape X=256,30 for 256)", "linear trees"),
    schemes=("float32", "float16"),
    via="torch → coreml",
)
def lightgbm_to_coreml(source: LightgbmSource, options: ConvertOptions, output: Path) -> None:
    """Convert the module that answers as the model does; labels of text come as their codes."""
    convert_on_torch(source, options, "coreml", output)
