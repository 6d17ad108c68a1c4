"""ONNX files that exist already, into a bundle as they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.modelfile import ModelFileSource


@converter(
    source="onnx",
    target="onnx",
    extra="runtime-onnx",
    requires={"onnxruntime": "onnxruntime"},
    tested={},
    tolerance=Tolerance(sqnr_db=90),
    dynamic_batch=True,
)
def onnx_to_onnx(source: ModelFileSource, options: ConvertOptions, output: Path) -> None:
    """Copy: the reference is the file itself, so a verdict here says that it runs and answers the same each time."""
    del options
    shutil.copyfile(source.native, output)
