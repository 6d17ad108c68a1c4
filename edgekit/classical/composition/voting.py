"""Voting and stacking: estimators of which the mean or the majority is taken, or whose answers another one is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted, looked_up
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Up to as many voters every outcome is weighed beforehand, in float64.
_WEIGHED = 12
# Probabilities whose sum is this near to 1 add up to 1.
_SUM = 1e-5
# Beside 1, float64 drops what is less.
_DROPPED = 1.2e-16
# What a sum of a few float32 numbers is off by, relatively.
_ROUNDING = 2.5e-7


@rule("VotingClassifier", shifts=True)
def voting_classifier(estimator: Any, context: Context) -> Any:
    """The weighted mean of ``predict_proba``, or the label with most weight: ``VotingClassifier.predict``.

    Raises:
        ConversionError: a voter was fitted on other labels than the ensemble's.
    """
    weights = _weights(estimator)
    parts = _parts(estimator, context)
    if estimator.voting == "soft":
        constants = {"weights": weights, "shares": weights / weights.sum(), "flat": bool(estimator.flatten_transform)}
        return fitted(_mean_share, classes=estimator.classes_, parts=parts, **constants)
    count = len(estimator.classes_)
    tables: dict[str, Any] = {
        f"labels_{index}": _encoded(one.classes, count, estimator) for index, one in enumerate(parts)
    }
    tables["positions"] = np.arange(count)
    return fitted(_majority, classes=estimator.classes_, parts=parts, **_ballot(weights), **tables)


def _weights(estimator: Any) -> Array:
    weights = estimator._weights_not_none
    return np.ones(len(estimator.estimators_)) if weights is None else np.asarray(weights, np.float64)


def _parts(estimator: Any, context: Context) -> list[Any]:
    names = [name for name, one in estimator.estimators if not isinstance(one, str)]
    return [part(context, one, name) for name, one in zip(names, estimator.estimators_, strict=True)]


def _encoded(labels: Any, count: int, estimator: Any) -> Array:
    """A part's labels, which are positions among the ensemble's as it was fitted on those."""
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iufb" or not np.isin(labels, np.arange(count)).all():
        why = f"one of its parts answers {labels.tolist()}, not positions among its {count} classes"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, "let it fit its parts itself")
    return np.asarray(labels, np.int64)


def _ballot(weights: Array) -> dict[str, Any]:
    """Numbers that the voters for a label add up to, and what the sums stand for: None where for themselves.

    Sums of fractions may tie in float32 and not in float64, or the other way round: the sum of powers of two says who
    voted, and a table in which place the float64 sum of their weights is.
    """
    if len(weights) > _WEIGHED or (weights == np.round(weights)).all():
        return {"weights": weights, "places": None}
    sums = np.zeros(1)
    for weight in weights:
        # In the order of `np.bincount`.
        sums = np.concatenate([sums, sums + weight])
    return {"weights": 2.0 ** np.arange(len(weights)), "places": np.unique(sums, return_inverse=True)[1] * 1.0}


def _mean_share(model: Any, x: Any) -> Answers:
    given = [one.answers(x)["probabilities"] for one in model.parts]
    mean = sum(one * model.shares[index] for index, one in enumerate(given))
    answers = {"label": most_probable(given, model.weights), "probabilities": mean}
    return {**answers, "transformed": torch.cat(given, dim=1)} if model.flat else answers


def most_probable(given: list[Any], weights: Any) -> Any:
    """The first class of the largest weighted sum of probabilities.

    Where two sure voters disagree, what they leave to others decides: float64 holds it in the 1 that it is missing
    from, float32 does not. A probability above one half is taken apart: 1, less the other probabilities.
    """
    whole, rest, size = (torch.zeros_like(given[0]) for _ in range(3))
    for index, shares in enumerate(given):
        total = shares.sum(dim=1, keepdim=True)
        sure = ((shares > 0.5) & ((total - 1.0).abs() < _SUM)).to(shares.dtype)
        others = shares * (1.0 - sure)
        whole = whole + sure * weights[index]
        parts = (others - sure * others.sum(dim=1, keepdim=True)) * weights[index]
        rest, size = rest + parts, size + parts.abs()
    rest = torch.where(rest.abs() < _DROPPED, torch.zeros_like(rest), rest)
    scores = whole - whole.amax(dim=1, keepdim=True) + rest
    # What is within float32's rounding is a tie, as it is of the fractions that trees answer.
    tied = scores.amax(dim=1, keepdim=True) - size.amax(dim=1, keepdim=True) * _ROUNDING
    return torch.argmax((scores >= tied).to(scores.dtype), dim=1)


def _majority(model: Any, x: Any) -> Answers:
    labels = [
        looked_up(getattr(model, f"labels_{index}"), one.answers(x)["label"]) for index, one in enumerate(model.parts)
    ]
    given = torch.stack(labels, dim=1)
    votes = ((given[:, :, None] == model.positions).to(x.dtype) * model.weights[:, None]).sum(dim=1)
    if model.places is not None:
        votes = model.places[votes.to(torch.int64)]
    return {"label": torch.argmax(votes, dim=1), "transformed": given.to(x.dtype)}


@rule("VotingRegressor", shifts=True)
def voting_regressor(estimator: Any, context: Context) -> Any:
    """The weighted mean of ``predict``: ``VotingRegressor.predict``."""
    weights = _weights(estimator)
    return fitted(_mean, parts=_parts(estimator, context), shares=weights / weights.sum())


def _mean(model: Any, x: Any) -> Answers:
    given = [one.answers(x)["prediction"] for one in model.parts]
    mean = sum(one * model.shares[index] for index, one in enumerate(given))
    return {"prediction": mean, "transformed": torch.stack(given, dim=1)}


@rule("StackingClassifier", "StackingRegressor", shifts=True)
def stacking(estimator: Any, context: Context) -> Any:
    """The final estimator's answers to those of the others: ``_BaseStacking._concatenate_predictions``.

    Raises:
        ConversionError: it has several labels a row, or text answers are passed on.
    """
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list):
        why = "it answers several labels a row"
        raise ConversionError("convert a StackingClassifier", why, "fit one classifier a label")
    count = 0 if classes is None else len(classes)
    parts, methods = _parts(estimator, context), tuple(estimator.stack_method_)
    passed = [context.build(step, type(step).__name__) for step in context.before] if estimator.passthrough else []
    final = context.build(estimator.final_estimator_, "final_estimator")
    constants: dict[str, Any] = {
        f"labels_{index}": _numbers(one.classes, estimator)
        for index, (one, method) in enumerate(zip(parts, methods, strict=True))
        if method == "predict" and one.classes is not None
    }
    labels = _encoded(final.classes, count, estimator) if count else np.arange(0)
    constants["labels"] = None if np.array_equal(labels, np.arange(len(labels))) else labels
    return fitted(
        _stacked,
        classes=classes,
        parts=parts,
        methods=methods,
        second_only=count == 2,
        passthrough=bool(estimator.passthrough),
        passed=passed or (),
        final=final,
        **constants,
    )


def _numbers(labels: Any, estimator: Any) -> Array:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iufb":
        why = "text labels of one of its parts are passed on"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, "let it fit its parts itself")
    return np.asarray(labels, np.float64)


def _stacked(model: Any, x: Any) -> Answers:
    columns = [_columns(model, index, x) for index in range(len(model.parts))]
    if model.passthrough:
        for step in model.passed:
            x = step.answers(x)["transformed"]
        columns.append(x)
    whole = torch.cat(columns, dim=1)
    answers: Answers = {**model.final.answers(whole), "transformed": whole}
    if model.labels is not None:
        answers["label"] = looked_up(model.labels, answers["label"])
    return answers


def _columns(model: Any, index: int, x: Any) -> Any:
    """What a part adds to the final estimator's columns; of two probabilities the second only."""
    answers = model.parts[index].answers(x)
    method = model.methods[index]
    if method == "predict_proba":
        given = answers["probabilities"]
        return given[:, 1:] if model.second_only else given
    if method == "decision_function":
        given = answers["scores"]
    elif model.parts[index].classes is not None:
        given = looked_up(getattr(model, f"labels_{index}"), answers["label"])
    else:
        given = answers["prediction"]
    return given if given.dim() == 2 else given[:, None]
