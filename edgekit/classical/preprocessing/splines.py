"""SplineTransformer: B-spline bases by the Cox–de Boor recursion, all columns at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import functional, torch
from edgekit.classical.mathematics.exact import at_least, at_most, split
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError
from edgekit.signature import Array


@rule("SplineTransformer")
def spline_transformer(estimator: Any, context: Context) -> Any:
    """``bsplines_`` of each column, continued beyond its knots: ``SplineTransformer.transform``.

    Raises:
        ConversionError: periodic, and a column was constant.
    """
    del context
    knots = np.stack([spline.t for spline in estimator.bsplines_])
    degree, outputs = estimator.degree, estimator.bsplines_[0].c.shape[1]
    constants: dict[str, Any] = {"period": None, "outside": None}
    if estimator.extrapolation == "periodic":
        constants |= _period(knots, degree)
        # Counted from the first knot, to which a row is brought back.
        knots = knots - knots[:, degree : degree + 1]
    elif estimator.extrapolation in ("constant", "linear"):
        constants |= _outside(estimator)
    high, low = split(knots)
    inner = knots[:, degree + 1 : -degree - 1]
    return fitted(
        _splines,
        degree=degree,
        folds=estimator.extrapolation == "periodic" and degree > 0,
        outputs=outputs,
        bias=estimator.include_bias,
        zeros=estimator.handle_missing == "zeros",
        edges=at_least(inner) if inner.size else None,
        high=high,
        low=low,
        **_widths(knots, degree),
        **constants,
    )


def _widths(knots: Array, degree: int) -> dict[str, Any]:
    """One over the distance of knots so many apart, for each degree of the recursion; 0 where they are one knot."""
    inverses: dict[str, Any] = {}
    for step in range(1, degree + 1):
        width = knots[:, step:] - knots[:, :-step]
        with np.errstate(divide="ignore"):
            inverses[f"inverse_{step}"] = np.where(width > 0, 1 / width, 0.0)
    return inverses


def _period(knots: Array, degree: int) -> dict[str, Any]:
    """The first knot and the period, whose high part of 12 bits times a count up to 4096 is exact."""
    first = knots[:, degree]
    period = knots[:, knots.shape[1] - degree - 1] - first
    if (period <= 0).any():
        why = f"column {int(np.argmin(period))} was constant when it was fitted: it has no period"
        raise ConversionError("convert a SplineTransformer", why, "leave the column out")
    fraction, exponent = np.frexp(period)
    coarse = np.ldexp(np.floor(fraction * 4096), exponent - 12)
    first_high, first_low = split(first)
    return {
        "period": period,
        "per_period": 1 / period,
        "coarse": coarse,
        "fine": period - coarse,
        "first_high": first_high,
        "first_low": first_low,
    }


def _outside(estimator: Any) -> dict[str, Any]:
    """What stands below the first and above the last knot: a value for each basis function, and its slope."""
    degree, linear = estimator.degree, estimator.extrapolation == "linear"
    tables: dict[str, list[Any]] = {
        name: [] for name in ("first", "last", "value", "slope", "value_above", "slope_above")
    }
    for spline in estimator.bsplines_:
        # As in the original, which raises `degree` in this loop: the columns after the first begin at another knot.
        first, last = spline.t[degree], spline.t[-degree - 1]
        if linear and degree <= 1:
            degree += 1
        count = spline.c.shape[1]
        begins, ends = np.arange(count) < degree, np.arange(count) >= count - degree
        tables["first"].append(first)
        tables["last"].append(last)
        tables["value"].append(spline(first) * begins)
        tables["value_above"].append(spline(last) * ends)
        tables["slope"].append(spline(first, nu=1) * begins * linear)
        tables["slope_above"].append(spline(last, nu=1) * ends * linear)
    arrays = {name: np.array(values) for name, values in tables.items()}
    first_high, first_low = split(arrays.pop("first"))
    last_high, last_low = split(arrays.pop("last"))
    bounds = {"outside": estimator.extrapolation}
    return {
        **bounds,
        **arrays,
        "first_high": first_high,
        "first_low": first_low,
        "last_high": last_high,
        "last_low": last_low,
        "from_first": at_least(np.array(tables["first"])),
        "to_last": at_most(np.array(tables["last"])),
    }


def _splines(model: Any, x: Any) -> Answers:
    at = x if model.period is None else _in_period(model, x)
    bases = _bases(model, at.unsqueeze(2))
    if model.folds:
        # The last basis functions are the first ones of the next period.
        again = bases[:, :, : model.degree] + bases[:, :, model.outputs :]
        bases = torch.cat([again, bases[:, :, model.degree : model.outputs]], dim=2)
    if model.outside is not None:
        bases = _with_outside(model, x, bases)
    if model.zeros:
        bases = torch.where(torch.isnan(x).unsqueeze(2), 0.0, bases)
    if not model.bias:
        bases = bases[:, :, :-1]
    return {"transformed": bases.flatten(1)}


def _in_period(model: Any, x: Any) -> Any:
    beyond = (x - model.first_high) - model.first_low
    count = torch.floor(beyond * model.per_period)
    rest = (beyond - count * model.coarse) - count * model.fine
    # The count of periods is one off where the quotient was rounded over a whole number.
    rest = torch.where(rest < 0, rest + model.period, rest)
    return torch.where(rest >= model.period, rest - model.period, rest)


def _bases(model: Any, x: Any) -> Any:
    """[n, columns, basis functions]; the first and the last polynomial go on without end."""
    beyond = (x - model.high) - model.low
    if model.edges is None:
        hits = torch.ones_like(x)
    else:
        passed = (x >= model.edges).to(x.dtype)
        one = torch.ones_like(x)
        hits = torch.cat([one, passed], dim=2) - torch.cat([passed, torch.zeros_like(one)], dim=2)
    value = functional.pad(hits, (model.degree, model.degree))
    for step in range(1, model.degree + 1):
        parts = value * getattr(model, f"inverse_{step}")
        count = parts.shape[2] - 1
        rising = beyond[:, :, :count] * parts[:, :, :count]
        falling = beyond[:, :, step + 1 : step + 1 + count] * parts[:, :, 1:]
        value = rising - falling
    return value


def _with_outside(model: Any, x: Any, bases: Any) -> Any:
    below = (((x - model.first_high) - model.first_low).unsqueeze(2) * model.slope) + model.value
    above = (((x - model.last_high) - model.last_low).unsqueeze(2) * model.slope_above) + model.value_above
    bases = torch.where((x < model.from_first).unsqueeze(2), below, bases)
    return torch.where((x > model.to_last).unsqueeze(2), above, bases)
