"""Classifiers by the signs or the largest of weighted sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear import affine, affine_constants, dense
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# Below it `expit` is zero in float64.
_EXPIT_ZERO = -709.78


def decided(scores: Any) -> Answers:
    """The answers ``label`` and ``scores`` of scores [n, k]: ``LinearClassifierMixin``.

    The position of the first maximum; with one column, whether it is above 0.
    """
    if scores.shape[1] == 1:
        score = scores[:, 0]
        return {"label": (score > 0).to(torch.int64), "scores": score}
    return {"label": torch.argmax(scores, dim=1), "scores": scores}


def two_sigmoids(score: Any) -> Any:
    """The probabilities [n, 2] of two classes by the score [n] of the second."""
    return torch.stack([torch.sigmoid(-score), torch.sigmoid(score)], dim=1)


def _constants(estimator: Any) -> dict[str, Any]:
    weights = np.atleast_2d(dense(estimator.coef_)).T
    return {**affine_constants(weights, estimator.intercept_), "classes": estimator.classes_}


@rule("LinearSVC", "PassiveAggressiveClassifier", "Perceptron")
def linear_classifier(estimator: Any, context: Context) -> Any:
    """``X @ coef_.T + intercept_``: ``LinearClassifierMixin.decision_function``."""
    del context
    return fitted(_label_and_scores, **_constants(estimator))


@rule("RidgeClassifier", "RidgeClassifierCV")
def ridge_classifier(estimator: Any, context: Context) -> Any:
    """``X @ coef_.T + intercept_``: ``LinearClassifierMixin.decision_function``.

    Raises:
        ConversionError: it has several labels a row.
    """
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        name = type(estimator).__name__
        raise ConversionError(f"convert a {name}", "it gives several labels a row", "convert one model a label")
    return linear_classifier(estimator, context)


def _label_and_scores(model: Any, x: Any) -> Answers:
    return decided(affine(model, x))


@rule("LogisticRegression", "LogisticRegressionCV")
def logistic_regression(estimator: Any, context: Context) -> Any:
    """``expit`` or ``softmax`` of the decision function: ``LogisticRegression.predict_proba``."""
    del context
    # Before scikit-learn 1.8 the setting `multi_class` chose among them: with "multinomial" two classes had the scores
    # -s and s, whose softmax is the sigmoid of 2 s.
    setting = getattr(estimator, "multi_class", "auto")
    many = len(estimator.classes_) > 2
    separate = setting == "ovr" or (setting != "multinomial" and estimator.solver == "liblinear")
    return fitted(
        _logistic,
        **_constants(estimator),
        normalized=many and separate,
        slope=2.0 if setting == "multinomial" and not many else 1.0,
    )


def _logistic(model: Any, x: Any) -> Answers:
    scores = affine(model, x)
    if model.normalized:
        probabilities = normalized_sigmoids(scores)
    elif scores.shape[1] == 1:
        probabilities = two_sigmoids(scores[:, 0] * model.slope)
    else:
        probabilities = torch.softmax(scores, dim=1)
    return {**decided(scores), "probabilities": probabilities}


def normalized_sigmoids(scores: Any) -> Any:
    """``expit(scores)`` over its sum a row: ``LinearClassifierMixin._predict_proba_lr``; uniform where all are 0.

    As the softmax of log-sigmoids, since float32's sigmoid is 0 long before float64's.
    """
    # torch's `logsigmoid` has no counterpart in every runtime: min(s, 0) - log(1 + exp(-|s|)).
    logarithms = scores.clamp(max=0.0) - torch.log(1.0 + torch.exp(-scores.abs()))
    none = scores.amax(dim=1, keepdim=True) < _EXPIT_ZERO
    return torch.softmax(torch.where(none, torch.zeros_like(logarithms), logarithms), dim=1)


@rule("SGDClassifier")
def sgd_classifier(estimator: Any, context: Context) -> Any:
    """Its loss decides on ``SGDClassifier.predict_proba``: log_loss and modified_huber have it."""
    del context
    answers = {"log_loss": _sigmoids, "modified_huber": _modified_huber}
    return fitted(answers.get(estimator.loss, _label_and_scores), **_constants(estimator))


def _sigmoids(model: Any, x: Any) -> Answers:
    scores = affine(model, x)
    two = scores.shape[1] == 1
    return {**decided(scores), "probabilities": two_sigmoids(scores[:, 0]) if two else normalized_sigmoids(scores)}


def _modified_huber(model: Any, x: Any) -> Answers:
    """``(clip(scores, -1, 1) + 1) / 2``, over its sum a row for more than two classes, uniform where that is 0."""
    scores = affine(model, x)
    shares = (scores.clamp(-1.0, 1.0) + 1.0) * 0.5
    if scores.shape[1] == 1:
        probabilities = torch.cat([1.0 - shares, shares], dim=1)
    else:
        none = scores.amax(dim=1, keepdim=True) <= -1.0
        shares = torch.where(none, torch.ones_like(shares), shares)
        probabilities = shares / shares.sum(dim=1, keepdim=True)
    return {**decided(scores), "probabilities": probabilities}


@rule("SGDOneClassSVM")
def sgd_one_class_svm(estimator: Any, context: Context) -> Any:
    """``X @ coef_ - offset_``, and 1 where it is at least 0, otherwise -1: ``SGDOneClassSVM.predict``."""
    del context
    weights = np.atleast_2d(dense(estimator.coef_)).T
    return fitted(_inlier, **affine_constants(weights, -dense(estimator.offset_)))


def _inlier(model: Any, x: Any) -> Answers:
    score = affine(model, x)[:, 0]
    return {"label": (score >= 0).to(torch.int64) * 2 - 1, "scores": score}
