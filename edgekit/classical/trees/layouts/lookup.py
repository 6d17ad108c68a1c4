"""TFLite's fast way: the first levels of all trees at once by comparisons, the rest by look-ups of plain numbers.

In LiteRT a look-up of one number costs about 5 ns and a comparison half of one, and rows beside each other are copied
whole. So the top levels compare every node, and choose from the bottom up; below, each level takes three or four
look-ups.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.lazy import torch
from edgekit.classical.trees.tree import Ensemble
from edgekit.signature import Array

# The axis of the trees in what `leaf_values` gives.
TREES = 0
# A level is cut to the trees that have not ended where that leaves out at least this share of them.
_CUT = 0.15
# Nanoseconds in LiteRT on x86-64, a number in a batch: to look up, to compare and choose, to compare.
_LOOK, _CHOOSE, _COMPARE = 5.4, 2.2, 0.6
# As many numbers as a processor's cache may hold: look-ups in more are slower than comparisons at each node.
_CACHED = 500_000


def cheapest(ensemble: Ensemble, top: int, rows: int = 1) -> tuple[float, str]:
    """The estimated nanoseconds a row in batches of ``rows``, and by what levels below ``top`` are best compared."""
    visits = sum(max(tree.depth() - top, 0) for tree in ensemble.trees)
    first = ((1 << top) - 1) * len(ensemble.trees) * _CHOOSE
    pairs = ensemble.comparisons() if visits else 0
    ways = {"pairs": visits * 3 * _LOOK + pairs * _COMPARE, "nodes": visits * (4 * _LOOK + _COMPARE)}
    by = min(ways, key=ways.__getitem__) if pairs * rows <= _CACHED else "nodes"
    return first + ways[by], by


def constants(ensemble: Ensemble, *, top: int, by: str = "", rows: int = 1) -> dict[str, Any]:
    """The tables.

    Args:
        ensemble: the trees.
        top: the number of levels, at least 1, that are compared whole.
        by: ``pairs`` (all distinct comparisons beforehand, looked up below) or ``nodes`` (each where it is met); empty:
            the cheaper one for batches of ``rows``.
        rows: how many rows come at once.
    """
    by = by or cheapest(ensemble, top, rows)[1]
    depths = np.array([tree.depth() for tree in ensemble.trees])
    # The deepest first: those that have ended are left out of the deeper levels.
    order = np.argsort(-depths, kind="stable")
    completed = [_completed(ensemble, int(index), top) for index in order]
    # Level by level, place by place, tree by tree.
    levels = [np.stack([one[level] for one, _ in completed]) for level in range(top)]
    compared = np.concatenate([level.transpose(1, 0, 2).reshape(-1, 2) for level in levels])
    entries = np.array([nodes for _, nodes in completed]).T  # [2**top, trees]
    nodes = _nodes(ensemble, [(int(tree), int(node)) for row in entries for tree, node in zip(order, row, strict=True)])
    slot = np.array([ensemble.slot[tree][node] for tree, node in nodes["node"]])
    single = ensemble.outputs == 1
    walked = _walked(ensemble, nodes, by) if depths.max() > top else {}
    return {
        "top": top,
        "by": by,
        "top_column": compared[:, 0].astype(np.int32),
        "top_threshold": compared[:, 1:],
        "tree": np.arange(len(order), dtype=np.int32)[:, None],
        "active": [int((depths > level).sum()) for level in range(top, int(depths.max()))],
        "slot": None if single else slot.astype(np.int32),
        "values": ensemble.values[slot, 0] if single else ensemble.values,
        "back": None if (order == np.arange(len(order))).all() else np.argsort(order).astype(np.int32),
        **walked,
    }


def _completed(ensemble: Ensemble, index: int, top: int) -> tuple[list[Array], list[int]]:
    """A tree's first levels as if it were complete: (column, threshold) of each place, and the nodes below by code.

    A level's places are those left of the places above, then those right of them. A code has a bit a level, the first
    level's the highest, 1 for left. A leaf stands in all places below it.
    """
    tree, column, threshold = ensemble.trees[index], ensemble.column[index], ensemble.bounded[index]
    levels, places = [], [0]
    for _ in range(top):
        levels.append(np.stack([column[places], threshold[places]], axis=1))
        left, right = (
            [int(child[node]) if tree.feature[node] >= 0 else node for node in places]
            for child in (tree.left, tree.right)
        )
        places = left + right
    codes = [sum(1 << (top - 1 - level) for level in range(top) if not place >> level & 1) for place in range(1 << top)]
    return levels, [places[codes.index(code)] for code in range(1 << top)]


def _nodes(ensemble: Ensemble, entries: list[tuple[int, int]]) -> dict[str, Any]:
    """The table of nodes: the entries, then their children in pairs, right and left; a leaf is its own child."""
    nodes, child = list(entries), []
    for place, (tree, node) in enumerate(nodes):
        grown = ensemble.trees[tree]
        splits = grown.feature[node] >= 0
        child.append(len(nodes) if splits else place)
        if splits:
            nodes += [(tree, int(grown.right[node])), (tree, int(grown.left[node]))]
    return {"node": nodes, "child": np.array(child, np.int32)}


def _walked(ensemble: Ensemble, nodes: dict[str, Any], by: str) -> dict[str, Any]:
    column = np.array([ensemble.column[tree][node] for tree, node in nodes["node"]])
    # In leaves 0, which the constant column is above.
    threshold = np.array([ensemble.bounded[tree][node] for tree, node in nodes["node"]])
    if by == "nodes":
        return {"child": nodes["child"], "column": column.astype(np.int32), "threshold": threshold}
    pairs, pair = np.unique(np.stack([column, threshold], axis=1), axis=0, return_inverse=True)
    return {
        "child": nodes["child"],
        "pair": pair.reshape(-1).astype(np.int32),
        "pair_column": pairs[:, 0].astype(np.int32),
        "pair_threshold": pairs[:, 1:],
    }


def leaf_values(tables: Any, wide: Any) -> Any:
    """The values of the leaves that rows fall into, shape [trees, n, outputs]; ``wide``: the columns of the rows."""
    columns = wide.transpose(0, 1).contiguous()
    node = _walk(tables, columns, _enter(tables, columns))
    flat = node.reshape(-1)
    if tables.slot is not None:
        flat = _looked_up(tables.slot, flat)
    values = _looked_up(tables.values, flat).reshape(*node.shape, -1)
    return values if tables.back is None else _looked_up(values, tables.back)


def _looked_up(table: Any, places: Any) -> Any:
    """Rows of a table; in LiteRT one GATHER, where torch's own indexing becomes a dozen operators."""
    return torch.ops.tfl.gather(table, places, 0)


def _enter(tables: Any, columns: Any) -> Any:
    """The node at which each row leaves the top levels of each tree, int32 [trees, n]."""
    count = tables.tree.shape[0]
    left = _looked_up(columns, tables.top_column) <= tables.top_threshold
    code = left[((1 << tables.top - 1) - 1) * count :].to(torch.int32)
    for level in reversed(range(tables.top - 1)):
        size = count << level
        start = size - count
        higher = code[:size] + (1 << (tables.top - 1 - level))
        code = torch.where(left[start : start + size], higher, code[size:])
    return code * count + tables.tree


def _walk(tables: Any, columns: Any, node: Any) -> Any:
    """The leaves, from the nodes below the top levels on."""
    rows = columns.shape[1]
    lane = torch.arange(rows, dtype=torch.int32)[None]
    if tables.active and tables.by == "pairs":
        asked = (_looked_up(columns, tables.pair_column) <= tables.pair_threshold).to(torch.int32).reshape(-1)
    else:
        asked = columns.reshape(-1)
    ended = []
    for active in tables.active:
        if active <= (1 - _CUT) * node.shape[0]:
            ended.append(node[active:])
            node = node[:active]
        flat = node.reshape(-1)
        place = _looked_up(tables.pair if tables.by == "pairs" else tables.column, flat)
        if rows > 1:
            place = (place.reshape(node.shape) * rows + lane).reshape(-1)
        found = _looked_up(asked, place)
        below = found if tables.by == "pairs" else (found <= _looked_up(tables.threshold, flat)).to(torch.int32)
        node = (_looked_up(tables.child, flat) + below).reshape(node.shape)
    return torch.cat([node, *reversed(ended)]) if ended else node
