"""Clusters with centres: the nearest one, and how far all are."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.distances import metric_constants, squared_euclidean
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError


@rule("KMeans", "MiniBatchKMeans")
def k_means(estimator: Any, context: Context) -> Any:
    """The first of the nearest centres; the Euclidean distances to all: ``_BaseKMeans.predict`` and ``transform``."""
    del context
    return fitted(_nearest_centre, **_centres(estimator, estimator.cluster_centers_), labels=None, transforms=True)


@rule("MeanShift", "AffinityPropagation")
def nearest_centre(estimator: Any, context: Context) -> Any:
    """The first of the nearest centres: ``MeanShift.predict``, ``AffinityPropagation.predict``.

    An affinity propagation that did not converge has no centres: the label is -1 then.
    """
    del context
    if not hasattr(estimator, "cluster_centers_"):
        why = "with affinity='precomputed' it cannot predict new rows"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, 'fit it with affinity="euclidean"')
    if not len(estimator.cluster_centers_):
        return fitted(_no_centre)
    return fitted(_nearest_centre, **_centres(estimator, estimator.cluster_centers_), labels=None, transforms=False)


@rule("Birch")
def birch(estimator: Any, context: Context) -> Any:
    """The label of the first of the nearest subclusters, the distances to all: ``Birch.predict``, ``transform``."""
    del context
    labels = np.asarray(estimator.subcluster_labels_, np.int64)
    constants = _centres(estimator, estimator.subcluster_centers_)
    return fitted(_nearest_centre, **constants, labels=labels, transforms=True)


@rule("BisectingKMeans")
def bisecting_k_means(estimator: Any, context: Context) -> Any:
    """Down the tree of bisections, at each to the nearer of two centres: ``BisectingKMeans._predict_recursive``.

    All bisections are answered at once; a leaf is reached where as many of them lead to it as it is deep::

        left [n, bisections] → left @ ways + offsets [n, leaves] = how many lead to the leaf, less its depth
    """
    del context
    mean = getattr(estimator, "_X_mean", 0.0)
    pairs: list[Any] = []
    leaves: list[tuple[int, dict[int, int]]] = []
    _walk(estimator._bisecting_tree, {}, pairs, leaves)
    ways = np.zeros((len(pairs), len(leaves)))
    offsets = np.zeros(len(leaves))
    for position, (_, path) in enumerate(leaves):
        for node, left in path.items():
            ways[node, position] = 1.0 if left else -1.0
            offsets[position] -= left
    asked = f"convert a {type(estimator).__name__}"
    halves = np.concatenate([[left for left, _ in pairs], [right for _, right in pairs]]) + mean if pairs else None
    return fitted(
        _bisect,
        **_centres(estimator, estimator.cluster_centers_),
        halves=None if halves is None else fitted(_squares, **metric_constants(asked, halves, "euclidean")),
        ways=ways,
        offsets=offsets,
        leaf_labels=np.array([label for label, _ in leaves], np.int64),
        bisections=len(pairs),
    )


def _walk(node: Any, path: dict[int, int], pairs: list[Any], leaves: list[tuple[int, dict[int, int]]]) -> None:
    stack = [(node, path)]
    while stack:
        node, path = stack.pop()
        if node.left is None:
            leaves.append((int(node.label), path))
            continue
        at = len(pairs)
        pairs.append((node.left.center, node.right.center))
        stack += [(node.right, {**path, at: 0}), (node.left, {**path, at: 1})]


def _centres(estimator: Any, centres: Any) -> dict[str, Any]:
    return metric_constants(f"convert a {type(estimator).__name__}", centres, "euclidean")


def _nearest_centre(model: Any, x: Any) -> Answers:
    squares = squared_euclidean(model, x)
    label = torch.argmin(squares, dim=1)
    answers = {"label": label if model.labels is None else model.labels[label]}
    if model.transforms:
        answers["distances"] = torch.sqrt(squares)
    return answers


def _no_centre(model: Any, x: Any) -> Answers:
    del model
    return {"label": (x[:, 0] * 0.0).to(torch.int64) - 1}


def _squares(model: Any, x: Any) -> Answers:
    return {"distances": squared_euclidean(model, x)}


def _bisect(model: Any, x: Any) -> Answers:
    distances = torch.sqrt(squared_euclidean(model, x))
    if model.halves is None:
        return {"label": torch.argmin(distances, dim=1), "distances": distances}
    squares = squared_euclidean(model.halves, x)
    left = (squares[:, : model.bisections] <= squares[:, model.bisections :]).to(x.dtype)
    label = model.leaf_labels[torch.argmax(left @ model.ways + model.offsets, dim=1)]
    return {"label": label, "distances": distances}
