"""XGBoost to ONNX: rebuilt in PyTorch from the model's own dump, then by the torch route."""

from __future__ import annotations

import dataclasses
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
    target="onnx",
    extra="boost,torch",
    requires={
        "xgboost": "xgboost",
        "torch": "torch",
        "onnx": "onnx",
        "onnxscript": "onnxscript",
    },
    tested={
        "xgboost": ">=3.2,<3.3",
        "xgboost-cpu": ">=3.2,<3.3",
        "torch": ">=2.13,<2.14",
        "onnx": ">=1.23,<1.24",
        "onnxscript": ">=0.7,<0.8",
    },
    tolerance=Tolerance(sqnr_db=90, label_agreement=1.0),
    dynamic_batch=True,
    via="torch → onnx",
)
def xgboost_to_onnx(source: XgboostSource, options: ConvertOptions, output: Path) -> None:
    """Convert the module that answers as the model does; labels of text come as their codes."""
    convert_on_torch(source, dataclasses.replace(options, dynamic_batch=True), "onnx", output)
