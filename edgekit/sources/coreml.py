"""Core ML packages that exist already: described everywhere, executed on macOS."""

from __future__ import annotations

from pathlib import Path

from edgekit.convert.coreml_file import read_signature
from edgekit.runtime.coreml import CoremlEngine
from edgekit.runtime.loading import executable
from edgekit.sources.base import LoadRequest
from edgekit.sources.modelfile import ModelFileSource


def load(request: LoadRequest) -> ModelFileSource:
    """Read the package's description, and open it where Core ML exists."""
    path = Path(request.model)
    engine = None if executable("coreml") else CoremlEngine(path)
    return ModelFileSource("coreml", request, read_signature(path), engine, "coremltools")
