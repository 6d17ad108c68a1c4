"""Core ML models where there is no Core ML: evaluated by edgekit's own reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.interface import from_feature, signature_of, to_feature
from edgekit.coreml_reference.lazy import torch_threads
from edgekit.runtime.engine import CopyingEngine
from edgekit.signature import Array

# As verdicts quote it: the saved model's meaning, executed in software.
NAME = "edgekit Core ML reference"
SOFTWARE = "executed in software; the Neural Engine, the GPU and Apple's compiler were not exercised"


class CoremlReferenceEngine(CopyingEngine):
    """A Core ML model's meaning, computed in software.

    Apple's compiler, the Neural Engine and the GPU are not exercised. A model with states starts each call from zeros.
    """

    emulated = True

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Open a package or a .mlmodel.

        Raises:
            InputError: damaged, or of a newer format.
            UnsupportedError: it uses what the reference does not cover.
            MissingDependencyError: protobuf or torch is not installed.
        """
        self.name = NAME
        self._model = open_model(model)
        self._model.watch()
        self._threads = threads
        self.signature = signature_of(self._model)
        self.incomparable = self._model.incomparable

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call."""
        given = {feature.name: to_feature(feature, inputs[feature.name]) for feature in self._model.inputs}
        with torch_threads(self._threads):
            outputs = self._model.predict(given)
        return {feature.name: from_feature(feature, outputs[feature.name]) for feature in self._model.outputs}

    def notes(self) -> tuple[str, ...]:
        """What the reference does not show, and where half precision broke in the calls so far."""
        return (SOFTWARE, *(str(trouble) for trouble in self._model.troubles))
