"""ONNX files that exist already."""

from __future__ import annotations

from pathlib import Path

from edgekit.runtime.onnx import OnnxEngine
from edgekit.sources.base import LoadRequest
from edgekit.sources.modelfile import ModelFileSource


def load(request: LoadRequest) -> ModelFileSource:
    """Open the file in ONNX Runtime.

    Raises:
        InputError: it cannot be loaded.
    """
    from edgekit.errors import ExecutionError, InputError

    try:
        engine = OnnxEngine(Path(request.model))
    except ExecutionError as error:
        raise InputError(f"load {request.model}", error.why, "give an ONNX file that onnxruntime loads") from error
    return ModelFileSource("onnx", request, engine.signature, engine, "onnxruntime")
