"""ONNX files that exist already."""

from __future__ import annotations

from edgekit.sources.base import LoadRequest
from edgekit.sources.modelfile import ModelFileSource, runnable


def load(request: LoadRequest) -> ModelFileSource:
    """Open the file in ONNX Runtime.

    Raises:
        InputError: it cannot be loaded.
    """
    return runnable("onnx", request, "onnxruntime")
