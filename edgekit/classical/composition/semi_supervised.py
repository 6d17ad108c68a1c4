"""Classifiers that were fitted on rows of which some had no label."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.kernels import squared_distances
from edgekit.classical.models.neighbors import nearest, search_constants, weighted_sums
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# From it on `exp(-x)` is zero in float64.
_EXP_ZERO = 745.14


@rule("LabelPropagation", "LabelSpreading")
def label_propagation(estimator: Any, context: Context) -> Any:
    """The mean of the near rows' distributions over labels: ``BaseLabelPropagation.predict_proba``.

    A row that is near to none has probabilities of NaN and the first label, as the original gives.

    Raises:
        ConversionError: the kernel is a Python function.
    """
    del context
    distributions = np.asarray(estimator.label_distributions_, np.float64)
    if estimator.kernel == "knn":
        constants = {**search_constants(estimator.nn_fit), "k": int(estimator.nn_fit.n_neighbors)}
        return fitted(_by_neighbors, classes=estimator.classes_, table=distributions, **constants)
    if estimator.kernel != "rbf":
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, "its kernel is a Python function", 'fit it with kernel="rbf" or kernel="knn"')
    points = estimator.X_.toarray() if hasattr(estimator.X_, "toarray") else np.asarray(estimator.X_)
    # Rows that no label reached add nothing.
    reached = distributions.any(axis=1)
    return fitted(
        _by_kernel,
        classes=estimator.classes_,
        points=points[reached].astype(np.float64),
        gamma=float(estimator.gamma),
        table=distributions[reached],
    )


def _by_kernel(model: Any, x: Any) -> Answers:
    exponents = squared_distances(x, model.points) * model.gamma
    # Over the largest weight: float32's `exp` is zero long before float64's.
    least = exponents.amin(dim=1, keepdim=True)
    sums = torch.exp(least - exponents) @ model.table
    return _shares(sums, least > _EXP_ZERO)


def _by_neighbors(model: Any, x: Any) -> Answers:
    _, mask, candidates = nearest(model, x)
    sums = weighted_sums(mask, model.table, candidates)
    return _shares(sums, sums.sum(dim=1, keepdim=True) == 0)


def _shares(sums: Any, nothing: Any) -> Answers:
    """Sums over their sum, and the first largest; of rows with nothing near, NaN and the first."""
    shares = sums / torch.where(nothing, torch.ones_like(sums), sums).sum(dim=1, keepdim=True)
    label = torch.argmax(torch.where(nothing, torch.zeros_like(sums), sums), dim=1)
    return {"label": label, "probabilities": torch.where(nothing, torch.full_like(shares, float("nan")), shares)}


@rule("SelfTrainingClassifier", shifts=True)
def self_training(estimator: Any, context: Context) -> Any:
    """What ``estimator_`` answers."""
    return part(context, estimator.estimator_, "estimator")
