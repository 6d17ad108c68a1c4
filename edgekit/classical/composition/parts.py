"""Parts of ensembles: estimators that see some of the columns, behind the scalers that the ensemble stands behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.preprocessing.selection import columns_at
from edgekit.classical.registry import Context, shifts
from edgekit.classical.trees.thresholds import transformed
from edgekit.signature import Array


def part(context: Context, estimator: Any, name: str, features: Array | None = None) -> Any:
    """The module of a part of an ensemble, for the rows that the ensemble is given.

    Args:
        context: the ensemble's. What the rows have not passed, the part shifts its thresholds by or passes itself.
        estimator: the part.
        name: the part's, for messages.
        features: the columns that it sees; None: all.
    """
    columns = context.columns if features is None else columns_at(features, context.columns)
    if not context.before:
        inner = context.build(estimator, name, columns=columns)
    elif shifts(estimator):
        before = context.before if features is None else (_Scalers(context.before, features),)
        inner = context.build(estimator, name, columns=columns, before=before)
        return inner if features is None else fitted(_part, classes=inner.classes, steps=(), inner=inner, at=features)
    else:
        inner = context.build(estimator, name)
    if not context.before and features is None:
        return inner
    steps = [_module(context, step, f"{name} behind {type(step).__name__}") for step in context.before]
    return fitted(_part, classes=inner.classes, steps=steps or (), inner=inner, at=features)


def _module(context: Context, step: Any, name: str) -> Any:
    if not isinstance(step, _Scalers):
        return context.build(step, name)
    steps = [_module(context, one, name) for one in step.steps]
    # Of a column that the rows lack any value will do: every scaler maps each column on its own.
    spread = np.zeros(step.all, np.int64)
    spread[step.features] = np.arange(len(step.features))
    return fitted(_of_some, steps=steps, spread=spread, at=np.asarray(step.features, np.int64))


def _of_some(model: Any, x: Any) -> Answers:
    x = x[:, model.spread]
    for step in model.steps:
        x = step.answers(x)["transformed"]
    return {"transformed": x[:, model.at]}


def _part(model: Any, x: Any) -> Answers:
    for step in model.steps:
        x = step.answers(x)["transformed"]
    answers: Answers = model.inner.answers(x if model.at is None else x[:, model.at])
    return answers


class _Scalers:
    """Scalers in a row, for some of the columns."""

    def __init__(self, steps: Sequence[Any], features: Array | None) -> None:
        self.steps = steps
        self.all = int(steps[0].n_features_in_)
        self.features = np.arange(self.all) if features is None else features
        self.n_features_in_ = len(self.features)

    def transform(self, rows: Array) -> Array:
        """The columns as they come out of the scalers."""
        whole = np.zeros((len(rows), self.all))
        whole[:, self.features] = rows
        return np.asarray(transformed(whole, self.steps)[:, self.features])
