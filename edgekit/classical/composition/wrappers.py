"""Estimators around another (searches, thresholds, transformed targets), and those that answer a constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.inverses import inverse
from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError


@rule("GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "RandomizedSearchCV", shifts=True)
def search(estimator: Any, context: Context) -> Any:
    """What ``best_estimator_`` answers."""
    return part(context, estimator.best_estimator_, "best_estimator")


@rule("FrozenEstimator", shifts=True)
def frozen(estimator: Any, context: Context) -> Any:
    """What the estimator inside answers."""
    return part(context, estimator.estimator, "estimator")


@rule("FixedThresholdClassifier", "TunedThresholdClassifierCV", shifts=True)
def threshold(estimator: Any, context: Context) -> Any:
    """The positive class where its score is at least the threshold: ``_threshold_scores_to_class_labels``."""
    # Without `fit`, a classifier that was fitted before answers.
    classifier = getattr(estimator, "estimator_", estimator.estimator)
    inner = part(context, classifier, "estimator")
    method = estimator.response_method
    if method == "auto":
        method = "predict_proba" if hasattr(classifier, "predict_proba") else "decision_function"
    by_probability = method == "predict_proba"
    cut = estimator.best_threshold_ if hasattr(estimator, "best_threshold_") else estimator.threshold
    if cut == "auto":
        cut = 0.5 if by_probability else 0.0
    return fitted(
        _cut,
        classes=estimator.classes_,
        inner=inner,
        by_probability=by_probability,
        positive=_positive(estimator),
        # Rounded as the scores are: one that is the cut in float64 is the cut in float32, too.
        cut=float(np.float32(cut)),
    )


def _positive(estimator: Any) -> int:
    """The position of the positive class; where a scorer chose the threshold, of the scorer's."""
    scorer = getattr(estimator, "_curve_scorer", None)
    label = estimator.pos_label if scorer is None else scorer._get_pos_label()
    return 1 if label is None else list(estimator.classes_).index(label)


def _cut(model: Any, x: Any) -> Answers:
    answers = dict(model.inner.answers(x))
    if model.by_probability:
        score = answers["probabilities"][:, model.positive]
    else:
        score = answers["scores"] if model.positive == 1 else -answers["scores"]
    above = (score >= model.cut).to(torch.int64)
    return {**answers, "label": above if model.positive == 1 else 1 - above}


@rule("TransformedTargetRegressor", shifts=True)
def transformed_target(estimator: Any, context: Context) -> Any:
    """The inverse of the target's transform, of what ``regressor_`` predicts: ``TransformedTargetRegressor.predict``.

    Raises:
        ConversionError: the transformer's inverse has no counterpart.
    """
    inner = part(context, estimator.regressor_, "regressor")
    single = estimator._training_dim == 1
    return fitted(_inverted, inner=inner, inverse=inverse(estimator.transformer_), single=single)


def _inverted(model: Any, x: Any) -> Answers:
    value = model.inner.answers(x)["prediction"]
    rows = value if value.ndim == 2 else value[:, None]
    found = model.inverse.answers(rows)["transformed"]
    return {"prediction": found[:, 0] if model.single else found}


@rule("DummyRegressor")
def dummy_regressor(estimator: Any, context: Context) -> Any:
    """``constant_``, whatever the row: ``DummyRegressor.predict``."""
    del context
    constant = np.asarray(estimator.constant_, np.float64).reshape(1, -1)
    return fitted(_constant_number, constant=constant, single=estimator.n_outputs_ == 1)


def _constant_number(model: Any, x: Any) -> Answers:
    value = _zeros(x) + model.constant
    return {"prediction": value[:, 0] if model.single else value}


@rule("DummyClassifier")
def dummy_classifier(estimator: Any, context: Context) -> Any:
    """The same label and probabilities, whatever the row: ``DummyClassifier.predict_proba``.

    Raises:
        ConversionError: it draws labels at random, or gives several a row.
    """
    del context
    if estimator.n_outputs_ > 1:
        asked, why = "convert a DummyClassifier", "it answers several labels a row"
        raise ConversionError(asked, why, "convert one model a label")
    if estimator.strategy in {"stratified", "uniform"}:
        why = f"strategy={estimator.strategy!r} draws its answers at random"
        raise ConversionError("convert a DummyClassifier", why, "use strategy='prior'")
    prior = np.asarray(estimator.class_prior_, np.float64)
    place = int(prior.argmax())
    if estimator.strategy == "constant":
        place = int(np.flatnonzero(estimator.classes_ == np.ravel(estimator.constant)[0])[0])
    chances = prior if estimator.strategy == "prior" else np.eye(len(prior))[place]
    return fitted(_constant_class, classes=estimator.classes_, chances=chances[None], place=place)


def _constant_class(model: Any, x: Any) -> Answers:
    zeros = _zeros(x)
    return {"label": zeros[:, 0].to(torch.int64) + model.place, "probabilities": zeros + model.chances}


def _zeros(x: Any) -> Any:
    """[n, 1] zeros that depend on the rows, whatever stands in them: formats want outputs that are computed."""
    return torch.isnan(x[:, :1]).to(x.dtype) * 0.0
