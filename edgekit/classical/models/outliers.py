"""Outliers by neighbors and by a covariance: 1 for a row like the others, -1 for an outlier."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.distances import unreduced
from edgekit.classical.models.neighbors import nearest, search_constants, weighted_sums
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError


@rule("LocalOutlierFactor")
def local_outlier_factor(estimator: Any, context: Context) -> Any:
    """Minus the neighbors' mean density over the row's own, less ``offset_``: ``LocalOutlierFactor.decision_function``.

    The density is the inverse of the mean of ``max(distance, the neighbor's distance to its own k-th neighbor)``.
    """
    del context
    if not estimator.novelty:
        why = "it scores only what it was fitted on"
        raise ConversionError("convert a LocalOutlierFactor", why, "fit it with novelty=True")
    k = int(estimator.n_neighbors_)
    return fitted(
        _local_outlier_factor,
        k=k,
        densities=np.asarray(estimator._lrd, np.float64)[:, None] / k,
        reach=np.asarray(estimator._distances_fit_X_[:, k - 1], np.float64),
        offset=float(estimator.offset_),
        **search_constants(estimator),
    )


@rule("EllipticEnvelope")
def elliptic_envelope(estimator: Any, context: Context) -> Any:
    """Minus the squared Mahalanobis distance, less ``offset_``: ``EllipticEnvelope.decision_function``."""
    del context
    values, vectors = np.linalg.eigh(estimator.get_precision())
    return fitted(
        _elliptic_envelope,
        location=estimator.location_,
        root=vectors * np.sqrt(np.clip(values, 0.0, None)),
        offset=float(estimator.offset_),
    )


def _local_outlier_factor(model: Any, x: Any) -> Answers:
    reduced, mask, candidates = nearest(model, x)
    reach = model.reach if candidates is None else model.reach[candidates]
    reached = (mask * torch.maximum(unreduced(model, reduced), reach)).sum(dim=1) / model.k + 1e-10
    scores = -weighted_sums(mask, model.densities, candidates)[:, 0] * reached - model.offset
    return {"label": signs(scores >= 0), "scores": scores}


def _elliptic_envelope(model: Any, x: Any) -> Answers:
    deviations = (x - model.location) @ model.root
    scores = -(deviations * deviations).sum(dim=1) - model.offset
    return {"label": signs(scores >= 0), "scores": scores}


def signs(inlier: Any) -> Any:
    """1 where true, -1 where false."""
    return inlier.to(torch.int64) * 2 - 1
