"""Values of many rows: one column a feature.

Numbers are arrays of [rows], arrays of [rows, *shape], everything else a list with one value a row. A value that was
left out is NaN where it is a number, ``None`` in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgekit.coreml_reference.features import Feature
from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array

Column = Array | list[Any]
Columns = dict[str, Column]


def gather(feature: Feature, values: Sequence[Any]) -> Column:
    """One value a row as a column; ``None`` stands for what was left out."""
    if feature.kind == "double":
        return np.array([np.nan if value is None else float(value) for value in values], np.float64)
    if any(value is None for value in values):
        return _gaps(feature, values)
    if feature.kind == "int64":
        return np.array([int(value) for value in values], np.int64)
    if feature.kind == "array":
        arrays = [np.asarray(value) for value in values]
        if len({array.shape for array in arrays}) == 1:
            return np.stack(arrays)
    if feature.kind == "dictionary":
        # By the keys that are given: coremltools' DictVectorizer declares text where its keys are whole numbers.
        return [{_plain(name): float(value) for name, value in one.items()} for one in values]
    return list(values)


def _plain(key: Any) -> Any:
    return key.item() if isinstance(key, np.generic) else key


def _gaps(feature: Feature, values: Sequence[Any]) -> Column:
    if feature.kind == "array" and feature.shape and feature.dtype is not None:
        empty = np.full(feature.shape, np.nan, np.float64)
        return np.stack([empty if value is None else np.asarray(value, np.float64) for value in values])
    return list(values)


def scatter(feature: Feature, column: Column) -> list[Any]:
    """A column as one value a row, as Core ML hands them out: numbers, arrays of the declared dtype, text, ..."""
    if isinstance(column, np.ndarray) and feature.kind in {"int64", "double"}:
        listed: list[Any] = settle(feature, column).tolist()
        return listed
    if feature.kind == "array":
        return list(settle(feature, column))
    return list(column)


def settle(feature: Feature, column: Column) -> Array:
    """Numbers in the type that a feature declares.

    Raises:
        ExecutionError: a fraction, or NaN, where whole numbers are declared.
    """
    values = np.asarray(column)
    if feature.kind == "double":
        return values.reshape(len(values)).astype(np.float64, copy=False)
    if feature.kind == "int64":
        return _whole(feature, values.reshape(len(values)), np.int64)
    if feature.kind == "array" and feature.dtype is not None:
        if np.issubdtype(feature.dtype, np.integer):
            return _whole(feature, values, feature.dtype)
        return values.astype(feature.dtype, copy=False)
    return values


def _whole(feature: Feature, values: Array, dtype: type[Any]) -> Array:
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise ExecutionError(f"give {feature.name!r}", "it is declared as whole numbers, the result is not", "")
    return values.astype(dtype, copy=False)


def numbers(feature: Feature, columns: Columns) -> Array:
    """A column of numbers as float64 [rows, elements].

    Raises:
        InputError: left out, or of a kind that holds no numbers.
    """
    column = columns[feature.name]
    if not isinstance(column, np.ndarray) or column.dtype.kind not in "biuf":
        why = "it was left out" if isinstance(column, list) and None in column else f"a {feature.kind} is no number"
        raise InputError(f"run with input {feature.name!r}", why, "")
    return column.reshape(len(column), -1).astype(np.float64, copy=False)


def matrix(features: Iterable[Feature], columns: Columns) -> Array:
    """All inputs side by side, in their order: float64 [rows, elements]."""
    parts = [numbers(feature, columns) for feature in features]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def wanted(rows: Array, width: int) -> Array:
    """The rows, where they are as wide as a model needs.

    Raises:
        InputError: they are not.
    """
    if rows.shape[1] != width:
        raise InputError(f"run with {rows.shape[1]} features", f"the model takes {width}", "")
    return rows
