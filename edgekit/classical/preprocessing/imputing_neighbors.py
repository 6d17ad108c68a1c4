"""KNNImputer: the mean of the nearest training rows that have the value."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.exact import split
from edgekit.classical.preprocessing.imputing import indicated, is_missing, mark_of, with_indicator
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# Training rows times columns: a row is compared to each of them.
_LARGEST = 4_000_000
# Farther than every row: the square of no distance.
_FAR = 3e38


@rule("KNNImputer")
def knn_imputer(estimator: Any, context: Context) -> Any:
    """The average of ``n_neighbors`` donors by ``nan_euclidean_distances``: ``KNNImputer.transform``.

    Raises:
        ConversionError: a metric or weights of its own, or too many training rows.
    """
    del context
    asked = "convert a KNNImputer"
    for name, known in (("metric", ("nan_euclidean",)), ("weights", ("uniform", "distance", None))):
        if getattr(estimator, name) not in known:
            why = f"{name}={getattr(estimator, name)!r} is Python that edgekit does not translate"
            raise ConversionError(asked, why, f"use {name}={known[0]!r}")
    if estimator._fit_X.size > _LARGEST:
        why = f"each row is compared to {len(estimator._fit_X)} training rows"
        raise ConversionError(asked, why, "fit it on a sample of them")
    kept = np.flatnonzero(estimator._valid_mask)
    mask, rows = estimator._mask_fit_X[:, kept], np.asarray(estimator._fit_X, np.float64)[:, kept]
    rows = np.where(mask, 0, rows)
    high, low = split(rows)
    present = (~mask).astype(np.float64)
    return fitted(
        _imputed,
        mark=mark_of(estimator, len(estimator._valid_mask), ()),
        kept=kept,
        high=high,
        low=low,
        present=present,
        # [columns, training rows]: what each may give, and what keeps those that have nothing to give away.
        donors=rows.T.ravel(),
        away=mask.T * _FAR,
        start=np.arange(len(kept))[:, None] * len(rows),
        means=rows.sum(axis=0) / present.sum(axis=0),
        neighbors=min(estimator.n_neighbors, len(rows)),
        by_distance=estimator.weights == "distance",
        back=_positions(len(estimator._valid_mask), kept) if estimator.keep_empty_features else None,
        shown=indicated(estimator),
    )


def _positions(count: int, kept: Any) -> Any:
    """Where each column stands among those that were kept, and after them (a column of zeros) the others."""
    positions = np.full(count, len(kept))
    positions[kept] = np.arange(len(kept))
    return positions


def _imputed(model: Any, x: Any) -> Answers:
    missing = is_missing(model, x)
    gaps = missing.to(x.dtype).index_select(1, model.kept)
    known = torch.where(missing, 0.0, x).index_select(1, model.kept)
    distances = _squared_distances(model, known, 1 - gaps)
    apart = torch.clamp(distances.unsqueeze(1) + model.away, max=_FAR)
    nearest, index = torch.topk(-apart, model.neighbors, dim=2)
    value = _average(model, -nearest, model.donors[index + model.start])
    value = torch.where(gaps > 0, value, known)
    if model.back is not None:
        value = torch.cat([value, torch.zeros_like(value[:, :1])], dim=1).index_select(1, model.back)
    return with_indicator(model, value, missing)


def _squared_distances(model: Any, known: Any, present: Any) -> Any:
    """[n, training rows]: the mean square of the differences that are known; far where none is."""
    both = present.unsqueeze(1) * model.present
    difference = (known.unsqueeze(1) - model.high) - model.low
    count = torch.sum(both, dim=2)
    total = torch.sum(difference * difference * both, dim=2)
    return torch.where(count > 0, total / torch.clamp(count, min=1), _FAR)


def _average(model: Any, nearest: Any, given: Any) -> Any:
    """[n, columns]: the donors' weighted mean, or the column's where there is no donor."""
    near = (nearest < _FAR / 2).to(given.dtype)
    weights = near
    if model.by_distance:
        # In units of the nearest distance: weights of at most 1. At distance 0 only rows at that distance count.
        least = torch.amin(nearest, dim=2, keepdim=True)
        same = (nearest == 0).to(given.dtype)
        ratio = torch.sqrt(least / torch.where(nearest > 0, nearest, 1.0))
        weights = torch.where(least > 0, ratio, same) * near
    total = torch.sum(weights, dim=2)
    mean = torch.sum(weights * given, dim=2) / torch.where(total > 0, total, 1.0)
    return torch.where(total > 0, mean, model.means)
