"""TFLite files that exist already."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtime.tflite import TfliteEngine
from edgekit.sources.base import LoadRequest
from edgekit.sources.modelfile import ModelFileSource


def load(request: LoadRequest) -> ModelFileSource:
    """Open the file in LiteRT.

    Raises:
        InputError: it cannot be loaded.
    """
    from edgekit.errors import ExecutionError, InputError

    try:
        engine = TfliteEngine(Path(request.model))
    except ExecutionError as error:
        raise InputError(f"load {request.model}", error.why, "give a TFLite file that LiteRT loads") from error
    return ModelFileSource("tflite", request, engine.signature, engine, "ai-edge-litert")
