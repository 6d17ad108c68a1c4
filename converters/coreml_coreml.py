"""Core ML files that exist already, into a bundle as they are."""

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
    source="coreml",
    target="coreml",
    extra="coreml-reference",
    requires={"google.protobuf": "protobuf"},
    tested={},
    tolerance=Tolerance(sqnr_db=90),
    dynamic_batch=True,
)
def coreml_to_coreml(source: ModelFileSource, options: ConvertOptions, output: Path) -> None:
    """Copy: the reference is the file itself, so a verdict here says that it runs and answers the same each time."""
    del options
    shutil.copytree(source.native, output)
