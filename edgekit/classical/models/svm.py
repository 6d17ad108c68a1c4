"""Support vector machines, as libsvm evaluates them (``sklearn/svm/src/libsvm/svm.cpp``)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.kernels import kernel_answer
from edgekit.classical.models.outliers import signs
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array

_KERNELS = ("linear", "poly", "rbf", "sigmoid")
# Of pairwise probabilities, as `predict_probability` bounds them.
_LEAST_PROBABILITY = 1e-7
# Beyond this `coef0` the hyperbolic tangent's addition theorem divides by nearly 0.
_LARGEST_SHIFT = 3.0
# Sweeps of `multiclass_probability` until it stops, of 20,000 random pairwise matrices: 4 at most up to 5 classes, 7 of
# 100 classes.
_SWEEPS, _SWEEPS_OF_MANY, _MANY = 5, 8, 6


@rule("SVR", "NuSVR")
def support_vector_regression(estimator: Any, context: Context) -> Any:
    """``Σ coefficient · kernel(x, support vector) + intercept``: libsvm's ``predict_values``."""
    del context
    return fitted(_regress, **_machine(estimator, _dense(estimator._dual_coef_).T))


@rule("OneClassSVM")
def one_class(estimator: Any, context: Context) -> Any:
    """1 where the decision function is above 0, else -1: libsvm's ``predict_values`` of ``ONE_CLASS``."""
    del context
    return fitted(_one_class, **_machine(estimator, _dense(estimator._dual_coef_).T))


@rule("SVC", "NuSVC")
def support_vector_classifier(estimator: Any, context: Context) -> Any:
    """The class with most votes of all pairs of classes, the first of equals: libsvm's ``predict_values``.

    ``scores`` are ``BaseSVC.decision_function``: of each pair (``ovo``), or votes and, between them, a squashed sum of
    the pairs' scores (``ovr``). ``probabilities`` are libsvm's ``predict_probability`` where the fit prepared it.
    """
    del context
    classes = estimator.classes_
    one_versus_rest = estimator.decision_function_shape == "ovr" and len(classes) > 2
    constants: dict[str, Any] = {
        "one_versus_rest": one_versus_rest,
        "break_ties": bool(estimator.break_ties and one_versus_rest),
        "probability": _gives_probabilities(estimator),
        **_machine(estimator, _pair_weights(estimator)),
        **_pair_matrices(len(classes)),
    }
    if constants["probability"]:
        constants |= {"slopes": np.asarray(estimator._probA), "offsets": np.asarray(estimator._probB)}
    return fitted(_classify, classes=classes, **constants)


def _machine(estimator: Any, weights: Array) -> dict[str, Any]:
    """The constants of ``kernel(x, support vectors) @ weights + intercept``; of linear ones, of ``x @ weights``."""
    kernel = estimator.kernel
    if kernel not in _KERNELS:
        why = f"its kernel is {kernel!r}" if isinstance(kernel, str) else "its kernel is a Python function"
        todo = f"fit it with one of {', '.join(_KERNELS)}"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, todo)
    points = _dense(estimator.support_vectors_)
    shared = {"kernel": kernel, "intercept": np.asarray(estimator._intercept_, np.float64)}
    if kernel == "linear":
        # Around the support vectors' mean, as the products of unscaled columns are large and cancel.
        directions = points.T @ weights
        middle = points.mean(axis=0) if len(points) else np.zeros(directions.shape[0])
        return {
            **shared,
            "weights": directions,
            "middle": middle,
            "intercept": shared["intercept"] + middle @ directions,
        }
    if kernel == "sigmoid" and abs(estimator.coef0) <= _LARGEST_SHIFT:
        # tanh(a + c) - tanh(c) instead of tanh(a + c), as the sums of tanh(c) are large and cancel.
        shift = float(np.tanh(estimator.coef0))
        directions = float(estimator._gamma) * points.T
        shifted = {**shared, "kernel": "shifted sigmoid", "shift": shift, "directions": directions, "weights": weights}
        return {**shifted, "intercept": shared["intercept"] + shift * weights.sum(axis=0)}
    settings = {"gamma": float(estimator._gamma), "coef0": float(estimator.coef0), "degree": float(estimator.degree)}
    return {**shared, **settings, "points": points, "weights": weights}


def _dense(values: Any) -> Array:
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def _pair_weights(estimator: Any) -> Array:
    """The coefficients of all support vectors for each pair of classes, shape [support vectors, pairs].

    Of the pair (i, j), class i's support vectors have row ``j - 1`` of ``dual_coef_``, and class j's have row ``i``.
    """
    coefficients = _dense(estimator._dual_coef_)
    ends = np.cumsum(estimator._n_support)
    spans = [slice(end - count, end) for end, count in zip(ends, estimator._n_support, strict=True)]
    pairs = list(combinations(range(len(estimator.classes_)), 2))
    weights = np.zeros((coefficients.shape[1], len(pairs)))
    for at, (i, j) in enumerate(pairs):
        weights[spans[i], at] = coefficients[j - 1, spans[i]]
        weights[spans[j], at] = coefficients[i, spans[j]]
    return weights


def _pair_matrices(count: int) -> dict[str, Any]:
    """From pairs to classes: 1 at the first of a pair, 1 at the second; and the matrices [pairs, classes * classes]."""
    pairs = list(combinations(range(count), 2))
    first, second = np.zeros((len(pairs), count)), np.zeros((len(pairs), count))
    upper, lower = np.zeros((len(pairs), count, count)), np.zeros((len(pairs), count, count))
    for at, (i, j) in enumerate(pairs):
        first[at, i] = second[at, j] = 1.0
        upper[at, i, j] = lower[at, j, i] = 1.0
    flat = {"upper": upper.reshape(len(pairs), -1), "lower": lower.reshape(len(pairs), -1)}
    return {"first": first, "second": second, "count": count, "unit": np.eye(count), **flat}


def _gives_probabilities(estimator: Any) -> bool:
    asked = estimator.probability
    return bool(asked != "deprecated" and asked and len(estimator._probA))


def _values(model: Any, x: Any) -> Any:
    if model.kernel == "linear":
        return (x - model.middle) @ model.weights + model.intercept
    if model.kernel == "shifted sigmoid":
        part = torch.tanh(x @ model.directions)
        kernel = part * (1.0 - model.shift**2) / (part * model.shift + 1.0)
        return kernel @ model.weights + model.intercept
    return kernel_answer(model, x) @ model.weights + model.intercept


def _regress(model: Any, x: Any) -> Answers:
    return {"prediction": _values(model, x)[:, 0]}


def _one_class(model: Any, x: Any) -> Answers:
    scores = _values(model, x)[:, 0]
    return {"label": signs(scores > 0), "scores": scores}


def _classify(model: Any, x: Any) -> Answers:
    values = _values(model, x)
    won = (values > 0).to(x.dtype)
    votes = won @ model.first + (1.0 - won) @ model.second
    scores = -values[:, 0] if model.count == 2 else values
    if model.one_versus_rest:
        # `_ovr_decision_function`, where a pair's score of exactly 0 is a vote for the first.
        won = (values >= 0).to(x.dtype)
        sums = values @ (model.first - model.second)
        scores = won @ model.first + (1.0 - won) @ model.second + sums / (3.0 * (sums.abs() + 1.0))
    answers = {"label": torch.argmax(scores if model.break_ties else votes, dim=1), "scores": scores}
    if model.probability:
        answers["probabilities"] = _couple(model, values * model.slopes + model.offsets)
    return answers


def _couple(model: Any, logits: Any) -> Any:
    """The classes' probabilities of minus the logits of all pairs [n, pairs]: libsvm's ``multiclass_probability``.

    It minimises ``p @ Q @ p``, one class after another, and stops far from the minimum, so each sweep is done as it
    does it: ``state`` is ``p`` beside ``Q @ p``, and a row that has converged stays as it is.
    """
    count = model.count
    # r of the pair (i, j): its probability at [i, j]; the rest of 1, of a sigmoid of its own for its digits, at [j, i].
    first = torch.sigmoid(-logits).clamp(_LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    second = torch.sigmoid(logits).clamp(_LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY)
    r = (first @ model.upper + second @ model.lower).reshape(-1, count, count)
    transposed = r.transpose(1, 2)
    diagonal = (r * r).sum(dim=1)
    q = model.unit * diagonal[:, None, :] - r * transposed
    p = torch.full_like(diagonal, 1.0 / count)
    for _ in range(_SWEEPS if count < _MANY else _SWEEPS_OF_MANY):
        product = (q * p[:, None, :]).sum(dim=2)
        total = (p * product).sum(dim=1, keepdim=True)
        going = (product - total).abs().amax(dim=1, keepdim=True) >= 0.005 / count
        p = torch.where(going, _sweep(model, q, diagonal, p, product, total), p)
    return p


def _sweep(model: Any, q: Any, diagonal: Any, p: Any, product: Any, total: Any) -> Any:
    for t in range(model.count):
        own, at = diagonal[:, t : t + 1], product[:, t : t + 1]
        step = (total - at) / own
        # Divided, not multiplied by 1 / sum: Core ML's `inverse` adds 1e-4 to what it inverts.
        added = 1.0 + step
        total = (total + step * (step * own + 2.0 * at)) / added / added
        product = (product + step * q[:, t]) / added
        p = (p + step * model.unit[t]) / added
    return p
