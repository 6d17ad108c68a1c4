"""The inverses of fitted transformers, by which transformed targets become targets again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.elementary import expm1, log1p
from edgekit.classical.preprocessing.functions import applied
from edgekit.errors import ConversionError

_ASKED = "convert a TransformedTargetRegressor"
# `norm.ppf` of `sklearn.preprocessing._data.BOUNDS_THRESHOLD`, below and above which the ends are given.
_OUTERMOST = 5.199337582605575


def inverse(transformer: Any) -> Any:
    """The module of a fitted transformer's ``inverse_transform``, rows in and ``transformed`` out.

    Raises:
        ConversionError: edgekit does not know the inverse.
    """
    name = type(transformer).__name__
    if name == "Pipeline":
        steps = [step for _, step in reversed(transformer.steps) if step is not None and step != "passthrough"]
        return fitted(_in_turn, steps=[inverse(step) for step in steps] or ())
    if name == "FunctionTransformer":
        if transformer.inverse_func is None:
            return fitted(_in_turn, steps=())
        return applied(transformer.inverse_func, transformer.inv_kw_args or {}, _ASKED)
    if name == "PowerTransformer":
        return _power(transformer)
    if name == "QuantileTransformer":
        return _quantiles(transformer)
    scale, shift = _line(transformer, name)
    return fitted(_by_line, scale=np.atleast_1d(scale), shift=np.atleast_1d(shift))


def _in_turn(model: Any, x: Any) -> Answers:
    for step in model.steps:
        x = step.answers(x)["transformed"]
    return {"transformed": x}


def _line(transformer: Any, name: str) -> tuple[Any, Any]:
    """``inverse_transform(y) = y * scale + shift``."""
    # What is not to be used may be fitted all the same: `mean_` with with_mean=False.
    if name == "StandardScaler":
        scale = transformer.scale_ if transformer.with_std else 1.0
        return scale, transformer.mean_ if transformer.with_mean else 0.0
    if name == "RobustScaler":
        scale = transformer.scale_ if transformer.with_scaling else 1.0
        return scale, transformer.center_ if transformer.with_centering else 0.0
    if name == "MinMaxScaler":
        return 1 / transformer.scale_, -transformer.min_ / transformer.scale_
    if name == "MaxAbsScaler":
        return transformer.scale_, 0.0
    known = (
        "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PowerTransformer, QuantileTransformer, "
        "FunctionTransformer or a Pipeline of these"
    )
    raise ConversionError(_ASKED, f"the inverse of its {name} has no counterpart", f"use a {known}")


def _by_line(model: Any, x: Any) -> Answers:
    return {"transformed": x * model.scale + model.shift}


def _power(transformer: Any) -> Any:
    """``_scaler``'s inverse, then ``inv_boxcox`` or ``_yeo_johnson_inverse_transform`` by ``lambdas_``."""
    powers = np.asarray(transformer.lambdas_, np.float64)
    means, scales = np.zeros(len(powers)), np.ones(len(powers))
    if transformer.standardize:
        means, scales = transformer._scaler.mean_, transformer._scaler.scale_
    if transformer.method == "box-cox":
        return _branch(powers, means, scales, shift=0.0)
    # Of negative numbers: minus the inverse by 2 - p of the positive one.
    upper, lower = _branch(powers, means, scales, shift=1.0), _branch(2 - powers, -means, scales, shift=1.0)
    return fitted(_yeo_johnson, upper=upper, lower=lower, means=means, scales=scales)


def _branch(powers: Any, means: Any, scales: Any, shift: float) -> Any:
    """``(1 + p (m + s y))**(1/p) - shift``, in which u is its value + ``shift`` at y = 0.

    That is ``(u - shift) + u expm1(log1p(p s y / (1 + p m)) / p)``: nothing cancels near the mean.
    """
    columns = [_constants(*one) for one in zip(powers, means, scales, strict=True)]
    point, slope, offset, exponent = (np.array(row, np.float64) for row in zip(*columns, strict=True))
    return fitted(
        _of_branch,
        point=point,
        slope=slope,
        offset=offset,
        exponent=exponent,
        exponential=exponent == 0,
        shifted=point - shift if shift else None,
    )


def _constants(power: float, mean: float, scale: float) -> tuple[float, float, float, float]:
    """The point u, the factor of y, what is added to it, and 1 / p; 0 for the exponential function."""
    if abs(power) < np.spacing(1.0):
        return math.exp(mean), scale, 0.0, 0.0
    above = 1 + power * mean
    with np.errstate(over="ignore", divide="ignore"):
        point = float(np.power(above, 1 / power)) if above > 0 else 0.0
    if 1e-30 < point < 1e30:
        return point, power * scale / above, 0.0, 1 / power
    # The mean is beyond all that this branch gives.
    return 1.0, power * scale, power * mean, 1 / power


def _of_branch(branch: Any, x: Any) -> Answers:
    inside = x * branch.slope + branch.offset
    exponent = torch.where(branch.exponential, inside, log1p(inside) * branch.exponent)
    if branch.shifted is None:
        return {"transformed": branch.point * torch.exp(exponent)}
    return {"transformed": branch.shifted + branch.point * expm1(exponent)}


def _yeo_johnson(model: Any, x: Any) -> Answers:
    upper = model.upper.answers(x)["transformed"]
    lower = -model.lower.answers(-x)["transformed"]
    return {"transformed": torch.where(x * model.scales + model.means >= 0, upper, lower)}


def _quantiles(transformer: Any) -> Any:
    """``np.interp(y, references_, quantiles_)``, for normal targets of ``norm.cdf(y)``: ``_transform_col``."""
    quantiles = np.asarray(transformer.quantiles_, np.float64).T
    count = quantiles.shape[1]
    widths = np.diff(quantiles, axis=1, append=quantiles[:, -1:])
    return fitted(
        _between_quantiles,
        values=quantiles.ravel(),
        widths=widths.ravel(),
        start=np.arange(len(quantiles)) * count,
        steps=count - 1,
        normal=transformer.output_distribution == "normal",
    )


def _between_quantiles(model: Any, x: Any) -> Answers:
    place = x
    if model.normal:
        place = (1 + torch.erf(x * math.sqrt(0.5))) * 0.5
        place = torch.where(x < -_OUTERMOST, torch.zeros_like(x), place)
        place = torch.where(x > _OUTERMOST, torch.ones_like(x), place)
    place = torch.where(torch.isnan(x), torch.zeros_like(x), place).clamp(0.0, 1.0) * model.steps
    passed = torch.floor(place)
    index = passed.to(torch.int64) + model.start
    value = model.values[index] + (place - passed) * model.widths[index]
    return {"transformed": torch.where(torch.isnan(x), x, value)}
