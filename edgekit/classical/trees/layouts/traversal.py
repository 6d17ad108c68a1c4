"""All trees walked at once, level by level, over one table of nodes: what every format can hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.lazy import functional, torch
from edgekit.classical.trees.tree import Ensemble

# The axis of the trees in what `leaf_values` gives.
TREES = 1


def constants(ensemble: Ensemble) -> dict[str, Any]:
    """The table of nodes (column, right child, threshold or a leaf's value), the roots, the leaves' values."""
    single = ensemble.outputs == 1
    orders = [tree.breadth_first() for tree in ensemble.trees]
    starts = np.concatenate([[0], np.cumsum([len(order) for order in orders])])
    tables = []
    for index, (tree, order, start) in enumerate(zip(ensemble.trees, orders, starts, strict=False)):
        place = np.zeros(len(tree.feature), np.int64)  # of each node in the table
        place[order] = np.arange(len(order))
        splits = tree.feature >= 0
        # The right child, and the left one next to it; a leaf stays where it is: it compares the constant column.
        child = np.where(splits, place[tree.right], place) + start
        held = ensemble.values[ensemble.slot[index], 0] if single else ensemble.slot[index]
        threshold = np.where(splits, ensemble.bounded[index], held)
        tables.append(np.stack([ensemble.column[index], child, threshold], axis=1)[order])
    return {
        "table": np.concatenate(tables).astype(np.float32),
        "roots": starts[:-1].astype(np.int32),
        "values": None if single else ensemble.values,
        "depth": max(tree.depth() for tree in ensemble.trees),
    }


def leaf_values(tables: Any, wide: Any) -> Any:
    """The values of the leaves that rows fall into, shape [n, trees, outputs]; ``wide``: the columns of the rows."""
    # The place of each row's first number in `flat`.
    row = (torch.arange(wide.shape[0], dtype=torch.int32) * wide.shape[1])[:, None]
    flat = wide.reshape(-1, 1)
    node = tables.roots[None] + torch.zeros_like(row)
    for _ in range(tables.depth):
        split = functional.embedding(node, tables.table)
        value = functional.embedding(row + split[:, :, 0].to(torch.int32), flat)[:, :, 0]
        node = (split[:, :, 1] + (value <= split[:, :, 2]).to(wide.dtype)).to(torch.int32)
    leaves = functional.embedding(node, tables.table)[:, :, 2]
    if tables.values is None:
        return leaves[:, :, None]
    return functional.embedding(leaves.to(torch.int32), tables.values)
