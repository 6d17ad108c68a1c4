"""Several estimators for several classes or several targets: one for each, for each pair, for each bit of a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, refuse, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Below every sum of confidences.
_LEAST = -3.4e38
_SEVERAL = "it answers several labels a row"
refuse("MultiOutputClassifier", "ClassifierChain", why=_SEVERAL)


@rule("_ConstantPredictor")
def constant_predictor(estimator: Any, context: Context) -> Any:
    """``y_`` for every row: what ``sklearn.multiclass`` fits on one class only."""
    del context
    return fitted(_constant, value=float(np.asarray(estimator.y_).reshape(-1)[0]))


def _constant(model: Any, x: Any) -> Answers:
    score = torch.full_like(x[:, 0], model.value)
    return {"scores": score, "probabilities": torch.stack([1.0 - score, score], dim=1)}


def _binary(estimator: Any, context: Context) -> dict[str, Any]:
    """The constants of :func:`_scores`."""
    parts = [part(context, one, f"estimators.{index}") for index, one in enumerate(estimator.estimators_)]
    return {"parts": parts, "kinds": tuple(_kind(one) for one in estimator.estimators_)}


def _kind(one: Any) -> str:
    """The answer that ``_predict_binary`` takes."""
    from sklearn.base import is_regressor

    if is_regressor(one):
        return "prediction"
    return "scores" if hasattr(one, "decision_function") else "probabilities"


def _threshold(estimator: Any) -> float:
    """``_threshold_for_binary_predict``."""
    from sklearn.base import is_classifier

    first = estimator.estimators_[0]
    return 0.0 if hasattr(first, "decision_function") and is_classifier(first) else 0.5


def _score(kind: str, answers: Answers) -> Any:
    return answers["probabilities"][:, 1] if kind == "probabilities" else answers[kind].reshape(-1)


@rule("OneVsRestClassifier", shifts=True)
def one_vs_rest(estimator: Any, context: Context) -> Any:
    """The class whose classifier scores most; its probabilities over their sum: ``OneVsRestClassifier``.

    Raises:
        ConversionError: it has several labels a row.
    """
    if estimator.multilabel_:
        raise ConversionError("convert a OneVsRestClassifier", _SEVERAL, "convert one model a label")
    several = estimator.label_binarizer_.y_type_ == "multiclass"
    return fitted(
        _one_vs_rest,
        classes=estimator.classes_,
        several=several,
        threshold=_threshold(estimator),
        shares=hasattr(estimator, "predict_proba"),
        decides=hasattr(estimator, "decision_function"),
        **_binary(estimator, context),
    )


def _one_vs_rest(model: Any, x: Any) -> Answers:
    given = [one.answers(x) for one in model.parts]
    scores = torch.stack([_score(kind, one) for kind, one in zip(model.kinds, given, strict=True)], dim=1)
    if model.several:
        answers = {"label": torch.argmax(scores, dim=1)}
    else:
        answers = {"label": (scores[:, 0] > model.threshold).to(torch.int64)}
    if model.decides and all("scores" in one for one in given):
        answers["scores"] = scores[:, 0] if len(given) == 1 else scores
    if model.shares and len(given) == 1:
        answers["probabilities"] = given[0]["probabilities"]
    elif model.shares and all("probabilities" in one for one in given):
        shares = torch.stack([one["probabilities"][:, 1] for one in given], dim=1)
        total = shares.sum(dim=1, keepdim=True)
        answers["probabilities"] = shares / torch.where(total == 0, torch.ones_like(total), total)
    return answers


@rule("OneVsOneClassifier", shifts=True)
def one_vs_one(estimator: Any, context: Context) -> Any:
    """Votes of all pairs, and their confidences within a third of a vote: ``_ovr_decision_function``.

    Raises:
        ConversionError: it was fitted on a kernel between rows.
    """
    if estimator.pairwise_indices_ is not None:
        why = "it was fitted on a kernel between rows"
        raise ConversionError("convert a OneVsOneClassifier", why, "fit it on the rows themselves")
    count = len(estimator.classes_)
    pairs = [(first, second) for first in range(count) for second in range(first + 1, count)]
    firsts, seconds = (np.eye(count)[[pair[side] for pair in pairs]] for side in (0, 1))
    return fitted(
        _one_vs_one,
        classes=estimator.classes_,
        threshold=_threshold(estimator),
        firsts=firsts,
        seconds=seconds,
        signs=seconds - firsts,
        **_binary(estimator, context),
    )


def _one_vs_one(model: Any, x: Any) -> Answers:
    given = [one.answers(x) for one in model.parts]
    chosen = [
        one["prediction"].reshape(-1) if kind == "prediction" else one["label"].to(x.dtype)
        for kind, one in zip(model.kinds, given, strict=True)
    ]
    choice = torch.stack(chosen, dim=1)
    votes = (choice == 0).to(x.dtype) @ model.firsts + (choice == 1).to(x.dtype) @ model.seconds
    confidences = torch.stack([_score(kind, one) for kind, one in zip(model.kinds, given, strict=True)], dim=1)
    total = confidences @ model.signs
    scores = votes + total / (3.0 * (total.abs() + 1.0))
    if model.firsts.shape[1] == 2:
        return {"label": (scores[:, 1] > model.threshold).to(torch.int64), "scores": scores[:, 1]}
    # As the scores say, but not rounded near a third of a vote: most votes, then most confidence.
    most = votes == votes.amax(dim=1, keepdim=True)
    return {"label": torch.argmax(torch.where(most, total, torch.full_like(total, _LEAST)), dim=1), "scores": scores}


@rule("OutputCodeClassifier", shifts=True)
def output_code(estimator: Any, context: Context) -> Any:
    """The class whose code is nearest to the scores: ``OutputCodeClassifier.predict``.

    Nearest is the largest ``x·c - ‖c‖² / 2``: what all distances have in common cancels nothing.
    """
    codes, labels = _distinct(np.asarray(estimator.code_book_, np.float64))
    return fitted(
        _output_code,
        classes=estimator.classes_,
        codes=codes.T,
        offsets=(codes**2).sum(axis=1) / 2,
        labels=labels,
        **_binary(estimator, context),
    )


def _distinct(codes: Array) -> tuple[Array, Array]:
    """The codes without those that an earlier class has, and the positions of their classes."""
    first = np.sort(np.unique(codes, axis=0, return_index=True)[1])
    return codes[first], first.astype(np.int64)


def _output_code(model: Any, x: Any) -> Answers:
    given = [_score(kind, one.answers(x)) for kind, one in zip(model.kinds, model.parts, strict=True)]
    nearness = torch.stack(given, dim=1) @ model.codes - model.offsets
    return {"label": model.labels[torch.argmax(nearness, dim=1)]}


@rule("MultiOutputRegressor", shifts=True)
def multi_output_regressor(estimator: Any, context: Context) -> Any:
    """A regressor for each target: ``MultiOutputRegressor.predict``."""
    parts = [part(context, one, f"estimators.{index}") for index, one in enumerate(estimator.estimators_)]
    return fitted(_each, parts=parts)


def _each(model: Any, x: Any) -> Answers:
    return {"prediction": torch.stack([one.answers(x)["prediction"] for one in model.parts], dim=1)}


@rule("RegressorChain")
def regressor_chain(estimator: Any, context: Context) -> Any:
    """Each regressor sees the predictions of those before it as further columns: ``RegressorChain.predict``."""
    links = [
        context.build(one, f"estimators.{index}", columns=context.columns and (*context.columns, *[None] * index))
        for index, one in enumerate(estimator.estimators_)
    ]
    return fitted(_chained, parts=links, order=tuple(int(place) for place in np.argsort(estimator.order_)))


def _chained(model: Any, x: Any) -> Answers:
    given: list[Any] = []
    for one in model.parts:
        prediction = one.answers(x)["prediction"].reshape(-1, 1)
        given.append(prediction)
        x = torch.cat([x, prediction], dim=1)
    return {"prediction": torch.cat([given[place] for place in model.order], dim=1)}
