"""Rows that arrive at the splits of trees, with the split's column at its threshold and one float32 on either side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.classical.probing.members import Member, members
from edgekit.signature import Array

# At most this many rows, and as many numbers in them: a verification should take seconds.
_ROWS, _NUMBERS = 8192, 1 << 23


@dataclass(frozen=True)
class Probed:
    """Rows at splits.

    Attributes:
        rows: float32 [n, columns], in no order.
        splits: how many splits they ask about.
        of: how many the model has.
    """

    rows: Array
    splits: int
    of: int


def probed(estimator: Any, rows: Array, *, missing: bool, seed: int) -> Probed | None:
    """Rows that come to a model's splits; ``None`` where it has no trees, or none that its rows come to as they are.

    For each split a row is changed just enough to arrive there, and then given four times: at the threshold in float32,
    one step below, one above, and with NaN where that stands for a missing value. Of more splits than the rows are
    enough for, some are drawn.

    Args:
        estimator: fitted.
        rows: of the model's, float32 [n, columns]: what the probes are made of, in turn.
        missing: whether NaN is a missing value.
        seed: of the draw.
    """
    grown = [_Grown(member) for member in members(estimator)]
    every = [(tree, int(node)) for tree in grown for node in np.flatnonzero(tree.asks)]
    if not every:
        return None
    rng = np.random.default_rng(seed)
    each = 4 if missing else 3
    most = max(min(_ROWS, _NUMBERS // max(rows.shape[1], 1)) // each, 1)
    chosen = rng.permutation(len(every))[:most]
    found: list[Array] = []
    asked = 0
    for place, number in enumerate(chosen):
        tree, node = every[number]
        row = rows[place % len(rows)].astype(np.float32)
        if tree.bring(row, node):
            asked += 1
            found += _around(row, int(tree.feature[node]), tree.threshold[node], missing=missing)
    if not found:
        return None
    return Probed(np.array(found)[rng.permutation(len(found))], asked, len(every))


def _around(row: Array, column: int, threshold: np.float32, *, missing: bool) -> list[Array]:
    with np.errstate(over="ignore"):
        values = [np.nextafter(threshold, np.float32(way)) for way in (-np.inf, np.inf)]
    probes = []
    for value in [threshold, *values, *([np.float32(np.nan)] if missing else [])]:
        if not np.isinf(value):
            probes.append(row.copy())
            probes[-1][column] = value
    return probes


class _Grown:
    """A member with what it takes to come to its nodes.

    Attributes:
        feature: the column of the model's rows that each node compares.
        threshold: the largest float32 that goes left.
        asks: which nodes compare a number with a threshold that some float32 passes and some does not.
    """

    def __init__(self, member: Member) -> None:
        tree = member.tree
        self.feature, self.threshold = member.features(), member.thresholds()
        self.categories, self.missing_left = tree.categories, tree.missing_left
        self.asks = (self.feature >= 0) & np.isfinite(self.threshold)
        self.asks[list(tree.categories)] = False
        self.parent = np.full(len(self.feature), -1)
        self.left = tree.left
        for children in (tree.left, tree.right):
            splits = self.feature >= 0
            self.parent[children[splits]] = np.flatnonzero(splits)

    def bring(self, row: Array, node: int) -> bool:
        """Change a row so that it comes to a node; whether it does."""
        ways: list[tuple[int, bool]] = []
        while (parent := int(self.parent[node])) >= 0:
            ways.append((parent, bool(self.left[parent] == node)))
            node = parent
        bounds: dict[int, tuple[np.float32, np.float32]] = {}
        for parent, left in reversed(ways):
            column = int(self.feature[parent])
            if column >= len(row) or (parent in self.categories and not self._in_category(row, parent, left=left)):
                return False
            if parent in self.categories:
                continue
            low, high = bounds.get(column, (np.float32(-np.inf), np.float32(np.inf)))
            edge = self.threshold[parent]
            bounds[column] = low, high = (low, min(high, edge)) if left else (max(low, edge), high)
            if not low < high:
                return False
            if not low < row[column] <= high:
                row[column] = high if np.isfinite(high) else np.nextafter(low, np.float32(np.inf))
        # Categories and thresholds of one column may contradict each other.
        return all(self._goes_left(row, parent) == left for parent, left in ways)

    def _goes_left(self, row: Array, node: int) -> bool:
        value = row[self.feature[node]]
        return float(value) in self.categories[node] if node in self.categories else bool(value <= self.threshold[node])

    def _in_category(self, row: Array, node: int, *, left: bool) -> bool:
        value, known = float(row[self.feature[node]]), self.categories[node]
        if (value in known) == left and not np.isnan(value):
            return True
        if not left or not known:
            return False
        row[self.feature[node]] = min(known)
        return True
