"""Thresholds in float32 by which every float32 row takes the original's branch, before a scaler or behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.classical.mathematics.exact import at_most
from edgekit.signature import Array

# The sign bit of a float32, and the bits of infinity.
_SIGN = np.int64(1 << 31)
_INFINITY = np.int64(0x7F800000)


def pulled_back(features: Array, thresholds: Array, before: Sequence[Any], *, wide: bool = False) -> Array:
    """For each pair, the largest float32 ``v`` of which ``transform(v) <= threshold`` in the feature's column.

    Found by bisection over the bit patterns of float32 in their order, all pairs at once; -inf where no number passes,
    inf where all do.

    Args:
        features: the columns, shape [pairs].
        thresholds: float64, shape [pairs].
        before: fitted transformers, the first first, that together map each column by a rising function of its own.
        wide: whether the original compares the transformed value in float64, rather than rounded to float32.
    """
    if not before or not len(features):
        with np.errstate(over="ignore"):
            return at_most(thresholds)
    rows, columns = _grid(features, before)
    low = np.full(len(features), -_INFINITY)  # the rank of -inf
    high = np.full(len(features), _INFINITY - 1)  # of the largest number: transformers refuse infinity
    while (low < high).any():
        # Those that are found to be -inf are asked about the lowest number once more.
        middle = np.maximum((low + high + 1) >> 1, 1 - _INFINITY)
        grid = np.zeros((int(rows.max()) + 1, columns))
        grid[rows, features] = _float_of(middle)
        with np.errstate(all="ignore"):
            values = transformed(grid, before)[rows, features]
            values = values if wide else values.astype(np.float32).astype(np.float64)
        passes = values <= thresholds
        low, high = np.where(passes, middle, low), np.where(passes, high, middle - 1)
    return _float_of(np.where(low == _INFINITY - 1, _INFINITY, low))


def transformed(rows: Array, before: Sequence[Any]) -> Array:
    """Rows through fitted transformers, in float64."""
    for one in before:
        rows = np.asarray(one.transform(rows), np.float64)
    return rows


def _grid(features: Array, before: Sequence[Any]) -> tuple[Array, int]:
    """A row for each pair so that no two of one column share a row, and how many columns the transformers take."""
    order = np.argsort(features, kind="stable")
    ordered = features[order]
    first = np.searchsorted(ordered, ordered)
    rows = np.empty(len(features), np.int64)
    rows[order] = np.arange(len(features)) - first
    return rows, int(before[0].n_features_in_)


def _float_of(rank: Array) -> Array:
    """The float32 of each rank in the order of float32: 0 is zero, 1 the smallest positive number, -1 its negative."""
    bits = np.where(rank < 0, -rank | _SIGN, rank).astype(np.uint32)
    return np.asarray(bits.view(np.float32))


def probes(trees: Sequence[Any], rows: Array, *, missing: bool = False, most: int = 2000) -> Array:
    """Rows at the thresholds of fitted trees: float32 copies of ``rows``, each with one column replaced.

    Each split is asked at its threshold in float32, one step below and one above it, and at NaN where ``missing``.

    Args:
        trees: of :class:`edgekit.classical.trees.tree.Tree`.
        rows: where the other columns come from, in turn.
        missing: whether the original takes NaN.
        most: of more probes than that, as many are taken, evenly.
    """
    pairs = np.unique(
        np.concatenate([np.stack([t.feature, t.threshold], axis=1)[t.feature >= 0] for t in trees]), axis=0
    )
    near = at_most(pairs[:, 1])
    with np.errstate(over="ignore"):
        steps = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    steps += [np.full_like(near, np.nan)] if missing else []
    columns, values = np.tile(pairs[:, 0].astype(np.int64), len(steps)), np.concatenate(steps)
    kept = np.flatnonzero(~np.isinf(values))
    kept = kept[np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(np.int64)] if len(kept) else kept
    found = np.resize(rows.astype(np.float32), (len(kept), rows.shape[1]))
    found[np.arange(len(kept)), columns[kept]] = values[kept]
    return np.asarray(found)
