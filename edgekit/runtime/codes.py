"""Texts as the integers that stand for them in formats that hold no text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.errors import ExecutionError
from edgekit.signature import Array

# What stands for a text that is not in the table.
UNKNOWN = -1


def encode(array: Array, table: Sequence[str]) -> Array:
    """Each text's position in a table, :data:`UNKNOWN` where it has none; int64, the same shape."""
    position = {text: index for index, text in enumerate(table)}
    flat = [position.get(text, UNKNOWN) for text in array.reshape(-1).tolist()]
    codes: Array = np.array(flat, np.int64).reshape(array.shape)
    return codes


def decode(array: Array, table: Sequence[str]) -> Array:
    """The texts at positions of a table; objects, the same shape.

    Raises:
        ExecutionError: a position outside of it: the model file is not the one that the table is for.
    """
    positions = array.astype(np.int64)
    if positions.size and (positions.min() < 0 or positions.max() >= len(table)):
        raise ExecutionError("name a label", f"the model gave a code outside 0 to {len(table) - 1}", "")
    texts = np.empty(array.shape, dtype=object)
    texts.reshape(-1)[:] = [table[position] for position in positions.reshape(-1).tolist()]
    return texts
