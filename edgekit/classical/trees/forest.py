"""Trees of one kind of node, all of them together as a few tables of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import functional, torch
from edgekit.classical.trees.thresholds import pulled_back
from edgekit.errors import ConversionError
from edgekit.signature import Array

_LARGEST = float(np.finfo(np.float32).max)
# What numbers are bounded by where NaN stands beyond them. Infinity would not do: coremltools makes it the largest.
_BOUND = float(np.nextafter(np.float32(_LARGEST), np.float32(0)))


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


def forest(trees: Sequence[Tree], before: Sequence[Any] = (), *, wide: bool = False) -> Any:
    """The module of trees: see :func:`leaf_values`, :func:`summed` and :func:`leaf_indices`.

    Every float32 row takes the branches of the original: thresholds are the largest float32 not above the original's.

    Args:
        trees: their values all of one number of outputs.
        before: fitted rising scalers that the rows have not passed; categories are told of the raw rows.
        wide: whether the original compares in float64 what ``before`` gives, rather than rounded to float32.

    Raises:
        ConversionError: there are more nodes than float32 can count.
    """
    columns = _Columns(trees)
    starts = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in trees])])
    if starts[-1] >= 2**24:
        raise ConversionError("convert trees", f"they have {starts[-1]} nodes, and float32 counts to {2**24}")
    numbers = [_pair_order(tree) for tree in trees]
    values, slots = _leaf_values(trees)
    tables = []
    for tree, order, start, slot in zip(trees, numbers, starts, slots, strict=False):
        place = np.empty(len(order), np.int64)  # of each node in the table
        place[order] = np.arange(len(order))
        splits = tree.feature >= 0
        threshold = slot.astype(np.float64)
        threshold[splits] = columns.thresholds(tree, splits, before, wide=wide)
        feature = columns.of(tree)
        # The right child, and the left one next to it; a leaf stays where it is.
        child = np.where(splits, place[tree.right], place) + start
        tables.append(np.stack([feature, child, threshold], axis=1)[order])
    return fitted(
        _sum,
        table=np.concatenate(tables).astype(np.float32),
        roots=starts[:-1].astype(np.int32),
        numbers=np.concatenate(numbers).astype(np.float32)[:, None],
        values=values,
        depth=max(map(_depth, trees)),
        reads=columns,
        **columns.constants(),
    )


def leaf_values(model: Any, x: Any) -> Any:
    """The values of the leaves that rows fall into, shape [n, trees, outputs]."""
    leaves = functional.embedding(_leaves(model, x), model.table)[:, :, 2]
    if model.values is None:
        return leaves[:, :, None]
    return functional.embedding(leaves.to(torch.int32), model.values)


def summed(model: Any, x: Any) -> Any:
    """The sum over the trees of :func:`leaf_values`, shape [n, outputs]."""
    return leaf_values(model, x).sum(dim=1)


def leaf_indices(model: Any, x: Any) -> Any:
    """The leaves' numbers in their trees, int32, shape [n, trees]."""
    return functional.embedding(_leaves(model, x), model.numbers)[:, :, 0].to(torch.int32)


def _sum(model: Any, x: Any) -> Answers:
    return {"prediction": summed(model, x)}


def _leaves(model: Any, x: Any) -> Any:
    """The leaves' places in the table, int32, shape [n, trees]: level by level, all trees at once."""
    wide = model.reads.given(model, x)
    # The place of each row's first number in `flat`.
    row = (torch.arange(x.shape[0], dtype=torch.int32) * wide.shape[1])[:, None]
    flat = wide.reshape(-1, 1)
    node = model.roots[None] + torch.zeros_like(row)
    for _ in range(model.depth):
        split = functional.embedding(node, model.table)
        value = functional.embedding(row + split[:, :, 0].to(torch.int32), flat)[:, :, 0]
        node = (split[:, :, 1] + (value <= split[:, :, 2]).to(x.dtype)).to(torch.int32)
    return node


def _pair_order(tree: Tree) -> Array:
    """The nodes in an order that has the left child right behind the right one."""
    order = [0]
    for node in order:
        if tree.feature[node] >= 0:
            order += [int(tree.right[node]), int(tree.left[node])]
    # Nodes that no row reaches any more (pruned ones) are left out by the tables' owner: give them the last places.
    reached = set(order)
    return np.array(order + [node for node in range(len(tree.feature)) if node not in reached])


def _depth(tree: Tree) -> int:
    depth, level = 0, [0]
    while level := [int(child[node]) for node in level if tree.feature[node] >= 0 for child in (tree.left, tree.right)]:
        depth += 1
    return depth


def _leaf_values(trees: Sequence[Tree]) -> tuple[Array | None, list[Array]]:
    """The distinct rows of values and which each leaf has; values of one output take the rows' numbers' place."""
    everything = [np.asarray(tree.value, np.float64).reshape(len(tree.feature), -1) for tree in trees]
    if everything[0].shape[1] == 1:
        return None, [value[:, 0] for value in everything]
    leaves = np.concatenate([tree.feature < 0 for tree in trees])
    rows = np.concatenate(everything).astype(np.float32)
    slots = np.zeros(len(rows), np.int64)
    distinct, slots[leaves] = np.unique(rows[leaves], axis=0, return_inverse=True)
    ends = np.cumsum([len(value) for value in everything])[:-1]
    return distinct, np.split(slots, ends)


class _Columns:
    """What the nodes compare: the features, with what NaN stands for; memberships in sets of categories; a constant.

    Where a node sends NaN left, it reads a second copy of the features in which NaN is the least number. The last
    column is the largest number: leaves read it, so that no leaf's value is mistaken for a threshold above it.
    """

    def __init__(self, trees: Sequence[Tree]) -> None:
        self.features = max(int(tree.feature.max()) for tree in trees) + 1
        self.twice = any(
            tree.missing_left is not None and bool(np.asarray(tree.missing_left)[tree.feature >= 0].any())
            for tree in trees
        )
        wanted: dict[int, dict[tuple[frozenset[int], bool], int]] = {}
        for tree in trees:
            for node, members in tree.categories.items():
                wanted.setdefault(int(tree.feature[node]), {}).setdefault((members, self._left(tree, node)), 0)
        self.sets = wanted
        place = self.features * (2 if self.twice else 1)
        for sets in wanted.values():
            for one in sets:
                sets[one] = place
                place += 1
        self.constant = place

    @staticmethod
    def _left(tree: Tree, node: int) -> bool:
        return tree.missing_left is not None and bool(tree.missing_left[node])

    def of(self, tree: Tree) -> Array:
        """The column that each node compares."""
        column = np.where(tree.feature >= 0, tree.feature, self.constant)
        if tree.missing_left is not None:
            column = np.where((tree.feature >= 0) & np.asarray(tree.missing_left), column + self.features, column)
        for node, members in tree.categories.items():
            column[node] = self.sets[int(tree.feature[node])][members, self._left(tree, node)]
        return column

    def thresholds(self, tree: Tree, splits: Array, before: Sequence[Any], *, wide: bool) -> Array:
        """The thresholds of the nodes that split; a membership is 1 or 0, and members go left."""
        found = pulled_back(tree.feature[splits], tree.threshold[splits], before, wide=wide)
        # Also where all numbers go left, NaN in the first copy of the features does not.
        found = np.minimum(found, _BOUND if self.twice else _LARGEST)
        nodes = np.flatnonzero(splits)
        return np.where(np.isin(nodes, list(tree.categories)), 0.5, found)

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
        """The columns of rows."""
        x = x[:, : self.features]
        parts = [x]
        if self.twice:
            missing = torch.isnan(x)
            bounded = torch.clamp(x, -_BOUND, _BOUND)
            parts = [torch.where(missing, _LARGEST, bounded), torch.where(missing, -_LARGEST, bounded)]
        for feature in self.sets:
            table = getattr(model, f"sets_{feature}")
            value, size = x[:, feature], table.shape[0] - 2
            known = (value >= 0) & (value < size) & (torch.floor(value) == value)
            place = torch.where(known, value, torch.where(torch.isnan(value), float(size + 1), float(size)))
            parts.append(functional.embedding(place.to(torch.int32), table))
        return torch.cat([*parts, torch.full_like(x[:, :1], _LARGEST)], dim=1)
