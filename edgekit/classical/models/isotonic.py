"""Isotonic regression: a monotone, piecewise linear function of one column."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array


def isotonic_constants(estimator: Any) -> dict[str, Any]:
    """The constants of :func:`interpolated`, of a fitted ``IsotonicRegression``."""
    x, y = np.asarray(estimator.X_thresholds_, np.float64), np.asarray(estimator.y_thresholds_, np.float64)
    if len(y) == 1:
        return {"level": float(y[0]), "knots": None}
    high = x.astype(np.float32)
    clip = estimator.out_of_bounds == "clip"
    constants: dict[str, Any] = {"level": None, "knots": _down(x[1:-1]), "clip": clip}
    # Where each piece starts, in two parts whose sum is more exact than float32; its slope and its start's value.
    pieces = {"start": high[:-1], "rest": (x - high)[:-1], "slope": np.diff(y) / np.diff(x), "value": y[:-1]}
    # The first and the last float32 inside.
    return {**constants, **pieces, "first": float(-_down(-x[:1])[0]), "last": float(_down(x[-1:])[0])}


def interpolated(model: Any, x: Any) -> Any:
    """The function's value at ``x`` [n]: ``scipy.interpolate.interp1d``.

    Outside of the thresholds NaN, unless ``out_of_bounds="clip"``; where the original raises an error, NaN as well.
    """
    if model.level is not None:
        return torch.full_like(x, model.level)
    inside = x.clamp(model.first, model.last)
    # `searchsorted`: how many of the inner thresholds lie below.
    piece = (inside[:, None] > model.knots).to(torch.int64).sum(dim=1)
    value = model.value[piece] + ((inside - model.start[piece]) - model.rest[piece]) * model.slope[piece]
    if model.clip:
        return value
    return torch.where(inside == x, value, torch.full_like(value, float("nan")))


def _down(values: Array) -> Array:
    """The largest float32 up to each: the same float32 numbers lie above both."""
    single = values.astype(np.float32)
    return np.where(single > values, np.nextafter(single, np.float32(-np.inf)), single)


@rule("IsotonicRegression")
def isotonic(estimator: Any, context: Context) -> Any:
    """Interpolates ``y_thresholds_`` linearly: ``IsotonicRegression.predict`` and ``transform``, both of shape [n]."""
    del context
    return fitted(_isotonic, **isotonic_constants(estimator))


def _isotonic(model: Any, x: Any) -> Answers:
    value = interpolated(model, x[:, 0])
    return {"prediction": value, "transformed": value}
