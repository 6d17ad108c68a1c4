"""Linear models: a weighted sum of the features, and what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array


def dense(values: Any) -> Array:
    """A fitted attribute as a dense float64 array: ``sparsify()`` leaves coefficients sparse."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def affine_constants(weights: Any, bias: Any, centre: Any = None) -> dict[str, Any]:
    """The constants of :func:`affine`: ``x @ weights + bias``.

    Args:
        weights: shape [features, outputs].
        bias: shape [outputs], or one number.
        centre: where the data lie, shape [features]: taken from the rows first, so that less of the sum cancels. The
            same numbers result, as the bias takes it in.
    """
    weights, bias = dense(weights), np.atleast_1d(dense(bias))
    constants: dict[str, Any] = {"weights": weights, "centre": None}
    if centre is not None:
        # Rounded as the module holds it: what is subtracted from the rows is what the bias takes in.
        constants["centre"] = dense(centre).astype(np.float32)
        bias = bias + constants["centre"].astype(np.float64) @ weights
    return {**constants, "bias": bias}


def affine(model: Any, x: Any) -> Any:
    """``x @ weights + bias`` with the constants of :func:`affine_constants`, shape [n, outputs]."""
    centred = x if model.centre is None else x - model.centre
    return centred @ model.weights + model.bias


@rule(
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)
def linear_regression(estimator: Any, context: Context) -> Any:
    """``X @ coef_.T + intercept_``: ``LinearModel._decision_function``."""
    del context
    weights = dense(estimator.coef_)
    return fitted(
        _prediction,
        **affine_constants(np.atleast_2d(weights).T, estimator.intercept_),
        single=weights.ndim == 1,
    )


def _prediction(model: Any, x: Any) -> Answers:
    value = affine(model, x)
    return {"prediction": value[:, 0] if model.single else value}


@rule("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
def generalized_linear_regression(estimator: Any, context: Context) -> Any:
    """``link.inverse(X @ coef_ + intercept_)``: ``_GeneralizedLinearRegressor.predict``.

    Raises:
        ConversionError: the link is neither the logarithm nor the identity.
    """
    del context
    link = type(estimator._get_loss().link).__name__
    if link not in ("IdentityLink", "LogLink"):
        name = type(estimator).__name__
        raise ConversionError(f"convert a {name}", f"edgekit does not know its link, {link}", "use link='log'")
    weights = dense(estimator.coef_)[:, None]
    return fitted(_inverse_link, **affine_constants(weights, estimator.intercept_), log=link == "LogLink")


def _inverse_link(model: Any, x: Any) -> Answers:
    value = affine(model, x)[:, 0]
    return {"prediction": torch.exp(value) if model.log else value}


@rule("RANSACRegressor")
def ransac(estimator: Any, context: Context) -> Any:
    """``estimator_.predict``: the regressor that was fitted to the inliers."""
    return fitted(_inner_prediction, inner=context.build(estimator.estimator_, "estimator"))


def _inner_prediction(model: Any, x: Any) -> Answers:
    return {"prediction": model.inner.answers(x)["prediction"]}
