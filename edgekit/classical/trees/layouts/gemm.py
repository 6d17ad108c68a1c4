"""Small trees as matrix products: every node compared at once, every leaf's way counted.

A leaf's way has a number of turns to the left. Of all nodes' answers (1 left, 0 right), those on the way where it turns
left less those where it turns right are that many for the leaf that is reached, and fewer for any other. Source: S.
Nakandala et al., "A Tensor Compiler for Unified Machine Learning Prediction Serving", OSDI 2020, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.classical.lazy import torch
from edgekit.classical.trees.tree import Ensemble
from edgekit.signature import Array

# The axis of the trees in what `leaf_values` gives.
TREES = 0
# Trees of like sizes share a product, padded to the largest.
_MOST_PRODUCTS = 1


def constants(ensemble: Ensemble) -> dict[str, Any]:
    """The tables of each product."""
    sizes = np.array([int((tree.feature >= 0).sum()) for tree in ensemble.trees])
    order = np.argsort(sizes, kind="stable")
    products = [part for part in np.array_split(order, min(_MOST_PRODUCTS, len(order))) if len(part)]
    tables: dict[str, Any] = {}
    for number, trees in enumerate(products):
        tables |= {f"{name}_{number}": array for name, array in _product(ensemble, trees.tolist()).items()}
    straight = (order == np.arange(len(order))).all()
    return {**tables, "products": len(products), "back": None if straight else np.argsort(order).astype(np.int32)}


def _product(ensemble: Ensemble, trees: Sequence[int]) -> dict[str, Array]:
    nodes = max(1, *(int((ensemble.trees[index].feature >= 0).sum()) for index in trees))
    count, leaves = len(trees), nodes + 1
    column = np.full((count, nodes), ensemble.columns.constant, np.int32)
    threshold = np.zeros((count, nodes))
    ways = np.zeros((count, leaves, nodes))
    # Of leaves that a tree lacks: more turns than there are nodes.
    turns = np.full((count, leaves), nodes + 1.0)
    values = np.zeros((count, ensemble.outputs, leaves))
    for place, index in enumerate(trees):
        tree = ensemble.trees[index]
        node, leaf = 0, 0
        todo: list[tuple[int, list[tuple[int, int]]]] = [(0, [])]
        while todo:
            at, way = todo.pop()
            if tree.feature[at] < 0:
                for passed, sign in way:
                    ways[place, leaf, passed] = sign
                turns[place, leaf] = sum(sign > 0 for _, sign in way)
                values[place, :, leaf] = ensemble.values[ensemble.slot[index][at]]
                leaf += 1
                continue
            column[place, node], threshold[place, node] = ensemble.column[index][at], ensemble.bounded[index][at]
            todo += [(int(tree.left[at]), [*way, (node, 1)]), (int(tree.right[at]), [*way, (node, -1)])]
            node += 1
    return {
        "column": column.reshape(-1),
        "threshold": threshold.reshape(-1, 1),
        "ways": ways,
        # A leaf counts 1 where its way is whole, 0 or less elsewhere.
        "missing": 1.0 - turns[:, :, None],
        "values": values,
    }


def leaf_values(tables: Any, wide: Any) -> Any:
    """The values of the leaves that rows fall into, shape [trees, n, outputs]; ``wide``: the columns of the rows."""
    columns = wide.transpose(0, 1).contiguous()
    found = []
    for number in range(tables.products):
        column, threshold, ways, missing, values = (
            getattr(tables, f"{name}_{number}") for name in ("column", "threshold", "ways", "missing", "values")
        )
        left = (torch.ops.tfl.gather(columns, column, 0) <= threshold).to(wide.dtype)
        reached = (ways @ left.reshape(ways.shape[0], ways.shape[2], -1) + missing).clamp(min=0.0)
        found.append(values @ reached)
    every = torch.cat(found) if len(found) > 1 else found[0]
    if tables.back is not None:
        every = torch.ops.tfl.gather(every, tables.back, 0)
    return every.transpose(1, 2)
