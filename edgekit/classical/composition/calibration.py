"""Calibrated classifiers: probabilities by a function of a classifier's scores."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.composition.voting import most_probable
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.exact import split
from edgekit.classical.models.isotonic import interpolated, isotonic_constants
from edgekit.classical.models.linear_classifiers import normalized_sigmoids, two_sigmoids
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# The score of a class that a classifier does not know: its probability is 0.
_NEVER = -1e30
# Beside 1, float64 counts in steps of its inverse.
_STEPS = 2.0**53
# What scores in float32 are off by, relatively.
_NEAR = 5e-7


@rule("CalibratedClassifierCV", shifts=True)
def calibrated_classifier(estimator: Any, context: Context) -> Any:
    """The mean over pairs of a classifier and its calibrators: ``CalibratedClassifierCV.predict_proba``.

    Raises:
        ConversionError: its method is none that edgekit knows.
    """
    pairs = [
        _pair(one, estimator, context, f"calibrated_classifiers.{index}")
        for index, one in enumerate(estimator.calibrated_classifiers_)
    ]
    return fitted(_mean, classes=estimator.classes_, pairs=pairs)


def _mean(model: Any, x: Any) -> Answers:
    given = [one.answers(x)["probabilities"] for one in model.pairs]
    return {"label": most_probable(given, [1.0] * len(given)), "probabilities": sum(given) / len(given)}


def _pair(one: Any, estimator: Any, context: Context, name: str) -> Any:
    """``_CalibratedClassifier.predict_proba``."""
    answer = {"sigmoid": _sigmoid, "isotonic": _isotonic, "temperature": _temperature}.get(one.method)
    if answer is None:
        why = f"edgekit does not know its method {one.method!r}"
        raise ConversionError("convert a CalibratedClassifierCV", why, 'fit it with "sigmoid" or "isotonic"')
    # The calibrators are those of the classifier's first classes, which may not be all.
    known = np.searchsorted(np.asarray(estimator.classes_), np.asarray(one.estimator.classes_)).tolist()
    known = known[: len(one.calibrators)]
    constants: dict[str, Any] = {
        "inner": part(context, one.estimator, name),
        "decides": hasattr(one.estimator, "decision_function"),
        "two": len(one.estimator.classes_) <= 2,
        "count": len(estimator.classes_),
        "columns": tuple(known.index(label) if label in known else None for label in range(len(estimator.classes_))),
    }
    if one.method == "sigmoid":
        slopes = np.array([float(calibrator.a_) for calibrator in one.calibrators])
        shifts = np.array([float(calibrator.b_) for calibrator in one.calibrators])
        # -(a f + b) as -a (f - m): where the sigmoid is steep, m is known to more digits than b.
        level = np.abs(slopes) < 1e-30
        middle = np.where(level, 0.0, -shifts / np.where(level, 1.0, slopes))
        high, low = split(middle)
        constants |= {"slopes": -slopes, "middle": high, "rest": low, "shifts": np.where(level, -shifts, 0.0)}
    elif one.method == "isotonic":
        constants["curves"] = [_curve(own) for own in one.calibrators]
        # Thresholds of probabilities near 1 are as near to each other as float64 can tell: they count from 1 there.
        constants["complements"] = [] if constants["decides"] else [_curve(own, below=1.0) for own in one.calibrators]
    else:
        constants["beta"] = float(one.calibrators[0].beta_)
    return fitted(answer, **constants)


def _scores(model: Any, x: Any) -> Any:
    """Scores [n, k], else probabilities, of two classes the second's only: ``_get_response_values``."""
    answers = model.inner.answers(x)
    if not model.decides:
        given = answers["probabilities"]
        return given[:, 1:2] if model.two else given
    given = answers["scores"]
    return given if given.dim() == 2 else given[:, None]


def _sigmoid(model: Any, x: Any) -> Answers:
    """``expit(-(a f + b))``, over its sum for more than two classes."""
    scores = _scores(model, x)[:, : model.slopes.shape[0]]
    scores = ((scores - model.middle) - model.rest) * model.slopes + model.shifts
    if model.count == 2:
        return {"probabilities": two_sigmoids(scores[:, 0])}
    never = torch.full_like(scores[:, 0], _NEVER)
    whole = [never if column is None else scores[:, column] for column in model.columns]
    return {"probabilities": normalized_sigmoids(torch.stack(whole, dim=1))}


def _isotonic(model: Any, x: Any) -> Answers:
    """Isotonic regressions, over their sum for more than two classes; uniform where that is 0."""
    scores = _scores(model, x)
    given = [one.answers(scores[:, index])["prediction"] for index, one in enumerate(model.curves)]
    if not model.decides:
        shares = model.inner.answers(x)["probabilities"]
        for index, one in enumerate(model.complements):
            column = 1 if model.two else index
            rest = shares[:, :column].sum(dim=1) + shares[:, column + 1 :].sum(dim=1)
            near = one.answers(torch.round(rest * _STEPS) / _STEPS)["prediction"]
            given[index] = torch.where(scores[:, index] > 0.5, near, given[index])
    if model.count == 2:
        return {"probabilities": torch.stack([1.0 - given[0], given[0]], dim=1)}
    zeros = torch.zeros_like(given[0])
    whole = torch.stack([zeros if column is None else given[column] for column in model.columns], dim=1)
    total = whole.sum(dim=1, keepdim=True)
    whole = torch.where(total == 0, torch.ones_like(whole), whole)
    return {"probabilities": whole / torch.where(total == 0, torch.full_like(total, float(model.count)), total)}


def _curve(calibrator: Any, below: float | None = None) -> Any:
    """An isotonic regression, of scores or of what they are below a number."""
    x, y = (np.asarray(one, np.float64) for one in (calibrator.X_thresholds_, calibrator.y_thresholds_))
    if below is not None:
        x, y = below - x[::-1], y[::-1]
    knots = SimpleNamespace(X_thresholds_=x, y_thresholds_=y, out_of_bounds="clip")
    # Rows that score as high as the last threshold of value 0 get 0: in float32 they may score a little higher.
    zeros = x[y == 0]
    ends: dict[str, Any] = {"zero_to": None, "zero_from": None}
    if len(zeros) and below is None:
        ends["zero_to"] = float(zeros.max() + _NEAR * abs(zeros.max()))
    elif len(zeros):
        ends["zero_from"] = float(zeros.min() - _NEAR * abs(zeros.min()))
    return fitted(_clipped, **isotonic_constants(knots), low=float(y[0]), high=float(y[-1]), **ends)


def _clipped(model: Any, x: Any) -> Answers:
    value = interpolated(model, x)
    if model.knots is None:
        return {"prediction": value}
    # Outside of all thresholds exactly the outer values: whether all classes have 0 makes the difference.
    value = torch.where(x < model.first, torch.full_like(value, model.low), value)
    value = torch.where(x > model.last, torch.full_like(value, model.high), value)
    if model.zero_to is not None:
        value = torch.where(x <= model.zero_to, torch.zeros_like(value), value)
    if model.zero_from is not None:
        value = torch.where(x >= model.zero_from, torch.zeros_like(value), value)
    return {"prediction": value}


def _temperature(model: Any, x: Any) -> Answers:
    """``softmax(beta * logits)``; the logarithms of probabilities are logits: ``_convert_to_logits``."""
    answers = model.inner.answers(x)
    if not model.decides:
        logits = torch.log(answers["probabilities"] + 1e-12)
    elif answers["scores"].dim() == 1:
        logits = torch.stack([-answers["scores"], answers["scores"]], dim=1)
    else:
        logits = answers["scores"]
    return {"probabilities": torch.softmax(logits * model.beta, dim=1)}
