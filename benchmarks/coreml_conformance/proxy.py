"""A stand-in for coremltools' ``_MLModelProxy``: predictions by edgekit's reference where Core ML itself is absent.

coremltools asks it for a prediction exactly where it would ask Core ML: with the path of a package that it has just
saved. The evaluator reads that package from disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.schema import NEWEST_SPECIFICATION


class StateProxy:
    """What ``MLState`` holds."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self.kept = kept

    def read_state(self, name: str) -> Any:
        """The kept value."""
        return np.array(self.kept[name].value)

    def write_state(self, name: str, value: Any) -> None:
        """Replace the kept value."""
        self.kept[name].value = np.asarray(value, self.kept[name].value.dtype).reshape(self.kept[name].value.shape)


class ModelProxy:
    """What ``MLModel`` asks for predictions.

    Attributes:
        predictions: how often anything was predicted, by any model: a case that leaves it unchanged has shown nothing.
    """

    predictions = 0

    def __init__(self, path: str, _units: str, function: str, _hints: object, _asset: object = None) -> None:
        # What cannot be opened fails where it is asked to predict, with its own message.
        self._model: Any = None
        self._error: Exception | None = None
        try:
            self._model = open_model(Path(path), function=function or None)
        except Exception as error:  # noqa: BLE001 - raised again by predict
            self._error = error

    @staticmethod
    def maximum_supported_specification_version() -> int:
        """The newest format."""
        return NEWEST_SPECIFICATION

    def predict(self, inputs: dict[str, Any], state: StateProxy | None = None) -> dict[str, Any]:
        """One prediction."""
        if self._error is not None:
            raise self._error
        given = {name: np.asarray(value) if isinstance(value, Image.Image) else value for name, value in inputs.items()}
        outputs = self._model.predict(given, state.kept if state is not None else None)
        ModelProxy.predictions += 1
        images = {feature.name for feature in self._model.outputs if feature.kind == "image"}
        return {name: Image.fromarray(value) if name in images else value for name, value in outputs.items()}

    def batchPredict(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N802 - coremltools' name
        """One prediction each."""
        return [self.predict(inputs) for inputs in batch]

    def newState(self) -> StateProxy:  # noqa: N802 - coremltools' name
        """A new state."""
        return StateProxy(self._model.new_state())
