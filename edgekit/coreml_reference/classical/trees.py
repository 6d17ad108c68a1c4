"""Tree ensembles: ``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor`` of Apple's TreeEnsemble.proto.

Nodes are read once into arrays; all trees of all rows go down one level at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.coreml_reference.classical import links
from edgekit.coreml_reference.classical.columns import Columns, matrix
from edgekit.coreml_reference.classical.labels import classified, require_labels
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Array

_ASKED = "read the tree ensemble"
# TreeNode.TreeNodeBehavior
_LESS_EQUAL, _LESS, _GREATER_EQUAL, _GREATER, _EQUAL, _NOT_EQUAL, _LEAF = range(7)
# TreeEnsemblePostEvaluationTransform
_NO_TRANSFORM, _SOFTMAX, _LOGISTIC, _SOFTMAX_ZERO = range(4)
# How many (row, tree) pairs go down together: bounds the memory of a batch.
_PAIRS = 1 << 20


@dataclass(frozen=True)
class Forest:
    """Every node of every tree.

    A branch goes to ``yes`` where the feature is at most (or, where ``equal``, exactly) the threshold: every other
    behaviour is one of these with its children or its threshold changed. A leaf goes to itself.

    Attributes:
        feature: what a branch looks at.
        threshold: what it compares with.
        equal: which branches ask for equality; ``None`` where none does.
        yes: the next node where the answer is yes.
        no: the next node where it is no.
        missing: the next node where the feature is NaN.
        roots: the first node of each tree.
        start: where a leaf's values begin in ``index`` and ``value``.
        count: how many values it has.
        index: which dimension a value is added to.
        value: the value.
        base: what the sum starts with, by dimension.
    """

    feature: Array
    threshold: Array
    equal: Array | None
    yes: Array
    no: Array
    missing: Array
    roots: Array
    start: Array
    count: Array
    index: Array
    value: Array
    base: Array

    def evaluate(self, rows: Array) -> Array:
        """The sums of the leaves that rows [n, features] reach: float64 [n, dimensions].

        Raises:
            InputError: there are fewer features than the trees look at.
        """
        if self.feature.max() >= rows.shape[1]:
            raise InputError(
                f"run with {rows.shape[1]} features", f"the trees look at feature {self.feature.max()}", ""
            )
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(rows, self.threshold.dtype)
        step = max(1, _PAIRS // len(self.roots))
        parts = [self._sum(self._leaves(rows[first : first + step])) for first in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.base)))

    def _leaves(self, rows: Array) -> Array:
        """The leaf of each tree for each row: [n, trees]."""
        trees = len(self.roots)
        where = np.tile(self.roots, len(rows))
        offsets = np.repeat(np.arange(len(rows)) * rows.shape[1], trees)
        flat = rows.reshape(-1)
        going = np.arange(len(where))
        while True:
            nodes = where[going]
            going = going[self.count[nodes] == 0]
            if not going.size:
                return where.reshape(len(rows), trees)
            nodes = where[going]
            values = flat[offsets[going] + self.feature[nodes]]
            thresholds = self.threshold[nodes]
            answer = values <= thresholds
            if self.equal is not None:
                answer = np.where(self.equal[nodes], values == thresholds, answer)
            ahead = np.where(answer, self.yes[nodes], self.no[nodes])
            gaps = np.isnan(values)
            if gaps.any():
                ahead = np.where(gaps, self.missing[nodes], ahead)
            where[going] = ahead

    def _sum(self, leaves: Array) -> Array:
        """The base plus the leaves' values: [n, dimensions]."""
        flat = leaves.reshape(-1)
        counts = self.count[flat]
        ends = np.cumsum(counts)
        at = np.arange(ends[-1]) + np.repeat(self.start[flat] - ends + counts, counts)
        rows = np.repeat(np.arange(len(flat)) // leaves.shape[1], counts)
        dimensions = len(self.base)
        sums = np.bincount(
            rows * dimensions + self.index[at], weights=self.value[at], minlength=len(leaves) * dimensions
        )
        total: Array = sums.reshape(len(leaves), dimensions) + self.base
        return total


def read_forest(parameters: Message) -> Forest:
    """The trees in a ``TreeEnsembleParameters`` message.

    Raises:
        InputError: the nodes are no trees.
    """
    nodes = list(parameters.nodes)
    behaviour = np.array([node.nodeBehavior for node in nodes], np.int64)
    if not nodes or behaviour.max() > _LEAF:
        raise InputError(_ASKED, "it has no nodes, or some of an unknown behaviour", "convert the model again")
    yes, no, roots = _links(nodes, behaviour)
    missing = np.where(np.array([node.missingValueTracksTrueChild for node in nodes]), yes, no)
    thresholds = np.array([node.branchFeatureValue for node in nodes], np.float64)
    swapped = np.isin(behaviour, [_GREATER_EQUAL, _GREATER, _NOT_EQUAL])
    equal = np.isin(behaviour, [_EQUAL, _NOT_EQUAL])
    thresholds = _at_most(thresholds, np.isin(behaviour, [_LESS, _GREATER_EQUAL]), branches=behaviour != _LEAF)
    leaves = np.flatnonzero(behaviour == _LEAF)
    found = [list(nodes[place].evaluationInfo) for place in leaves.tolist()]
    values = [one for several in found for one in several]
    count = np.zeros(len(nodes), np.int64)
    count[leaves] = [len(several) for several in found]
    if not count[leaves].all():
        raise InputError(_ASKED, "a leaf has no value", "convert the model again")
    index = np.array([one.evaluationIndex for one in values], np.int64)
    dimensions = int(parameters.numPredictionDimensions)
    base = np.array(parameters.basePredictionValue, np.float64)
    base = base if base.size else np.zeros(dimensions)
    if not dimensions or len(base) != dimensions or index.max() >= dimensions:
        raise InputError(_ASKED, f"its values do not have {dimensions} dimensions", "convert the model again")
    return Forest(
        feature=np.where(behaviour == _LEAF, 0, np.array([node.branchFeatureIndex for node in nodes], np.int64)),
        threshold=thresholds,
        equal=equal if equal.any() else None,
        yes=np.where(swapped, no, yes),
        no=np.where(swapped, yes, no),
        missing=missing,
        roots=roots,
        start=np.cumsum(count) - count,
        count=count,
        index=index,
        value=np.array([one.evaluationValue for one in values], np.float64),
        base=base,
    )


def _at_most(thresholds: Array, strict: Array, *, branches: Array) -> Array:
    """Thresholds for ``<=``, in the type that they are compared in; ``<`` asks for the next smaller number.

    Where every threshold is a float32, Core ML compares in float32, as the library did that trained the trees
    (coremltools' xgboost converter rounds thresholds "to trigger the internal float32 detection").
    """
    with np.errstate(over="ignore"):
        single = thresholds.astype(np.float32)
    if np.array_equal(single[branches].astype(np.float64), thresholds[branches], equal_nan=True):
        thresholds = single
    with np.errstate(over="ignore"):
        below = np.nextafter(thresholds, thresholds.dtype.type(-np.inf))
    # Nothing is smaller than minus infinity: NaN is never reached.
    below[np.isneginf(thresholds)] = np.nan
    chosen: Array = np.where(strict, below, thresholds)
    return chosen


def _links(nodes: list[Any], behaviour: Array) -> tuple[Array, Array, Array]:
    """Where each node leads, as positions in the list: yes, no, and the roots in the order of their trees."""
    keys = [(node.treeId, node.nodeId) for node in nodes]
    places = {key: place for place, key in enumerate(keys)}
    if len(places) != len(nodes):
        raise InputError(_ASKED, "two nodes have the same number", "convert the model again")
    yes = np.arange(len(nodes))
    no = np.arange(len(nodes))
    branches = np.flatnonzero(behaviour != _LEAF)
    inner = [nodes[place] for place in branches.tolist()]
    try:
        yes[branches] = [places[node.treeId, node.trueChildNodeId] for node in inner]
        no[branches] = [places[node.treeId, node.falseChildNodeId] for node in inner]
    except KeyError as error:
        raise InputError(_ASKED, f"a branch leads to node {error}, which is not there", "") from error
    children = np.concatenate([yes[branches], no[branches]])
    parents = np.bincount(children, minlength=len(nodes))
    roots = np.flatnonzero(parents == 0)
    trees = [keys[root][0] for root in roots.tolist()]
    # One parent each, one root a tree, and everything below a root: no way down is endless.
    alone = parents.max() <= 1 and len(set(trees)) == len(trees) == len({tree for tree, _ in keys})
    if not alone or _below(roots, yes, no) != len(nodes):
        raise InputError(_ASKED, "its nodes are no trees", "convert the model again")
    return yes, no, roots[np.argsort(trees, kind="stable")]


def _below(roots: Array, yes: Array, no: Array) -> int:
    """How many nodes can be reached, where none has two parents."""
    reached, level = 0, roots
    while level.size:
        reached += level.size
        inner = level[yes[level] != level]
        level = np.concatenate([yes[inner], no[inner]])
    return reached


def transform(sums: Array, how: int) -> Array:
    """The sums after the ensemble's transform: [rows, dimensions], one more for the class of reference.

    Raises:
        UnsupportedError: a transform that is not known here.
    """
    if how == _NO_TRANSFORM:
        return sums
    if how == _LOGISTIC:
        return links.logistic(sums)
    if how == _SOFTMAX:
        return links.softmax(sums)
    if how == _SOFTMAX_ZERO:
        return links.softmax(np.concatenate([np.zeros((len(sums), 1)), sums], axis=1))
    raise UnsupportedError("evaluate a tree ensemble", f"its transform {how} is unknown here", "update edgekit")


@kind("treeEnsembleRegressor")
def tree_regressor(message: Message, interface: Interface) -> Stage:
    """A number, or an array of as many as the trees have dimensions."""
    forest = read_forest(message.treeEnsemble)
    how = message.postEvaluationTransform

    def run(columns: Columns) -> Columns:
        sums = transform(forest.evaluate(matrix(interface.inputs, columns)), how)
        return {interface.output(interface.label).name: sums[:, 0] if sums.shape[1] == 1 else sums}

    return run


@kind("treeEnsembleClassifier")
def tree_classifier(message: Message, interface: Interface) -> Stage:
    """A label and its probabilities."""
    labels = require_labels(message, _ASKED)
    forest = read_forest(message.treeEnsemble)
    how = message.postEvaluationTransform
    alone = len(forest.base) == 1 and how in {_NO_TRANSFORM, _LOGISTIC}
    if len(labels) != (2 if alone else len(forest.base) + (how == _SOFTMAX_ZERO)):
        raise InputError(_ASKED, f"{len(forest.base)} dimensions do not fit {len(labels)} classes", "")

    def run(columns: Columns) -> Columns:
        scores = transform(forest.evaluate(matrix(interface.inputs, columns)), how)
        if not alone:
            return classified(interface, labels, scores.argmax(axis=1), scores)
        # One number for two classes: above a half, in single precision, it is the second. Apple's tests of forests
        # hold ties to scikit-learn's first class, also where the sum is a half but for its last bit.
        chosen = (scores[:, 0].astype(np.float32) > 0.5).astype(np.int64)
        return classified(interface, labels, chosen, links.two_classes(scores[:, 0]))

    return run
