"""Metrics of classifiers, of labels or of scores a class; definitions as scikit-learn's."""

from __future__ import annotations

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

_CLASSES = "give the classes' positions, 0 for the first"


def right(answers: Array, labels: Array) -> Array:
    """Whether each sample's class is the label; of several labels a sample (tokens) the share.

    Args:
        answers: labels [n, ...], or scores [n, ..., classes].
        labels: [n, ...].

    Raises:
        InputError: the labels are not of that shape, or no positions among the classes.
    """
    found = chosen(answers, labels)
    share: Array = (found == labels).reshape(len(labels), -1).mean(axis=1)
    return share


def chosen(answers: Array, labels: Array) -> Array:
    """Each sample's class: of scores the first best; of one score a sample, which is of the second class, from half on.

    Raises:
        InputError: as :func:`right`.
    """
    if answers.dtype.kind != "f":
        _require_shape(answers.shape, labels)
        return answers
    if answers.shape == labels.shape or answers.shape[-1] == 1:
        one = answers.reshape(labels.shape)
        if one.size and (one.min() < 0 or one.max() > 1):
            why = "the model gives one number a sample, not all between 0 and 1: nothing says from which on it is a yes"
            raise InputError("measure the metric", why, "name a function of your own: --metric module:function")
        _require_positions(labels, 2)
        return np.where(one >= 0.5, 1, 0)
    _require_shape(answers.shape[:-1], labels)
    _require_positions(labels, answers.shape[-1])
    best: Array = answers.argmax(axis=-1)
    return best


def among_five(answers: Array, labels: Array) -> Array:
    """Whether each label is among the five best scores; of equal scores the first are taken.

    Raises:
        InputError: there are no scores of more than five classes.
    """
    if answers.dtype.kind != "f" or answers.ndim < 2 or answers.shape[-1] <= 5:
        raise InputError(
            "measure top5", f"the output is {list(answers.shape)}: no six classes", "use --metric accuracy"
        )
    _require_shape(answers.shape[:-1], labels)
    _require_positions(labels, answers.shape[-1])
    best = np.argsort(-answers, axis=-1, kind="stable")[..., :5]
    share: Array = (best == labels[..., None]).any(axis=-1).reshape(len(labels), -1).mean(axis=1)
    return share


def f1(answers: Array, labels: Array) -> float:
    """F1 of the second class where there are two, else the mean over the classes that occur (macro)."""
    found = chosen(answers, labels).reshape(-1)
    wanted = labels.reshape(-1)
    classes = np.unique(np.concatenate([found, wanted]))
    if labels.dtype.kind in "iub" and set(classes.tolist()) <= {0, 1}:
        classes = np.array([1])
    values = []
    for one in classes:
        both = np.sum((found == one) & (wanted == one))
        total = np.sum(found == one) + np.sum(wanted == one)
        values.append(2 * both / total if total else 0.0)
    return float(np.mean(values))


def area_under_curve(answers: Array, labels: Array) -> float:
    """Area under the ROC curve; of more than two classes the mean of each against the others.

    A class that no label or every label names has none and is left out.

    Raises:
        InputError: there are no scores, or only one class.
    """
    values = []
    for scores, positive in _one_against_rest(answers, labels, "auc"):
        yes = int(positive.sum())
        if 0 < yes < len(positive):
            ranks = _ranks(scores)
            values.append((ranks[positive].sum() - yes * (yes + 1) / 2) / (yes * (len(positive) - yes)))
    if not values:
        raise InputError("measure auc", "all labels are of one class", "give labels of two classes or more")
    return float(np.mean(values))


def average_precision(answers: Array, labels: Array) -> float:
    """Average precision, the mean over the classes that occur.

    Labels: one class a sample [n], or 0 and 1 for each [n, classes].

    Raises:
        InputError: there are no scores, or no positive label.
    """
    values = []
    for scores, positive in _one_against_rest(answers, labels, "map"):
        yes = int(positive.sum())
        if not yes:
            continue
        order = np.argsort(-scores, kind="stable")
        hits = np.cumsum(positive[order])
        # Samples of equal scores are drawn together.
        last = np.append(np.diff(scores[order]) != 0, True)
        precision, recall = hits[last] / (np.flatnonzero(last) + 1), hits[last] / yes
        values.append(float(np.sum(np.diff(recall, prepend=0) * precision)))
    if not values:
        raise InputError("measure map", "no label is positive", "give labels of the classes that the model knows")
    return float(np.mean(values))


def _one_against_rest(answers: Array, labels: Array, name: str) -> list[tuple[Array, Array]]:
    """For each class its scores and which samples are of it; of two classes the second alone."""
    if answers.dtype.kind != "f":
        raise InputError(f"measure {name}", "the model gives labels and no scores", "use --metric accuracy or f1")
    if answers.ndim == 1 or answers.shape[-1] == 1:
        scores = answers.reshape(len(answers))
        _require_shape(scores.shape, labels)
        _require_positions(labels, 2)
        return [(scores, labels == 1)]
    if answers.ndim != 2:
        raise InputError(f"measure {name}", f"the scores are {list(answers.shape)}, not [samples, classes]", _CLASSES)
    if labels.shape == answers.shape:
        return [(answers[:, index], labels[:, index] > 0) for index in range(answers.shape[1])]
    _require_shape(answers.shape[:1], labels)
    _require_positions(labels, answers.shape[1])
    every = range(1, 2) if answers.shape[1] == 2 else range(answers.shape[1])
    return [(answers[:, index], labels == index) for index in every]


def _ranks(values: Array) -> Array:
    """Ranks from 1, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse.reshape(-1)])


def _require_shape(shape: tuple[int, ...], labels: Array) -> None:
    if shape != labels.shape:
        why = f"the labels are {list(labels.shape)}, the model's answers {list(shape)}"
        raise InputError("measure the metric", why, "give one label an answer")


def _require_positions(labels: Array, classes: int) -> None:
    if labels.dtype.kind not in "iub":
        raise InputError("measure the metric", f"labels of {labels.dtype} name no class", _CLASSES)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        why = f"the labels go from {labels.min()} to {labels.max()}, the model has {classes} classes"
        raise InputError("measure the metric", why, _CLASSES)
