"""Metrics by name, and functions of the user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError
from edgekit.metrics import classification
from edgekit.metrics.answers import numbers_of, scores_of
from edgekit.signature import Array

Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class Metric:
    """One number that tells how good answers are.

    Attributes:
        name: as asked for.
        higher: whether more is better.
        relative: whether a loss counts as a share of the original's value (of errors) or in points (of shares).
        each: each sample's own part, shape [samples], of which the metric is the mean; ``None``: it is of the whole.
        whole: the metric of all samples.
        reads: what of a model's outputs it is computed of, for the labels at hand; shape [samples, ...].
    """

    name: str
    higher: bool
    relative: bool
    each: Callable[[Array, Array], Array] | None
    whole: Callable[[Array, Array], float]
    reads: Callable[[Outputs, Array], Array]


def _mean_of(each: Callable[[Array, Array], Array]) -> Callable[[Array, Array], float]:
    return lambda answers, labels: float(np.mean(each(answers, labels)))


def _by_sample(errors: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    def each(answers: Array, labels: Array) -> Array:
        wrong = errors(answers.reshape(labels.shape).astype(np.float64) - labels.astype(np.float64))
        parts: Array = wrong.reshape(len(labels), -1).mean(axis=1)
        return parts

    return each


_EACH: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": classification.right,
    "top5": classification.among_five,
    "mse": _by_sample(np.square),
    "mae": _by_sample(np.abs),
}
_WHOLE: dict[str, Callable[[Array, Array], float]] = {
    "auc": classification.area_under_curve,
    "f1": classification.f1,
    "map": classification.average_precision,
}
NAMES = (*_EACH, *_WHOLE)
_ERRORS = ("mse", "mae")


def metric_named(name: str) -> Metric:
    """The metric of a name, or the function that ``module:function`` names.

    A function is called with a dictionary of the outputs by name, each of shape [samples, ...], and the labels; it
    returns one number, of which more is better unless the function has ``higher_is_better = False``.

    Raises:
        InputError: there is none of that name, or no such function.
    """
    if ":" in name:
        return _own(name)
    if name in _EACH:
        reads = numbers_of if name in _ERRORS else scores_of
        each = _EACH[name]
        return Metric(name, name not in _ERRORS, name in _ERRORS, each, _mean_of(each), reads)
    if name in _WHOLE:
        return Metric(name, higher=True, relative=False, each=None, whole=_WHOLE[name], reads=scores_of)
    raise InputError(f"--metric {name}", f"the metrics are {', '.join(NAMES)}", "or name your own as module:function")


def _own(name: str) -> Metric:
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise InputError(f"--metric {name}", str(error), "put its folder on PYTHONPATH") from error
    except AttributeError as error:
        raise InputError(f"--metric {name}", f"{module} has no {function}", "name a function in it") from error

    def whole(answers: Array, labels: Array) -> float:
        outputs = {key: np.stack(answers[key]) for key in answers.dtype.names}
        value = found(outputs, labels)
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            kind = type(value).__name__
            raise InputError(f"--metric {name}", f"it returned a {kind}", "return one number") from error

    higher = bool(getattr(found, "higher_is_better", True))
    return Metric(name, higher, relative=False, each=None, whole=whole, reads=_together)


def _together(outputs: Outputs, _: Array) -> Array:
    """Outputs as one array of records, so that samples are drawn from all of them alike."""
    kinds = [(name, array.dtype, array.shape[1:]) for name, array in outputs.items()]
    records = np.empty(len(next(iter(outputs.values()))), dtype=kinds)
    for name, array in outputs.items():
        records[name] = array
    return records
