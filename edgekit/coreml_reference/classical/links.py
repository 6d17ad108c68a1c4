"""The functions that turn scores into probabilities."""

from __future__ import annotations

import math

import numpy as np

from edgekit.signature import Array


def logistic(scores: Array) -> Array:
    """``1 / (1 + exp(-x))``, without overflow."""
    small = np.exp(-np.abs(scores))
    result: Array = np.where(scores >= 0, 1.0, small) / (1.0 + small)
    return result


def normal(scores: Array) -> Array:
    """The normal distribution's cumulative function: the inverse of probit."""
    # numpy has no error function; erfc keeps its digits in the left tail.
    tails = [0.5 * math.erfc(-one / math.sqrt(2.0)) for one in scores.reshape(-1).tolist()]
    result: Array = np.array(tails, np.float64).reshape(scores.shape)
    return result


def softmax(scores: Array) -> Array:
    """``exp(x) / sum(exp(x))`` along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def two_classes(second: Array) -> Array:
    """The probabilities of two classes, [rows, 2], from the second's [rows]."""
    return np.stack([1.0 - second, second], axis=-1)
