"""Generalized linear models: ``GLMRegressor`` and ``GLMClassifier`` of Apple's GLM*.proto."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.classical import links
from edgekit.coreml_reference.classical.columns import Columns, matrix, wanted
from edgekit.coreml_reference.classical.labels import classified, require_labels
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Array

_ASKED = "read the linear model"
# GLMRegressor.PostEvaluationTransform
_REGRESSIONS = {0: lambda scores: scores, 1: links.logistic, 2: links.normal}
# GLMClassifier.PostEvaluationTransform
_LOGIT, _PROBIT = 0, 1
# GLMClassifier.ClassEncoding
_REFERENCE, _ONE_VERSUS_REST = 0, 1


def _linear(message: Message) -> tuple[Array, Array]:
    """The weights [scores, features] and the offsets [scores].

    Raises:
        InputError: they do not fit each other.
    """
    rows = [np.array(one.value, np.float64) for one in message.weights]
    offset = np.array(message.offset, np.float64)
    if not rows or len({len(row) for row in rows}) != 1 or len(rows) != len(offset):
        raise InputError(_ASKED, "its weights and offsets do not fit each other", "convert the model again")
    return np.stack(rows), offset


def _scores(rows: Array, weights: Array, offset: Array) -> Array:
    result: Array = wanted(rows, weights.shape[1]) @ weights.T + offset
    return result


@kind("glmRegressor")
def linear_regressor(message: Message, interface: Interface) -> Stage:
    """A number, or an array of one a weight vector."""
    weights, offset = _linear(message)
    if message.postEvaluationTransform not in _REGRESSIONS:
        raise UnsupportedError(_ASKED, f"its transform {message.postEvaluationTransform} is unknown here", "")
    link = _REGRESSIONS[message.postEvaluationTransform]

    def run(columns: Columns) -> Columns:
        values = link(_scores(matrix(interface.inputs, columns), weights, offset))
        return {interface.output(interface.label).name: values[:, 0] if values.shape[1] == 1 else values}

    return run


@kind("glmClassifier")
def linear_classifier(message: Message, interface: Interface) -> Stage:
    """A label and its probabilities."""
    labels = require_labels(message, _ASKED)
    weights, offset = _linear(message)
    how, encoding = message.postEvaluationTransform, message.classEncoding
    if how not in {_LOGIT, _PROBIT} or encoding not in {_REFERENCE, _ONE_VERSUS_REST}:
        raise UnsupportedError(_ASKED, f"its transform {how} or encoding {encoding} is unknown here", "")
    binary = len(labels) == 2
    if how == _PROBIT and not binary:
        raise UnsupportedError(_ASKED, "Core ML has probit for two classes only", "convert the model again")
    if len(offset) != (len(labels) - 1 if binary or encoding == _REFERENCE else len(labels)):
        raise InputError(_ASKED, f"{len(offset)} weight vectors do not fit {len(labels)} classes", "")

    def run(columns: Columns) -> Columns:
        scores = _scores(matrix(interface.inputs, columns), weights, offset)
        if binary:
            second = (links.normal if how == _PROBIT else links.logistic)(scores[:, 0])
            return classified(interface, labels, (scores[:, 0] > 0).astype(np.int64), links.two_classes(second))
        if encoding == _REFERENCE:
            # The first class is the one that the others are compared with: its score is zero.
            scores = np.concatenate([np.zeros((len(scores), 1)), scores], axis=1)
            return classified(interface, labels, scores.argmax(axis=1), links.softmax(scores))
        # Scores tell classes apart that are so sure that their probabilities round to one.
        return classified(interface, labels, scores.argmax(axis=1), _shares(links.logistic(scores)))

    return run


def _shares(values: Array) -> Array:
    """Values divided by their sum; equal shares where all are zero."""
    total = values.sum(axis=1, keepdims=True)
    shares: Array = np.divide(values, total, out=np.full_like(values, 1.0 / values.shape[1]), where=total > 0)
    return shares
