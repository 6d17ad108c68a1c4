"""Imputers that put a column's own constant, or another estimator's prediction, where a value is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, Columns, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array


@rule("SimpleImputer")
def simple_imputer(estimator: Any, context: Context) -> Any:
    """``statistics_`` where missing, less the columns that have none: ``SimpleImputer.transform``."""
    statistics = estimator.statistics_
    texts = context.columns or (None,) * len(statistics)
    # NaN is the one value that is not itself, in columns of objects too.
    empty = np.array([one != one for one in statistics])  # noqa: PLR0124
    kept = np.arange(len(statistics)) if estimator.keep_empty_features else np.flatnonzero(~empty)
    fill = [_fill(estimator, int(index), texts[index]) for index in kept]
    shown = indicated(estimator)
    none: Columns = (None,) * (0 if shown is None else len(shown))
    columns = (*(texts[index] for index in kept), *none)
    return fitted(
        _filled,
        columns=columns if any(own is not None for own in columns) else (),
        mark=mark_of(estimator, len(statistics), context.columns),
        kept=None if len(kept) == len(statistics) else kept,
        fill=np.array(fill),
        shown=shown,
    )


def _fill(estimator: Any, index: int, texts: tuple[str, ...] | None) -> float:
    value = estimator.statistics_[index]
    if texts is None:
        return float(np.asarray(value).astype(estimator._fill_dtype))
    if value in texts:
        return float(texts.index(value))
    raise ConversionError("convert a SimpleImputer", f"{value!r} is none of the texts of column {index}", "")


@rule("MissingIndicator")
def missing_indicator(estimator: Any, context: Context) -> Any:
    """1 where a value is missing, of ``features_``: ``MissingIndicator.transform``."""
    mark = mark_of(estimator, estimator.n_features_in_, context.columns)
    return fitted(_indicated, mark=mark, shown=np.asarray(estimator.features_))


@rule("IterativeImputer")
def iterative_imputer(estimator: Any, context: Context) -> Any:
    """``imputation_sequence_`` from the initial imputation on, within the limits: ``IterativeImputer.transform``.

    Raises:
        ConversionError: it samples, or its estimators predict no numbers.
    """
    asked = "convert an IterativeImputer"
    if estimator.sample_posterior:
        why = "sample_posterior=True draws random numbers"
        raise ConversionError(asked, why, "fit it with sample_posterior=False")
    sequence = estimator.imputation_sequence_ if estimator.n_iter_ else []
    models = [context.build(one.estimator, f"imputation_sequence_{at}") for at, one in enumerate(sequence)]
    if any(model.classes is not None for model in models):
        raise ConversionError(asked, "its estimator is a classifier", "fit it with a regressor")
    empty = estimator._is_empty_feature
    kept = np.arange(len(empty)) if estimator.keep_empty_features else np.flatnonzero(~empty)
    return fitted(
        _iterated,
        mark=mark_of(estimator, len(empty), ()),
        kept=None if len(kept) == len(empty) else kept,
        # Empty columns that are kept are not missing any more: they have the initial imputation throughout.
        never=empty[kept] if empty[kept].any() else None,
        initial=context.build(estimator.initial_imputer_, "initial_imputer_"),
        models=models,
        places=[(int(one.feat_idx), *map(int, one.neighbor_feat_idx)) for one in sequence],
        limits=[(_limit(estimator._min_value, one), _limit(estimator._max_value, one)) for one in sequence],
        shown=indicated(estimator),
    )


def _limit(values: Array, triplet: Any) -> float | None:
    value = float(values[triplet.feat_idx])
    return value if np.isfinite(value) else None


def mark_of(estimator: Any, count: int, columns: Columns) -> Array | None:
    """What stands for a missing value in each column; None where NaN does."""
    value = estimator.missing_values
    if isinstance(value, str):
        return np.array([texts.index(value) if texts and value in texts else np.inf for texts in columns])
    # pandas' NA and None come as NaN among numbers.
    if not isinstance(value, int | float | np.number) or np.isnan(value):
        return None
    exact = float(np.float32(value)) == float(value)
    numbers = columns or (None,) * count
    return np.array([float(value) if exact and texts is None else np.inf for texts in numbers])


def indicated(estimator: Any) -> Array | None:
    """The columns of which an imputer also tells whether they were missing."""
    return np.asarray(estimator.indicator_.features_) if estimator.add_indicator else None


def is_missing(model: Any, x: Any) -> Any:
    """Which values are missing, by the module's ``mark``."""
    return torch.isnan(x) if model.mark is None else x == model.mark


def with_indicator(model: Any, value: Any, missing: Any) -> Answers:
    """The imputed columns, and beside them which were missing where that is asked for."""
    if model.shown is not None:
        value = torch.cat([value, missing.to(value.dtype).index_select(1, model.shown)], dim=1)
    return {"transformed": value}


def _filled(model: Any, x: Any) -> Answers:
    missing = is_missing(model, x)
    # Not zeros_like(x), which is x - x in Core ML: NaN is not 0.
    value = torch.where(missing, 0.0, x)
    gaps = missing
    if model.kept is not None:
        value = value.index_select(1, model.kept)
        gaps = missing.to(x.dtype).index_select(1, model.kept) > 0
    return with_indicator(model, torch.where(gaps, model.fill, value), missing)


def _indicated(model: Any, x: Any) -> Answers:
    return {"transformed": is_missing(model, x).to(x.dtype).index_select(1, model.shown)}


def _iterated(model: Any, x: Any) -> Answers:
    missing = is_missing(model, x)
    gaps = missing.to(x.dtype)
    if model.kept is not None:
        gaps = gaps.index_select(1, model.kept)
    filled = model.initial.answers(x)["transformed"]
    columns = list(torch.split(filled, 1, dim=1))
    for (place, *others), (low, high), part in zip(model.places, model.limits, model.models, strict=True):
        value = part.answers(torch.cat([columns[other] for other in others], dim=1))["prediction"].reshape(-1, 1)
        if low is not None or high is not None:
            value = torch.clamp(value, low, high)
        columns[place] = torch.where(gaps[:, place : place + 1] > 0, value, columns[place])
    value = torch.cat(columns, dim=1)
    if model.never is not None:
        value = torch.where(model.never, filled, value)
    return with_indicator(model, value, missing)
