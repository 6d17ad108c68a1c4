"""One fitted tree, and several of them with what all their representations need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.classical.trees.columns import LARGEST, Columns, takes_numbers
from edgekit.classical.trees.thresholds import pulled_back
from edgekit.signature import Array


@dataclass(frozen=True)
class Tree:
    """One fitted tree; node 0 is the root.

    Attributes:
        feature: int [nodes], -1 in leaves.
        threshold: float64 [nodes]; a row goes left where ``x <= threshold``.
        left: int [nodes].
        right: int [nodes].
        value: float64 [nodes, outputs], read in leaves.
        missing_left: bool [nodes], where NaN goes; None: NaN goes right.
        categories: of the nodes that split by category, the categories' numbers that go left. Any other number goes
            right, NaN by ``missing_left``.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    value: Array
    missing_left: Array | None = None
    categories: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def depth(self) -> int:
        """The number of comparisons on the longest way to a leaf."""
        depth, level = 0, [0]
        while level := [int(child[n]) for n in level if self.feature[n] >= 0 for child in (self.left, self.right)]:
            depth += 1
        return depth

    def breadth_first(self) -> list[int]:
        """The nodes that rows can come to, the left child right behind the right one."""
        order = [0]
        for node in order:
            if self.feature[node] >= 0:
                order += [int(self.right[node]), int(self.left[node])]
        return order


class Ensemble:
    """Trees of one number of outputs, compared in float32.

    Attributes:
        trees: them.
        columns: what their nodes compare.
        column: for each tree, int [nodes]: the column that each node compares.
        threshold: for each tree, float64 [nodes] of float32's numbers: rows go left where ``feature <= threshold``. In
            leaves 0.
        bounded: likewise, for the columns that stand in for NaN too.
        outputs: the number of outputs of a leaf.
        values: the leaves' distinct values, float32 [distinct, outputs].
        slot: for each tree, int [nodes]: of each leaf the row of ``values``.
    """

    def __init__(self, trees: Sequence[Tree], before: Sequence[Any] = (), *, wide: bool = False) -> None:
        self.trees = tuple(trees)
        self.columns = Columns(self.trees)
        self.column = [self.columns.of(tree) for tree in self.trees]
        self.threshold = [_thresholds(tree, before, wide=wide) for tree in self.trees]
        self.bounded = [np.minimum(one, self.columns.largest) for one in self.threshold]
        rows = [np.asarray(tree.value, np.float64).reshape(len(tree.feature), -1) for tree in self.trees]
        self.outputs = rows[0].shape[1]
        leaves = np.concatenate([tree.feature < 0 for tree in self.trees])
        every = np.concatenate(rows).astype(np.float32)
        slots = np.zeros(len(every), np.int64)
        self.values, of_leaves = np.unique(every[leaves], axis=0, return_inverse=True)
        slots[leaves] = of_leaves.reshape(-1)
        self.slot = np.split(slots, np.cumsum([len(one) for one in rows])[:-1])

    def comparisons(self) -> int:
        """How many distinct comparisons the nodes make."""
        splits = [tree.feature >= 0 for tree in self.trees]
        column, threshold = (
            np.concatenate([one[split] for one, split in zip(values, splits, strict=True)])
            for values in (self.column, self.bounded)
        )
        return len(np.unique(np.stack([column, threshold], axis=1), axis=0))


def _thresholds(tree: Tree, before: Sequence[Any], *, wide: bool) -> Array:
    splits = tree.feature >= 0
    threshold = np.zeros(len(tree.feature))
    found = pulled_back(tree.feature[splits], tree.threshold[splits], before, wide=wide)
    threshold[splits] = np.minimum(found, LARGEST)
    # A membership is 1 or 0, and members go left; so is whether a number is missing, and both may go left.
    threshold[list(tree.categories)] = 0.5
    numbers = takes_numbers(tree)
    threshold[numbers] = 0.5 if tree.missing_left is None else np.where(tree.missing_left, 1.0, 0.5)[numbers]
    return threshold
