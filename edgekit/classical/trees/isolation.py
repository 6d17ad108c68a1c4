"""Isolation forests: how deep a row falls, summed so exactly that rows at the threshold keep their side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees.forest import forest, summed
from edgekit.classical.trees.scikit_learn import tree_of
from edgekit.signature import Array

# Sums of numbers in two parts are off by less than this share: what is nearer to a threshold counts as on it.
_NEAR = 1e-10


def in_two(values: Array, most: float) -> Array:
    """Numbers as a coarse part and the rest, shape [..., 2]: float32 sums coarse parts up to ``most`` exactly."""
    grid = 2.0 ** (23 - math.ceil(math.log2(max(most, 1e-30))))
    coarse = np.round(np.asarray(values, np.float64) * grid) / grid
    return np.stack([coarse, values - coarse], axis=-1)


def reaches(sums: Any, least: Any) -> Any:
    """Whether sums [..., 2] of numbers :func:`in_two` are at least a number in two parts."""
    gap = sums - least
    return gap[..., 0] + gap[..., 1] >= 0


def threshold_of(value: float, most: float) -> Array:
    """What sums of numbers :func:`in_two` have to reach: the value, less what float32 may be off by."""
    return in_two(np.asarray(value - _NEAR * most), most)


@rule("IsolationForest", shifts=True)
def isolation_forest(estimator: Any, context: Context) -> Any:
    """``-2 ** (-depth / (trees * c)) - offset_``: ``IsolationForest.decision_function``; ``-1`` below 0."""
    depths = [
        np.asarray(length) + average - 1.0
        for length, average in zip(
            estimator._decision_path_lengths, estimator._average_path_length_per_tree, strict=True
        )
    ]
    most = max(float(sum(depth.max() for depth in depths)), 1.0)
    trees = [
        tree_of(part, in_two(depth, most), features, missing=True)
        for part, depth, features in zip(estimator.estimators_, depths, estimator.estimators_features_, strict=True)
    ]
    from sklearn.ensemble._iforest import _average_path_length

    unit = len(depths) * float(_average_path_length([estimator._max_samples])[0])
    offset = float(estimator.offset_)
    # A forest of single samples scores each row one half.
    least = -unit * math.log2(-offset) if unit else (-math.inf if offset <= -0.5 else math.inf)
    return fitted(
        _isolated,
        trees=forest(trees, context.before),
        least=threshold_of(least, most) if unit else np.array([least, 0.0]),
        rate=math.log(2) / unit if unit else 0.0,
        shift=0.0 if unit else math.log(2),
        offset=offset,
    )


def _isolated(model: Any, x: Any) -> Answers:
    sums = summed(model.trees, x)
    depth = sums[:, 0] + sums[:, 1]
    inside = reaches(sums, model.least)
    return {
        "label": inside.to(torch.int64) * 2 - 1,
        "scores": -torch.exp(-depth * model.rate - model.shift) - model.offset,
    }
