"""Discriminant analysis: classes as Gaussians with one covariance, or with one each."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear import affine, affine_constants, dense
from edgekit.classical.models.linear_classifiers import decided, two_sigmoids
from edgekit.classical.registry import Context, rule


@rule("LinearDiscriminantAnalysis")
def linear_discriminant_analysis(estimator: Any, context: Context) -> Any:
    """The softmax of ``X @ coef_.T + intercept_``, and ``(X - xbar_) @ scalings_``, without ``xbar_`` unless by svd."""
    del context
    # The middle of the classes' means, so that little cancels; it changes no answer.
    centre = dense(estimator.means_).mean(axis=0)
    weights = np.atleast_2d(dense(estimator.coef_)).T
    constants = affine_constants(weights, estimator.intercept_, centre)
    if estimator.solver != "lsqr":
        scalings = dense(estimator.scalings_)[:, : estimator._max_components]
        offset = -dense(estimator.xbar_) @ scalings if estimator.solver == "svd" else 0.0
        projection = affine_constants(scalings, offset, centre)
        constants |= {"scalings": scalings, "offset": projection["bias"]}
    return fitted(_linear, classes=estimator.classes_, **constants, projects=estimator.solver != "lsqr")


def _linear(model: Any, x: Any) -> Answers:
    scores = affine(model, x)
    two = scores.shape[1] == 1
    answers = decided(scores)
    answers["probabilities"] = two_sigmoids(scores[:, 0]) if two else torch.softmax(scores, dim=1)
    if model.projects:
        answers["transformed"] = (x - model.centre) @ model.scalings + model.offset
    return answers


@rule("QuadraticDiscriminantAnalysis")
def quadratic_discriminant_analysis(estimator: Any, context: Context) -> Any:
    """``-(‖(x - mean) R S^-½‖² + Σ log S) / 2 + log prior`` a class: ``QuadraticDiscriminantAnalysis``."""
    del context
    rotations = np.stack([r * s**-0.5 for r, s in zip(estimator.rotations_, estimator.scalings_, strict=True)])
    volumes = np.array([np.log(scaling).sum() for scaling in estimator.scalings_])
    return fitted(
        _quadratic,
        classes=estimator.classes_,
        means=dense(estimator.means_)[:, None],
        rotations=rotations,
        constant=np.log(estimator.priors_) - 0.5 * volumes,
    )


def _quadratic(model: Any, x: Any) -> Answers:
    projected = (x[None] - model.means) @ model.rotations
    logarithms = (projected * projected).sum(dim=2).transpose(0, 1) * -0.5 + model.constant
    scores = logarithms[:, 1] - logarithms[:, 0] if logarithms.shape[1] == 2 else logarithms
    return {
        "label": torch.argmax(logarithms, dim=1),
        "scores": scores,
        "probabilities": torch.softmax(logarithms, dim=1),
    }
