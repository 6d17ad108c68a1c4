"""Core ML models that exist already: run by Core ML on macOS, by edgekit's reference evaluator elsewhere."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from edgekit.convert.coreml_file import read_signature
from edgekit.errors import UnsupportedError
from edgekit.runtime.loading import executable, open_engine
from edgekit.sources.base import LoadRequest
from edgekit.sources.modelfile import ModelFileSource


def load(request: LoadRequest) -> ModelFileSource:
    """Read the model's description, and open it where something executes it."""
    path = Path(request.model)
    engine = None
    if not executable("coreml"):
        with suppress(UnsupportedError):
            engine = open_engine("coreml", path)
    signature = engine.signature if engine else read_signature(path)
    return ModelFileSource("coreml", request, signature, engine, "coremltools")
