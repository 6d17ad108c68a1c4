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
from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.package import read_package
from edgekit.coreml_reference.schema import NEWEST_SPECIFICATION
from edgekit.errors import EdgekitError

# MIL.proto's DataType.FLOAT16
_HALF = 10
_PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")


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
        asked: how often a model was asked for anything that needs the evaluator, whatever came of it.
        predictions: how often anything was predicted, by any model: a case that leaves it unchanged has shown nothing.
        look: whether the next models that are asked are to be described in ``seen``.
        seen: ``neuralnetwork``, ``float16`` or ``float32`` for every model asked while ``look`` was set.
    """

    asked = 0
    predictions = 0
    look = False
    seen: set[str] = set()  # noqa: RUF012 - shared by all models on purpose

    def __init__(self, path: str, _units: str, function: str, _hints: object, _asset: object = None) -> None:
        # What cannot be opened fails where it is asked to predict, with its own message.
        self._model: Any = None
        self._error: Exception | None = None
        self._path = Path(path)
        self._about = ""
        try:
            if self._path.is_file():
                # coremltools removes a .mlmodel as soon as it is loaded.
                self._about = _describe(self._path)
            self._model = open_model(self._path, function=function or None)
        except Exception as error:  # noqa: BLE001 - raised again by predict
            self._error = error

    @staticmethod
    def maximum_supported_specification_version() -> int:
        """The newest format."""
        return NEWEST_SPECIFICATION

    def predict(self, inputs: dict[str, Any], state: StateProxy | None = None) -> dict[str, Any]:
        """One prediction."""
        model = self._opened()
        given = {name: np.asarray(value) if isinstance(value, Image.Image) else value for name, value in inputs.items()}
        try:
            outputs = model.predict(given, state.kept if state is not None else None)
        except EdgekitError as error:
            # Core ML's refusals reach Python as this, and with these words first.
            raise RuntimeError(f"Unable to compute the prediction using ML Program: {error}") from error
        ModelProxy.predictions += 1
        images = {feature.name for feature in model.outputs if feature.kind == "image"}
        return {name: _image(value) if name in images else value for name, value in outputs.items()}

    def batchPredict(self, batch: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N802 - coremltools' name
        """One prediction each."""
        return [self.predict(inputs) for inputs in batch]

    def newState(self) -> StateProxy:  # noqa: N802 - coremltools' name
        """A new state."""
        return StateProxy(self._opened().new_state())

    def _opened(self) -> Any:
        ModelProxy.asked += 1
        if ModelProxy.look:
            ModelProxy.seen.add(self._about or _describe(self._path))
        if self._error is not None:
            raise self._error
        return self._model


def _image(value: Any) -> Image.Image:
    # Pillow knows no half precision: Core ML's gray images of it come as float32.
    return Image.fromarray(value.astype(np.float32) if value.dtype == np.float16 else value)


def _describe(path: Path) -> str:
    """What a model computes with, from its file."""
    return _describe_model(read_package(path).model)


def _describe_model(model: Message) -> str:
    kind = str(model.WhichOneof("Type"))
    if kind in _PIPELINES:
        pipeline = getattr(model, kind)
        inner = pipeline if kind == "pipeline" else pipeline.pipeline
        kinds = {_describe_model(one) for one in inner.models}
        return next((one for one in ("neuralnetwork", "float16") if one in kinds), "float32")
    if kind.startswith("neuralNetwork"):
        return "neuralnetwork"
    functions = [entry.value for entry in model.mlProgram.functions]
    blocks = [entry.value for function in functions for entry in function.block_specializations]
    given = any(_is_half(one.type) for function in functions for one in function.inputs)
    return "float16" if given or any(_has_half(block) for block in blocks) else "float32"


def _has_half(block: Message) -> bool:
    return any(
        any(_is_half(output.type) for output in operation.outputs)
        or any(_is_half(one.value.type) for entry in operation.inputs for one in entry.value.arguments)
        or any(_has_half(nested) for nested in operation.blocks)
        for operation in block.operations
    )


def _is_half(kind: Message) -> bool:
    return bool(kind.tensorType.dataType == _HALF)
