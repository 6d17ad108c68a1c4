"""Partial least squares: centred rows by their weights on the targets or the components."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.registry import Context, rule


@rule("CCA", "PLSCanonical", "PLSRegression")
def partial_least_squares(estimator: Any, context: Context) -> Any:
    """``(X - mean) @ coef_.T + intercept_``, ``(X - mean) / std @ x_rotations_``: ``_PLS.predict``, ``transform``."""
    del context
    return fitted(
        _predicted_and_transformed,
        centre=estimator._x_mean,
        weights=np.asarray(estimator.coef_).T,
        bias=np.asarray(estimator.intercept_),
        rotations=estimator.x_rotations_ / np.asarray(estimator._x_std)[:, None],
        single=bool(estimator._predict_1d),
    )


def _predicted_and_transformed(model: Any, x: Any) -> Answers:
    centred = x - model.centre
    value = centred @ model.weights + model.bias
    return {"prediction": value[:, 0] if model.single else value, "transformed": centred @ model.rotations}


@rule("PLSSVD")
def pls_svd(estimator: Any, context: Context) -> Any:
    """``(X - mean) / std @ x_weights_``: ``PLSSVD.transform``."""
    del context
    rotations = estimator.x_weights_ / np.asarray(estimator._x_std)[:, None]
    return fitted(_transformed, centre=estimator._x_mean, rotations=rotations)


def _transformed(model: Any, x: Any) -> Answers:
    return {"transformed": (x - model.centre) @ model.rotations}
