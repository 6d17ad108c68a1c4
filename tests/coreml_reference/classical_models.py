"""Models of classical converters, written by hand through the reader's own messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.classical import ClassicalModel
from edgekit.coreml_reference.messages import parse_model

DOUBLE, FLOAT, INT = 65600, 65568, 131104


def feature(features: Any, name: str, kind: Any, *, optional: bool = False) -> None:
    """Append a feature: ``double``, ``int64``, ``string``, ``words`` or ``places`` (dictionaries), or a length."""
    type_ = features.add(name=name).type
    type_.isOptional = optional
    if isinstance(kind, int):
        type_.multiArrayType.shape.append(kind)
        type_.multiArrayType.dataType = DOUBLE
    elif kind in {"words", "places"}:
        keys = type_.dictionaryType
        (keys.stringKeyType if kind == "words" else keys.int64KeyType).SetInParent()
    else:
        getattr(type_, f"{kind}Type").SetInParent()


def model_of(inputs: Mapping[str, Any], outputs: Mapping[str, Any], label: str = "", shares: str = "") -> Any:
    """A ``Model`` message with an interface."""
    model = parse_model(b"")
    model.specificationVersion = 1
    for name, kind in inputs.items():
        feature(model.description.input, name, kind)
    for name, kind in outputs.items():
        feature(model.description.output, name, kind)
    model.description.predictedFeatureName = label
    model.description.predictedProbabilitiesName = shares
    return model


def classifier_of(inputs: Mapping[str, Any], *, words: bool = False) -> Any:
    """The interface of a classifier with outputs ``label`` and ``shares``."""
    outputs = {"label": "string" if words else "int64", "shares": "words" if words else "places"}
    return model_of(inputs, outputs, "label", "shares")


def opened(model: Any, folder: Path) -> ClassicalModel:
    """A message saved and opened again."""
    path = folder / "model.mlmodel"
    path.write_bytes(model.SerializeToString())
    found = open_model(path)
    assert isinstance(found, ClassicalModel)
    return found
