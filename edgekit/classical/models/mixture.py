"""Gaussian mixtures: how likely a row is under each component."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule


@rule("GaussianMixture", "BayesianGaussianMixture")
def gaussian_mixture(estimator: Any, context: Context) -> Any:
    """The softmax of ``log weight + log density``: ``BaseMixture.predict_proba``; its first largest is the label.

    A density is ``-½ ‖(x - mean) @ precision_cholesky‖² + log|precision_cholesky|``, with the terms of the Wishart
    prior beside it in the Bayesian one (``BayesianGaussianMixture._estimate_log_prob``): its value at the mean is taken
    from the estimator itself.
    """
    del context
    means = np.asarray(estimator.means_, np.float64)
    # Where a row is a component's mean, the squares of that component are 0.
    constants = np.diagonal(np.asarray(estimator._estimate_weighted_log_prob(means)))
    factors = np.asarray(estimator.precisions_cholesky_, np.float64)
    kind = estimator.covariance_type
    if kind == "spherical":
        factors = np.repeat(factors[:, None], means.shape[1], axis=1)
    if kind == "tied":
        factors = factors[None]
    answer = _whitened if kind in ("full", "tied") else _scaled
    return fitted(answer, means=means, factors=factors * np.sqrt(0.5), constants=constants)


def _scaled(model: Any, x: Any) -> Answers:
    deviations = (x[:, None, :] - model.means[None]) * model.factors[None]
    return _answers((deviations * deviations).sum(dim=2), model.constants)


def _whitened(model: Any, x: Any) -> Answers:
    deviations = torch.matmul((x[None] - model.means[:, None, :]), model.factors)
    return _answers((deviations * deviations).sum(dim=2).transpose(0, 1), model.constants)


def _answers(squares: Any, constants: Any) -> Answers:
    logs = constants - squares
    return {"label": torch.argmax(logs, dim=1), "probabilities": torch.softmax(logs, dim=1)}
