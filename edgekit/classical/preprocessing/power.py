"""PowerTransformer, standardized without subtracting numbers that are nearly the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.elementary import expm1, log_ratio
from edgekit.classical.mathematics.exact import split
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array

# A power so small that (u**power - 1) / power is log(u) in float64, too.
_ZERO_POWER = 1e-17


@rule("PowerTransformer")
def power_transformer(estimator: Any, context: Context) -> Any:
    """``scipy.stats.yeojohnson`` or ``scipy.special.boxcox`` by ``lambdas_``, then ``_scaler``.

    With ``u**p = 1 + p m`` at the mean m, ``((x**p - 1) / p - m) / s`` is ``(1 + p m) / (p s) expm1(p log(x / u))``.
    """
    del context
    powers = np.asarray(estimator.lambdas_, np.float64)
    means, scales = np.zeros(len(powers)), np.ones(len(powers))
    if estimator.standardize:
        means, scales = estimator._scaler.mean_, estimator._scaler.scale_
    columns = list(zip(powers, means, scales, strict=True))
    if estimator.method == "box-cox":
        return _branch([_constants(p, m, s) for p, m, s in columns], shift=0.0)
    upper = [_constants(p, m, s) for p, m, s in columns]
    # Of negative numbers: -yeojohnson(-x, 2 - p).
    lower = [_constants(2 - p, -m, s) for p, m, s in columns]
    return fitted(_yeo_johnson, upper=_branch(upper, shift=1.0), lower=_branch(lower, shift=1.0))


def _constants(power: float, mean: float, scale: float) -> tuple[float, float, float, float]:
    """The power, the point u at which the power's value is the mean, the factor, and what remains to add."""
    if abs(power) < _ZERO_POWER:
        return 0.0, float(np.exp(mean)), 1 / scale, 0.0
    above = 1 + power * mean
    with np.errstate(over="ignore", divide="ignore"):
        point = float(np.power(above, 1 / power)) if above > 0 else 0.0
    if 1e-30 < point < 1e30:
        return power, point, above / (power * scale), 0.0
    # The mean is far from all that this branch gives: nothing cancels.
    return power, 1.0, 1 / (power * scale), -mean / scale


def _branch(columns: Sequence[tuple[float, float, float, float]], shift: float) -> Any:
    power, point, factor, offset = (np.array(row, np.float64) for row in zip(*columns, strict=True))
    high, low = split(point - shift)
    return fitted(
        _of_branch,
        power=power,
        logarithms=_some(power == 0),
        high=high,
        low=low,
        inverse=1 / point,
        factor=factor,
        offset=_some(offset),
        shift=shift,
    )


def _some(values: Array) -> Array | None:
    """The values where any counts."""
    return values if values.any() else None


def _of_branch(branch: Any, x: Any) -> Answers:
    ratio = (x + branch.shift) * branch.inverse
    logarithm = log_ratio(((x - branch.high) - branch.low) * branch.inverse, ratio)
    value = expm1(logarithm * branch.power)
    if branch.logarithms is not None:
        value = torch.where(branch.logarithms, logarithm, value)
    value = value * branch.factor
    return {"transformed": value if branch.offset is None else value + branch.offset}


def _yeo_johnson(model: Any, x: Any) -> Answers:
    upper = model.upper.answers(torch.where(x > 0, x, 0.0))["transformed"]
    lower = model.lower.answers(torch.where(x < 0, -x, 0.0))["transformed"]
    value = torch.where(x >= 0, upper, -lower)
    return {"transformed": torch.where(torch.isnan(x), x, value)}
