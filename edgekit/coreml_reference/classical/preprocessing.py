"""Models that change numbers: scaler, normalizer, imputer, array feature extractor, identity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.coreml_reference.classical.columns import Columns, numbers
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Array

# Normalizer.NormType
_NORMS: dict[int, Callable[[Array], Array]] = {
    0: lambda rows: rows.max(axis=1),
    1: lambda rows: np.abs(rows).sum(axis=1),
    2: lambda rows: np.sqrt((rows**2).sum(axis=1)),
}


def single(interface: Interface, asked: str) -> tuple[str, str]:
    """The names of the only input and the only output.

    Raises:
        InputError: there are more, or none.
    """
    if len(interface.inputs) != 1 or len(interface.outputs) != 1:
        raise InputError(asked, "it must have one input and one output", "convert the model again")
    return interface.inputs[0].name, interface.outputs[0].name


def _per_row(interface: Interface, asked: str, change: Callable[[Array], Array]) -> Stage:
    """A function of [rows, elements] as an evaluation that keeps the input's shape."""
    source, target = single(interface, asked)

    def run(columns: Columns) -> Columns:
        changed = change(numbers(interface.inputs[0], columns))
        return {target: changed.reshape(np.shape(columns[source]))}

    return run


@kind("scaler")
def scaler(message: Message, interface: Interface) -> Stage:
    """``scale * (x + shift)``, by element or the same for all."""
    shift = np.array(message.shiftValue or [0.0], np.float64)
    scale = np.array(message.scaleValue or [1.0], np.float64)

    def change(rows: Array) -> Array:
        for values in (shift, scale):
            if len(values) not in {1, rows.shape[1]}:
                raise InputError(f"scale {rows.shape[1]} elements", f"the scaler is made for {len(values)}", "")
        return scale * (rows + shift)

    return _per_row(interface, "read the scaler", change)


@kind("normalizer")
def normalizer(message: Message, interface: Interface) -> Stage:
    """A row divided by its norm; rows of norm zero stay as they are."""
    if message.normType not in _NORMS:
        raise UnsupportedError("read the normalizer", f"its norm {message.normType} is unknown here", "update edgekit")
    norm = _NORMS[message.normType]

    def change(rows: Array) -> Array:
        sizes = norm(rows)
        scaled: Array = rows / np.where(sizes == 0, 1.0, sizes)[:, None]
        return scaled

    return _per_row(interface, "read the normalizer", change)


@kind("arrayFeatureExtractor")
def extractor(message: Message, interface: Interface) -> Stage:
    """Some elements of an array, counted in its flattened order."""
    wanted = np.array(message.extractIndex, np.int64)
    _, target = single(interface, "read the array feature extractor")

    def run(columns: Columns) -> Columns:
        rows = numbers(interface.inputs[0], columns)
        if not wanted.size or wanted.max() >= rows.shape[1]:
            raise InputError(f"extract from {rows.shape[1]} elements", f"it asks for {wanted.tolist()}", "")
        return {target: rows[:, wanted]}

    return run


@kind("identity")
def identity(message: Message, interface: Interface) -> Stage:
    """Outputs are the inputs of the same name; in order where the names differ."""
    del message
    sources = {feature.name for feature in interface.inputs}
    if len(interface.outputs) > len(interface.inputs):
        raise InputError("read the identity model", "it has more outputs than inputs", "convert the model again")
    pairs = {
        target.name: target.name if target.name in sources else source.name
        for source, target in zip(interface.inputs, interface.outputs, strict=False)
    }
    return lambda columns: {target: columns[source] for target, source in pairs.items()}


@kind("imputer")
def imputer(message: Message, interface: Interface) -> Stage:
    """Missing values replaced: what was left out, NaN, or the value that stands for missing."""
    source, target = single(interface, "read the imputer")
    imputed, replaced = message.WhichOneof("ImputedValue"), message.WhichOneof("ReplaceValue")
    if imputed is None:
        raise InputError("read the imputer", "it has no value to put in", "convert the model again")
    fill = _fill(imputed, getattr(message, imputed))
    gone = getattr(message, replaced) if replaced else None
    width = len(fill) if isinstance(fill, np.ndarray) else None

    def run(columns: Columns) -> Columns:
        column = columns[source]
        if isinstance(column, np.ndarray):
            if width not in {None, int(np.prod(column.shape[1:]))}:
                raise InputError(f"impute {list(column.shape[1:])} elements", f"the imputer is made for {width}", "")
            return {target: np.where(_missing(column, gone), _shaped(fill, column), column)}
        return {target: [_imputed(value, fill, gone) for value in column]}

    return run


def _shaped(fill: Any, column: Array) -> Any:
    return fill.reshape(column.shape[1:]) if isinstance(fill, np.ndarray) else fill


def _fill(which: str, value: Message) -> Any:
    """What is put in: a number, text, an array or a dictionary."""
    if which.endswith("Array"):
        return np.array(value.vector)
    if which.endswith("Dictionary"):
        return {entry.key: entry.value for entry in value.map}
    return value


def _missing(column: Array, gone: Any) -> Array:
    """Which numbers are missing."""
    if gone is None or gone != gone:  # noqa: PLR0124 - NaN, and nothing else, differs from itself
        return np.isnan(column) if column.dtype.kind == "f" else np.zeros(column.shape, bool)
    found: Array = column == gone
    return found


def _imputed(value: Any, fill: Any, gone: Any) -> Any:
    """One value of a list: text, or a dictionary, whose missing values are NaN."""
    if value is None or (isinstance(value, str) and value == gone):
        return fill
    if isinstance(value, dict) and isinstance(fill, dict):
        return {key: fill.get(key, one) if np.isnan(one) else one for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return np.where(_missing(value, gone), _shaped(fill, value[None]), value)
    return fill if isinstance(value, int | float) and value == gone else value
