"""AdaBoost and bagging: estimators that vote with weights, or of which the mean or median is taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear_classifiers import two_sigmoids
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees.forest import forest, leaf_values, summed
from edgekit.classical.trees.isolation import in_two, reaches, threshold_of
from edgekit.classical.trees.scikit_learn import accepts_nan, answers_of, averaged, of_trees, tree_of
from edgekit.errors import ConversionError
from edgekit.signature import Array


@rule("AdaBoostClassifier", shifts=True)
def ada_boost_classifier(estimator: Any, context: Context) -> Any:
    """Each estimator's weight for its label, ``-1 / (classes - 1)`` of it for the others: ``AdaBoostClassifier``.

    Raises:
        ConversionError: it knows one class only.
    """
    count = len(estimator.classes_)
    if count < 2:
        raise ConversionError("convert an AdaBoostClassifier", "it knows one class only", "fit it on two or more")
    weights = np.asarray(estimator.estimator_weights_, np.float64)[: len(estimator.estimators_)]
    shares = weights / estimator.estimator_weights_.sum()
    votes = [
        _votes(share, _positions(one.classes_, estimator.classes_), count)
        for one, share in zip(estimator.estimators_, shares, strict=True)
    ]
    trees = of_trees(estimator)
    if trees:
        grown = [
            tree_of(one, own[answers_of(one).argmax(axis=1)], missing=accepts_nan(one))
            for one, own in zip(trees, votes, strict=True)
        ]
        return fitted(_weighed, classes=estimator.classes_, trees=forest(grown, context.before), parts=())
    parts = [part(context, one, str(index)) for index, one in enumerate(estimator.estimators_)]
    tables: dict[str, Any] = {f"votes_{index}": own for index, own in enumerate(votes)}
    return fitted(_weighed, classes=estimator.classes_, trees=None, parts=parts, **tables)


def _positions(own: Any, classes: Any) -> Array:
    """Where an estimator's labels stand among the ensemble's."""
    return np.searchsorted(np.asarray(classes), np.asarray(own))


def _votes(share: float, positions: Array, count: int) -> Array:
    """What an estimator adds to the scores for each of its labels, shape [labels, scores]."""
    votes = np.where(np.arange(count) == positions[:, None], share, -share / (count - 1))
    return votes if count > 2 else votes[:, 1:] - votes[:, :1]


def _weighed(model: Any, x: Any) -> Answers:
    if model.trees is not None:
        scores = summed(model.trees, x)
    else:
        labels = [one.answers(x)["label"] for one in model.parts]
        scores = sum(getattr(model, f"votes_{index}")[label] for index, label in enumerate(labels))
    if scores.shape[1] == 1:
        score = scores[:, 0]
        return {"label": (score > 0).to(torch.int64), "probabilities": two_sigmoids(score), "scores": score}
    shares = torch.softmax(scores / (scores.shape[1] - 1), dim=1)
    return {"label": torch.argmax(scores, dim=1), "probabilities": shares, "scores": scores}


@rule("AdaBoostRegressor", shifts=True)
def ada_boost_regressor(estimator: Any, context: Context) -> Any:
    """The smallest prediction at or below which half the weight lies: ``AdaBoostRegressor._get_median_predict``."""
    weights = np.asarray(estimator.estimator_weights_, np.float64)[: len(estimator.estimators_)]
    total = float(weights.sum())
    constants: dict[str, Any] = {"weights": in_two(weights, total), "middle": threshold_of(total / 2, total)}
    trees = of_trees(estimator)
    if trees:
        grown = [tree_of(one, missing=accepts_nan(one)) for one in trees]
        return fitted(_median, trees=forest(grown, context.before), parts=(), **constants)
    parts = [part(context, one, str(index)) for index, one in enumerate(estimator.estimators_)]
    return fitted(_median, trees=None, parts=parts, **constants)


def _median(model: Any, x: Any) -> Answers:
    if model.trees is not None:
        given = leaf_values(model.trees, x)[:, :, 0]
    else:
        given = torch.stack([one.answers(x)["prediction"] for one in model.parts], dim=1)
    # [n, i, j]: whether the prediction j is no more than the prediction i.
    no_more = (given[:, None, :] <= given[:, :, None]).to(given.dtype)
    enough = reaches(no_more @ model.weights, model.middle)
    return {"prediction": torch.where(enough, given, float(np.finfo(np.float32).max)).amin(dim=1)}


@rule("BaggingClassifier", "BaggingRegressor", shifts=True)
def bagging(estimator: Any, context: Context) -> Any:
    """The mean of ``predict_proba``, or of votes where there is none; of ``predict``: ``BaggingClassifier``.

    Raises:
        ConversionError: an estimator cannot be converted.
    """
    classes = getattr(estimator, "classes_", None)
    count = None if classes is None else len(classes)
    trees = of_trees(estimator)
    if trees:
        grown = [
            tree_of(one, _spread(one, answers_of(one), count), features, missing=accepts_nan(one))
            for one, features in zip(trees, estimator.estimators_features_, strict=True)
        ]
        return averaged(estimator, grown, estimator.n_estimators, context)
    every = np.arange(estimator.n_features_in_)
    parts = [
        part(context, one, str(index), None if np.array_equal(features, every) else np.asarray(features, np.int64))
        for index, (one, features) in enumerate(zip(estimator.estimators_, estimator.estimators_features_, strict=True))
    ]
    number = float(estimator.n_estimators)
    if count is None:
        return fitted(_mean, parts=parts, number=number)
    # The parts' labels are positions among the ensemble's; some may not know all of them.
    tables: dict[str, Any] = {
        f"spread_{index}": _spread(one, np.eye(len(one.classes_)), count)
        for index, one in enumerate(estimator.estimators_)
    }
    return fitted(
        _mean_share,
        classes=classes,
        parts=parts,
        number=number,
        votes=not hasattr(estimator.estimators_[0], "predict_proba"),
        decides=hasattr(estimator, "decision_function"),
        **tables,
    )


def _spread(one: Any, shares: Array, count: int | None) -> Array:
    """Columns of an estimator's own labels as columns of all labels."""
    if count is None or len(one.classes_) == count:
        return shares
    spread = np.zeros((len(shares), count))
    spread[:, np.asarray(one.classes_, np.int64)] = shares
    return spread


def _mean(model: Any, x: Any) -> Answers:
    return {"prediction": sum(one.answers(x)["prediction"] for one in model.parts) / model.number}


def _mean_share(model: Any, x: Any) -> Answers:
    given = [one.answers(x) for one in model.parts]
    tables = [getattr(model, f"spread_{index}") for index in range(len(given))]
    if model.votes:
        total: Any = sum(table[one["label"]] for table, one in zip(tables, given, strict=True))
    else:
        total = sum(one["probabilities"] @ table for table, one in zip(tables, given, strict=True))
    answers = {"label": torch.argmax(total, dim=1), "probabilities": total / model.number}
    if model.decides and all("scores" in one for one in given):
        answers["scores"] = sum(one["scores"] for one in given) / model.number
    return answers
