"""Naive Bayes: the features' log-likelihoods summed a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array


def _posterior(logarithms: Any) -> Answers:
    return {"label": torch.argmax(logarithms, dim=1), "probabilities": torch.softmax(logarithms, dim=1)}


@rule("GaussianNB")
def gaussian(estimator: Any, context: Context) -> Any:
    """``log prior - ½ Σ (log 2πσ² + (x - μ)² / σ²)``: ``GaussianNB._joint_log_likelihood``."""
    del context
    variances = np.asarray(estimator.var_)
    return fitted(
        _gaussian,
        classes=estimator.classes_,
        means=np.asarray(estimator.theta_)[None],
        precisions=np.sqrt(0.5 / variances)[None],
        constant=np.log(estimator.class_prior_) - 0.5 * np.log(2.0 * np.pi * variances).sum(axis=1),
    )


def _gaussian(model: Any, x: Any) -> Answers:
    deviation = (x[:, None, :] - model.means) * model.precisions
    return _posterior(model.constant - (deviation * deviation).sum(dim=2))


@rule("MultinomialNB")
def multinomial(estimator: Any, context: Context) -> Any:
    """``X @ feature_log_prob_.T + class_log_prior_``: ``MultinomialNB._joint_log_likelihood``."""
    del context
    return _weighted(estimator, estimator.feature_log_prob_, estimator.class_log_prior_)


@rule("ComplementNB")
def complement(estimator: Any, context: Context) -> Any:
    """``X @ feature_log_prob_.T``, without the prior: ``ComplementNB._joint_log_likelihood``."""
    del context
    return _weighted(estimator, estimator.feature_log_prob_, np.zeros(len(estimator.classes_)))


@rule("BernoulliNB")
def bernoulli(estimator: Any, context: Context) -> Any:
    """``Σ x log p + (1 - x) log(1 - p)`` of rows cut at ``binarize``: ``BernoulliNB._joint_log_likelihood``."""
    del context
    present = np.asarray(estimator.feature_log_prob_)
    absent = np.log(1.0 - np.exp(present))
    threshold = None
    if estimator.binarize is not None:
        # The largest float32 up to it: the same float32 numbers lie above both.
        threshold = np.float32(estimator.binarize)
        if float(threshold) > estimator.binarize:
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        threshold = float(threshold)
    return _weighted(estimator, present - absent, estimator.class_log_prior_ + absent.sum(axis=1), threshold)


def _weighted(estimator: Any, weights: Array, bias: Array, threshold: float | None = None) -> Any:
    # Only differences between classes matter: without their mean, less cancels in the softmax.
    finite = bool(np.isfinite(weights).all())
    return fitted(
        _log_linear,
        classes=estimator.classes_,
        weights=(weights - weights.mean(axis=0) if finite else weights).T,
        bias=bias - bias.mean(),
        threshold=threshold,
    )


def _log_linear(model: Any, x: Any) -> Answers:
    if model.threshold is not None:
        x = (x > model.threshold).to(x.dtype)
    return _posterior(x @ model.weights + model.bias)


@rule("CategoricalNB")
def categorical(estimator: Any, context: Context) -> Any:
    """``Σ feature_log_prob_[i][:, x_i] + class_log_prior_``: ``CategoricalNB._joint_log_likelihood``.

    Each category of each feature is a column that is 1 where the row has it.
    """
    del context
    tables = [np.asarray(table) for table in estimator.feature_log_prob_]
    weights = np.concatenate([(table - table.mean(axis=0)).T for table in tables])
    return fitted(
        _categorical,
        classes=estimator.classes_,
        features=np.concatenate([np.full(table.shape[1], i) for i, table in enumerate(tables)]),
        categories=np.concatenate([np.arange(table.shape[1], dtype=np.float64) for table in tables]),
        weights=weights,
        bias=np.asarray(estimator.class_log_prior_),
    )


def _categorical(model: Any, x: Any) -> Answers:
    # As a cast to integers: fractions go. Negative categories the original refuses.
    found = torch.index_select(torch.floor(x), 1, model.features)
    return _posterior((found == model.categories).to(x.dtype) @ model.weights + model.bias)
