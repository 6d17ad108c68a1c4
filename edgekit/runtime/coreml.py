"""Core ML packages on Core ML itself: macOS only."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgekit.errors import ExecutionError, missing
from edgekit.runtime.engine import CopyingEngine
from edgekit.signature import Array


class CoremlEngine(CopyingEngine):
    """A Core ML model, on the compute units that Core ML chooses."""

    def __init__(self, model: Path) -> None:
        """Open a package.

        Raises:
            ExecutionError: not on macOS, or Core ML cannot load it.
        """
        if platform.system() != "Darwin":
            raise ExecutionError(f"run {model.name}", "Core ML itself exists on macOS only", "run it on a Mac")
        try:
            from coremltools import ComputeUnit, models
        except ImportError as error:
            raise missing("run a Core ML model", "coremltools", "coreml") from error
        from edgekit.convert.coreml_file import read_signature

        try:
            self._model = models.MLModel(str(model), compute_units=ComputeUnit.ALL)
        except Exception as error:
            raise ExecutionError(f"load {model.name}", str(error).splitlines()[0]) from error
        self.name = f"Core ML on macOS {platform.mac_ver()[0]}"
        self.signature = read_signature(model)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call."""
        try:
            outputs = self._model.predict(dict(inputs))
        except Exception as error:
            raise ExecutionError("run a Core ML model", str(error).splitlines()[0]) from error
        return {spec.name: np.asarray(outputs[spec.name]) for spec in self.signature.outputs}
