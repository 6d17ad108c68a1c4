"""QuantileTransformer: the position among the quantiles, and the normal quantile of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.elementary import normal_quantile
from edgekit.classical.mathematics.exact import at_least, at_most, split
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array

# `sklearn.preprocessing._data.BOUNDS_THRESHOLD`, and norm.ppf(BOUNDS_THRESHOLD - spacing(1)).
_BOUNDS = 1e-7
_LARGEST = 5.199337582605575


@rule("QuantileTransformer")
def quantile_transformer(estimator: Any, context: Context) -> Any:
    """The mean of ``np.interp`` from below and from above: ``QuantileTransformer._transform_col``.

    Both are the position j of the last quantile that is no more, and the part of the way to the next; only at a
    quantile that repeats they differ, by how often it does.
    """
    del context
    quantiles = np.asarray(estimator.quantiles_, np.float64).T
    count = quantiles.shape[1]
    following = np.append(quantiles[:, 1:], quantiles[:, -1:], axis=1)
    width = following - quantiles
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.where(width > 0, np.minimum(1 / width, np.finfo(np.float32).max), 0.0)
    high, low = (part.ravel() for part in split(quantiles))
    next_high, next_low = (part.ravel() for part in split(following))
    constants = {
        "edges": at_least(quantiles),
        "start": np.arange(len(quantiles)) * count,
        "high": high,
        "low": low,
        "inverse": inverse.ravel(),
        "repeats": _repeats(quantiles).ravel(),
        "steps": max(count - 1, 1),
    }
    if estimator.output_distribution == "uniform":
        return fitted(_uniform, **constants)
    return fitted(
        _normal,
        next_high=next_high,
        next_low=next_low,
        below=np.array([_last_below(row[0]) for row in quantiles]),
        above=-np.array([_last_below(-row[-1]) for row in quantiles]),
        **constants,
    )


def _repeats(quantiles: Array) -> Array:
    """How far the mean of both positions is below that of the last quantile that is the same; the ends' are 0 and 1."""
    repeats = np.zeros(quantiles.shape)
    last = quantiles.shape[1] - 1
    for index, own in enumerate(quantiles):
        position = np.arange(len(own))
        first = np.searchsorted(own, own, side="left")
        below = np.where(own == own[last], 0, (position - first) / 2)
        repeats[index] = np.where(own == own[0], position, below)
    return repeats


def _last_below(bound: float) -> Any:
    """The largest float32 x for which ``x - 1e-7 < bound`` in float64."""
    x = np.nextafter(at_most(bound + _BOUNDS).astype(np.float32), np.float32(np.inf))
    while not float(x) - _BOUNDS < bound:
        x = np.nextafter(x, np.float32(-np.inf))
    return x


def _place(model: Any, x: Any) -> tuple[Any, Any, Any]:
    """The position among a column's quantiles, its index in the tables, and how far beyond that quantile x lies."""
    passed = (x.unsqueeze(2) >= model.edges).to(x.dtype).sum(dim=2)
    position = torch.clamp(passed - 1, min=0)
    index = position.to(torch.int64) + model.start
    return position, index, (x - model.high[index]) - model.low[index]


def _uniform(model: Any, x: Any) -> Answers:
    position, index, beyond = _place(model, x)
    part = torch.where(beyond == 0, -model.repeats[index], torch.clamp(beyond * model.inverse[index], 0, 1))
    return {"transformed": torch.where(torch.isnan(x), x, (position + part) / model.steps)}


def _normal(model: Any, x: Any) -> Answers:
    position, index, beyond = _place(model, x)
    inverse, repeats = model.inverse[index], model.repeats[index]
    rest = ((model.next_high[index] - x) + model.next_low[index]) * inverse
    same = beyond == 0
    part = torch.where(same, -repeats, torch.clamp(beyond * inverse, 0, 1))
    rest = torch.where(same, 1 + repeats, torch.clamp(rest, 0, 1))
    lower = (position + part) / model.steps
    upper = torch.clamp((model.steps - 1 - position) + rest, min=0) / model.steps
    # Of the probability or of what it lacks to 1, whichever is smaller: float32 knows 1e-8, not 1 - 1e-8.
    in_lower = lower <= upper
    value = normal_quantile(torch.clamp(torch.where(in_lower, lower, upper), min=1e-8))
    value = torch.clamp(torch.where(in_lower, value, -value), -_LARGEST, _LARGEST)
    value = torch.where(x >= model.above, _LARGEST, value)
    value = torch.where(x <= model.below, -_LARGEST, value)
    return {"transformed": torch.where(torch.isnan(x), x, value)}
