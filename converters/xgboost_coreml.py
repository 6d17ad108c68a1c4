"""XGBoost to Core ML: rebuilt in PyTorch from the model's own dump, then by the torch route."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert.classical_on_torch import convert_on_torch
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.xgboost import XgboostSource


@converter(
    source="xgboost",
    target="coreml",
    extra="boost,torch,coreml",
    requires={
        "xgboost": "xgboost",
        "torch": "torch",
        "coremltools": "coremltools",
    },
    tested={
        "xgboost": ">=3.2,<3.3",
        "xgboost-cpu": ">=3.2,<3.3",
        "torch": ">=2.13,<2.14",
        "coremltools": "==9.*",
    },
    tolerance=Tolerance(sqnr_db=90, label_agreement=1.0),
    known_gaps=("a fixed number of rows a call (one; --input-shape X=256,30 for 256)",),
    schemes=("float32", "float16"),
    via="torch → coreml",
)
def xgboost_to_coreml(source: XgboostSource, options: ConvertOptions, output: Path) -> None:
    """Convert the module that answers as the model does; labels of text come as their codes."""
    convert_on_torch(source, options, "coreml", output)
