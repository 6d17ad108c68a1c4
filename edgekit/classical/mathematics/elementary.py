"""Functions that keep float32's accuracy where the plain formula cancels, of operators that every format has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from edgekit.classical.lazy import torch

# log1p(d) = 2 atanh(z) = 2 z (1 + z²/3 + z⁴/5 + …) with z = d / (2 + d): nine terms for |z| up to 1/3.
_ATANH = [2 / (2 * k + 1) for k in range(9)]
# expm1(y) = y (1 + y/2 + y²/6 + …): nine terms for |y| up to 1/2.
_EXPM1 = [1 / math.factorial(k + 1) for k in range(9)]
# Wichura, Algorithm AS 241 (PPND7), Applied Statistics 37 (1988): about 1 in 10⁷.
_CENTRE = ([3.3871327179, 50.434271938, 159.29113202, 59.109374720], [1.0, 17.895169469, 78.757757664, 67.187563600])
_TAIL = ([1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103], [1.0, 0.73700164250, 0.12021132975])


def log1p(x: Any) -> Any:
    """``log(1 + x)``, accurate near 0."""
    return log_ratio(x, 1 + x)


def log_ratio(d: Any, ratio: Any) -> Any:
    """``log(ratio)`` where ``d`` is ``ratio - 1``, each computed as accurately as it can be."""
    near = (d > -0.5) & (d < 1)
    z = torch.where(near, d, 0.0)
    z = z / (2 + z)
    series = z * polynomial(z * z, _ATANH)
    return torch.where(near, series, torch.log(ratio))


def expm1(x: Any) -> Any:
    """``exp(x) - 1``, accurate near 0."""
    near = torch.abs(x) < 0.5
    small = torch.where(near, x, 0.0)
    return torch.where(near, small * polynomial(small, _EXPM1), torch.exp(x) - 1)


def normal_quantile(p: Any) -> Any:
    """``scipy.stats.norm.ppf`` of probabilities from 1e-10 to 1/2 (the lower half: mirror the upper one)."""
    q = p - 0.5
    r = 0.180625 - q * q
    centre = q * polynomial(r, _CENTRE[0]) / polynomial(r, _CENTRE[1])
    far = torch.sqrt(-torch.log(p)) - 1.6
    tail = -polynomial(far, _TAIL[0]) / polynomial(far, _TAIL[1])
    return torch.where(q > -0.425, centre, tail)


def polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """Horner's scheme, the constant coefficient first."""
    value = x * coefficients[-1] + coefficients[-2]
    for coefficient in reversed(coefficients[:-2]):
        value = value * x + coefficient
    return value
