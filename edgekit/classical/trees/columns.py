"""What the nodes of trees compare: the features, what NaN stands for, and memberships in sets of categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.classical.lazy import functional, torch
from edgekit.signature import Array

if TYPE_CHECKING:
    from edgekit.classical.trees.tree import Tree

LARGEST = float(np.finfo(np.float32).max)
# What numbers are bounded by where NaN stands beyond them. Infinity would not do: coremltools makes it the largest.
_BOUND = float(np.nextafter(np.float32(LARGEST), np.float32(0)))


class Columns:
    """The columns that nodes compare, made of a row's features.

    Where a node sends NaN left, it reads a second copy of the features in which NaN is the least number. The last
    column, number :attr:`constant`, is the largest number: what is compared with it goes right, whatever the row.

    Attributes:
        features: how many of the row's features are read.
        twice: whether there is a second copy of them.
        sets: by feature, the sets of categories that nodes ask for, and the column that tells of each.
        absent: by feature, the column that tells whether it is NaN: for nodes that send every number left.
        constant: the last column.
        largest: the largest threshold among :meth:`given`'s columns.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        self.features = max(int(tree.feature.max()) for tree in trees) + 1
        self.twice = any(
            tree.missing_left is not None and bool(np.asarray(tree.missing_left)[tree.feature >= 0].any())
            for tree in trees
        )
        # Also where all numbers go left, NaN in the first copy of the features does not.
        self.largest = _BOUND if self.twice else LARGEST
        wanted: dict[int, dict[tuple[frozenset[int], bool], int]] = {}
        for tree in trees:
            for node, members in tree.categories.items():
                wanted.setdefault(int(tree.feature[node]), {}).setdefault((members, _left(tree, node)), 0)
        self.sets = wanted
        place = self.features * (2 if self.twice else 1)
        for sets in wanted.values():
            for one in sets:
                sets[one] = place
                place += 1
        self.absent: dict[int, int] = {}
        for feature in sorted({int(one) for tree in trees for one in tree.feature[takes_numbers(tree)]}):
            self.absent[feature] = place
            place += 1
        self.constant = place

    def of(self, tree: Tree) -> Array:
        """The column that each node compares; in leaves the constant one."""
        column = np.where(tree.feature >= 0, tree.feature, self.constant)
        if tree.missing_left is not None:
            column = np.where((tree.feature >= 0) & np.asarray(tree.missing_left), column + self.features, column)
        for node, members in tree.categories.items():
            column[node] = self.sets[int(tree.feature[node])][members, _left(tree, node)]
        for node in np.flatnonzero(takes_numbers(tree)):
            column[node] = self.absent[int(tree.feature[node])]
        return column

    def second(self, column: Array) -> Array:
        """Whether columns are of the second copy of the features."""
        return (column >= self.features) & (column < 2 * self.features) & self.twice

    def constants(self) -> dict[str, Any]:
        """For each feature of categories, a table: its category's number → 0 in each of its sets, else 1."""
        tables: dict[str, Any] = {}
        for feature, sets in self.sets.items():
            size = max((max(members, default=-1) for members, _ in sets), default=-1) + 1
            # Behind the categories: any other number, and NaN.
            table = np.ones((size + 2, len(sets)))
            for column, (members, missing_left) in enumerate(sets):
                table[sorted(members), column] = 0
                table[size + 1, column] = 0 if missing_left else 1
            tables[f"sets_{feature}"] = table
        return tables

    def given(self, model: Any, x: Any) -> Any:
        """The columns of rows ``x``, shape [n, columns]; ``model`` holds :meth:`constants`."""
        features = x[:, : self.features]
        parts = [features]
        if self.twice:
            # Infinity is beyond every threshold, as NaN is.
            bounded = torch.where(features <= LARGEST, torch.clamp(features, -_BOUND, _BOUND), LARGEST)
            parts = [bounded, torch.where(torch.isnan(features), -LARGEST, bounded)]
        return torch.cat([*parts, *self._memberships(model, x), torch.full_like(x[:, :1], LARGEST)], dim=1)

    def signed(self, model: Any, x: Any) -> Any:
        """The columns but the constant one, with NaN as it is: the second copy of the features is their negative.

        NaN is above no threshold. What is asked of a feature's negative the other way round sends NaN the other way.
        """
        if not self.sets and not self.absent and not self.twice:
            return x
        features = x[:, : self.features]
        return torch.cat([features, *([-features] if self.twice else []), *self._memberships(model, x)], dim=1)

    def _memberships(self, model: Any, x: Any) -> list[Any]:
        found = []
        for feature in self.sets:
            table = getattr(model, f"sets_{feature}")
            value, size = x[:, feature], table.shape[0] - 2
            known = (value >= 0) & (value < size) & (torch.floor(value) == value)
            place = torch.where(known, value, torch.where(torch.isnan(value), float(size + 1), float(size)))
            found.append(functional.embedding(place.to(torch.int32), table))
        found += [torch.isnan(x[:, feature : feature + 1]).to(x.dtype) for feature in self.absent]
        return found


def _left(tree: Tree, node: int) -> bool:
    return tree.missing_left is not None and bool(tree.missing_left[node])


def takes_numbers(tree: Tree) -> Array:
    """Of a tree's nodes, bool [nodes], those that send every number left, infinity too: what they tell is NaN."""
    every = (tree.feature >= 0) & np.isposinf(tree.threshold)
    every[list(tree.categories)] = False
    return every
