"""Models between categories, dictionaries and arrays: one-hot, dictionary and feature vectorizers, mappings."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.coreml_reference.classical.columns import Columns, numbers
from edgekit.coreml_reference.classical.preprocessing import single
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.features import Feature
from edgekit.coreml_reference.messages import Message
from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array

# OneHotEncoder.HandleUnknown
_ERROR_ON_UNKNOWN = 0


def _places(message: Message, oneof: str, asked: str) -> dict[Any, int]:
    """The positions of categories or keys."""
    which = message.WhichOneof(oneof)
    if which is None:
        raise InputError(asked, "it knows no categories", "convert the model again")
    return {one: place for place, one in enumerate(getattr(message, which).vector)}


def _listed(columns: Columns, name: str) -> list[Any]:
    """A column as Python values."""
    column = columns[name]
    return column.reshape(len(column)).tolist() if isinstance(column, np.ndarray) else column


@kind("oneHotEncoder")
def one_hot(message: Message, interface: Interface) -> Stage:
    """An array with one 1, or a dictionary of its place; nothing for a category that is not known."""
    source, target = single(interface, "read the one-hot encoder")
    places = _places(message, "CategoryType", "read the one-hot encoder")
    strict = message.handleUnknown == _ERROR_ON_UNKNOWN

    def run(columns: Columns) -> Columns:
        values = _listed(columns, source)
        found = [places.get(value) for value in values]
        if strict and None in found:
            raise ExecutionError(
                f"encode {source!r}", f"{values[found.index(None)]!r} is none of its {len(places)} categories", ""
            )
        sparse: list[dict[Any, float]] = [{} if place is None else {place: 1.0} for place in found]
        return {target: sparse if message.outputSparse else _dense(sparse, len(places))}

    return run


def _dense(sparse: list[dict[Any, float]], width: int) -> Array:
    """Dictionaries of places as [rows, width].

    Raises:
        InputError: a place is outside.
    """
    dense = np.zeros((len(sparse), width))
    for row, one in enumerate(sparse):
        for place, value in one.items():
            if not 0 <= place < width:
                raise InputError(f"put a value at place {place}", f"there are {width} places", "")
            dense[row, place] = value
    return dense


@kind("dictVectorizer")
def dictionary_vectorizer(message: Message, interface: Interface) -> Stage:
    """The dictionary's values at the places of their keys; keys that are not known are dropped.

    The output is an array, or a dictionary of places where that is declared.
    """
    source, target = single(interface, "read the dictionary vectorizer")
    places = _places(message, "Map", "read the dictionary vectorizer")
    dense = interface.outputs[0].kind != "dictionary"

    def run(columns: Columns) -> Columns:
        sparse = [
            {places[key]: value for key, value in one.items() if key in places} for one in _listed(columns, source)
        ]
        return {target: _dense(sparse, len(places)) if dense else sparse}

    return run


@kind("featureVectorizer")
def feature_vectorizer(message: Message, interface: Interface) -> Stage:
    """All inputs side by side as one array; dictionaries of places spread out."""
    (target,) = (feature.name for feature in interface.outputs)
    by_name = {feature.name: feature for feature in interface.inputs}
    parts = [(one.inputColumn, int(one.inputDimensions)) for one in message.inputList]
    lost = [name for name, _ in parts if name not in by_name]
    if lost or not parts:
        raise InputError("read the feature vectorizer", f"it has no input {lost}", "convert the model again")

    def run(columns: Columns) -> Columns:
        return {target: np.concatenate([_part(by_name[name], columns, width) for name, width in parts], axis=1)}

    return run


def _part(feature: Feature, columns: Columns, width: int) -> Array:
    if feature.kind == "dictionary":
        return _dense(_listed(columns, feature.name), width)
    values = numbers(feature, columns)
    if values.shape[1] != width:
        raise InputError(f"run with {feature.name!r} of {values.shape[1]} elements", f"it takes {width}", "")
    return values


@kind("categoricalMapping")
def mapping(message: Message, interface: Interface) -> Stage:
    """Whole numbers for text, or text for whole numbers."""
    source, target = single(interface, "read the categorical mapping")
    which, unknown = message.WhichOneof("MappingType"), message.WhichOneof("ValueOnUnknown")
    if which is None:
        raise InputError("read the categorical mapping", "it maps nothing", "convert the model again")
    table = {entry.key: entry.value for entry in getattr(message, which).map}
    other = getattr(message, unknown) if unknown else None

    def run(columns: Columns) -> Columns:
        values = _listed(columns, source)
        lost = [value for value in values if value not in table]
        if lost and other is None:
            raise ExecutionError(f"map {source!r}", f"{lost[0]!r} is none of its {len(table)} values", "")
        found = [table.get(value, other) for value in values]
        return {target: np.array(found, np.int64) if which == "stringToInt64Map" else found}

    return run
