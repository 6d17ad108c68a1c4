"""ONNX's own operator for trees, ``ai.onnx.ml.TreeEnsembleRegressor``, as one operator of torch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from edgekit.classical.fitted import fitted
from edgekit.classical.lazy import torch
from edgekit.classical.trees.layouts import traversal
from edgekit.classical.trees.tree import Ensemble
from edgekit.signature import Array

# The ensembles that an exported program may name, by number.
_KNOWN: WeakValueDictionary[int, Ensemble] = WeakValueDictionary()
_NUMBERS = itertools.count()


def constants(ensemble: Ensemble) -> dict[str, Any]:
    """The ensemble's number."""
    number = next(_NUMBERS)
    _KNOWN[number] = ensemble
    return {"ensemble": ensemble, "number": number, "operator": _operator()}


def summed(tables: Any, rows: Any, targets: Array) -> Any:
    """The sum of the leaves' values by target, shape [n, targets].

    Args:
        tables: with the constants.
        rows: the rows' columns by :meth:`edgekit.classical.trees.columns.Columns.signed`.
        targets: int [trees, outputs]: the target that each output of each tree adds to.
    """
    return tables.operator(rows, tables.number, targets.reshape(-1).tolist())


@cache
def _operator() -> Any:
    """``edgekit::trees(rows, number, targets)``, which torch itself computes by walking."""
    import torch

    made = torch.library.custom_op(
        "edgekit::trees", _walked, mutates_args=(), schema="(Tensor rows, int number, int[] targets) -> Tensor"
    )
    made.register_fake(_shape)
    return torch.ops.edgekit.trees.default


def _shape(rows: Any, number: int, targets: Sequence[int]) -> Any:  # noqa: ARG001 - the operator's own names
    return rows.new_empty((rows.shape[0], max(targets) + 1))


def _walked(rows: Any, number: int, targets: Sequence[int]) -> Any:
    ensemble = _KNOWN[number]
    columns = ensemble.columns
    tables = fitted(None, **traversal.constants(ensemble), **columns.constants())
    # Memberships need the features alone.
    given = columns.given(tables, rows[:, : columns.features])
    values = traversal.leaf_values(tables, given).reshape(len(rows), -1)
    sums = rows.new_zeros((len(rows), max(targets) + 1))
    return sums.index_add(1, torch.tensor(targets, dtype=torch.int64), values)


def translations() -> dict[Any, Any]:
    """What torch.onnx writes for the operator: its ``custom_translation_table``."""
    from onnxscript.onnx_opset import opset_ai_onnx_ml3

    def written(rows: Any, number: int, targets: Sequence[int]) -> Any:
        return opset_ai_onnx_ml3.TreeEnsembleRegressor(rows, **_attributes(_KNOWN[number], targets))

    return {_operator(): written}


def _attributes(ensemble: Ensemble, targets: Sequence[int]) -> dict[str, Any]:
    """The attributes of TreeEnsembleRegressor: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html."""
    parts = [_tree(ensemble, index) for index in range(len(ensemble.trees))]
    nodes = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    leaves = np.flatnonzero(nodes.pop("leaf"))
    slots, outputs = nodes.pop("slot")[leaves], ensemble.outputs
    owners = np.asarray(targets).reshape(-1, outputs)[nodes["nodes_treeids"][leaves]]
    modes = np.full(len(nodes["nodes_values"]), "BRANCH_LEQ", dtype=object)
    modes[leaves] = "LEAF"
    return {
        **{name: array.tolist() for name, array in nodes.items()},
        "nodes_modes": modes.tolist(),
        "target_treeids": np.repeat(nodes["nodes_treeids"][leaves], outputs).tolist(),
        "target_nodeids": np.repeat(nodes["nodes_nodeids"][leaves], outputs).tolist(),
        "target_ids": owners.reshape(-1).tolist(),
        "target_weights": ensemble.values[slots].reshape(-1).tolist(),
        "n_targets": max(targets) + 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }


def _tree(ensemble: Ensemble, index: int) -> dict[str, Array]:
    """A tree's nodes in the operator's attributes."""
    tree, columns = ensemble.trees[index], ensemble.columns
    order = np.array(tree.breadth_first())
    place = np.zeros(len(tree.feature), np.int64)
    place[order] = np.arange(len(order))
    splits = tree.feature >= 0
    column, threshold = ensemble.column[index], ensemble.threshold[index]
    # Where NaN goes left: x > t is -x <= -(the next number after t), and its sides are changed. The operator could be
    # told of NaN instead, but then asks at every node.
    turned = columns.second(column)
    threshold = np.where(turned, -np.nextafter(threshold.astype(np.float32), np.float32(np.inf)), threshold)
    yes, no = np.where(turned, [tree.right, tree.left], [tree.left, tree.right])
    return {
        "nodes_treeids": np.full(len(order), index),
        "nodes_nodeids": np.arange(len(order)),
        "nodes_featureids": np.where(splits, column, 0)[order],
        "nodes_values": threshold[order],
        "nodes_truenodeids": np.where(splits, place[yes], 0)[order],
        "nodes_falsenodeids": np.where(splits, place[no], 0)[order],
        "leaf": ~splits[order],
        "slot": ensemble.slot[index][order],
    }
