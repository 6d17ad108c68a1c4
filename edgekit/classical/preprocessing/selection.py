"""Columns that are selected, and columns that are pooled in groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, Columns, fitted
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array


def columns_at(indices: Array, columns: Columns) -> Columns:
    """What the columns at these indices stand for."""
    return tuple(columns[index] for index in indices) if columns else ()


@rule(
    "GenericUnivariateSelect",
    "SelectFdr",
    "SelectFpr",
    "SelectFromModel",
    "SelectFwe",
    "SelectKBest",
    "SelectPercentile",
    "SequentialFeatureSelector",
    "VarianceThreshold",
)
def selector(estimator: Any, context: Context) -> Any:
    """The columns of ``get_support()``: ``SelectorMixin.transform``.

    Raises:
        ConversionError: no column is selected.
    """
    indices = _selected(estimator)
    return fitted(_columns, indices=indices, columns=columns_at(indices, context.columns))


@rule("RFE", "RFECV")
def recursive_elimination(estimator: Any, context: Context) -> Any:
    """What ``estimator_`` answers to the columns of ``get_support()``, and these columns: ``RFE``.

    Raises:
        ConversionError: no column is selected, or the estimator cannot be converted.
    """
    indices = _selected(estimator)
    columns = columns_at(indices, context.columns)
    inner = context.build(estimator.estimator_, "estimator", columns=columns)
    return fitted(_columns_and_answers, classes=inner.classes, columns=columns, indices=indices, inner=inner)


def _selected(estimator: Any) -> Array:
    indices: Array = np.asarray(estimator.get_support(indices=True), np.int64)
    if not len(indices):
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, "it selects no column at all", "fit it with a lower threshold")
    return indices


def _columns(model: Any, x: Any) -> Answers:
    return {"transformed": x[:, model.indices]}


def _columns_and_answers(model: Any, x: Any) -> Answers:
    chosen = x[:, model.indices]
    return {**model.inner.answers(chosen), "transformed": chosen}


@rule("FeatureAgglomeration")
def feature_agglomeration(estimator: Any, context: Context) -> Any:
    """``pooling_func`` over the columns of each cluster: ``AgglomerationTransform.transform``.

    Raises:
        ConversionError: the pooling is none of NumPy's mean, sum, max and min.
    """
    del context
    labels = np.asarray(estimator.labels_)
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    pooling = estimator.pooling_func
    if pooling in (np.mean, np.sum):
        weights = np.zeros((len(labels), len(groups)))
        for column, group in enumerate(groups):
            weights[group, column] = 1.0 / len(group) if pooling is np.mean else 1.0
        return fitted(_pooled_by_sum, weights=weights)
    if pooling in (np.max, np.amax, np.min, np.amin):
        # Filled up to one length with a member of the group, which changes neither extreme.
        longest = max(len(group) for group in groups)
        members = np.stack([np.resize(group, longest) for group in groups])
        return fitted(_pooled_by_extreme, members=members, largest=pooling in (np.max, np.amax))
    name = getattr(pooling, "__name__", repr(pooling))
    asked = "convert a FeatureAgglomeration"
    raise ConversionError(asked, f"edgekit does not know its pooling_func {name}", "use numpy's mean, sum, max or min")


def _pooled_by_sum(model: Any, x: Any) -> Answers:
    return {"transformed": x @ model.weights}


def _pooled_by_extreme(model: Any, x: Any) -> Answers:
    grouped = x[:, model.members]
    return {"transformed": grouped.amax(dim=2) if model.largest else grouped.amin(dim=2)}
