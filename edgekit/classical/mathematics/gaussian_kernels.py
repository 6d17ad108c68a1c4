"""The kernels of ``sklearn.gaussian_process.kernels``, between rows and the points that a process was fitted to.

A kernel is a nested tuple: the name of what computes it, then its numbers, names of buffers, or further kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.kernels import pairwise, power, squared_distances
from edgekit.errors import ConversionError

Term = tuple[Any, ...]
Buffers = dict[str, Any]


def kernel_term(kernel: Any, estimator: Any) -> tuple[Term, Buffers]:
    """A fitted kernel as what :func:`similarity` evaluates, and the buffers that it needs beside ``points``.

    Raises:
        ConversionError: a kernel of the user's own, or a setting that needs functions no runtime has.
    """
    buffers: Buffers = {}
    return _translate(kernel, buffers, type(estimator).__name__), buffers


def similarity(model: Any, term: Term, x: Any) -> Any:
    """The kernel between rows ``x`` [n, d] and the module's ``points`` [m, d]: ``kernel(X, Y)``, shape [n, m]."""
    return _SIMILARITIES[term[0]](model, x, *term[1:])


def diagonal(model: Any, term: Term, x: Any) -> Any:
    """The kernel between each row and itself: ``kernel.diag(X)``, shape [n]."""
    return _DIAGONALS[term[0]](model, x, *term[1:])


def as_polynomial(term: Term) -> tuple[float, float, float] | None:
    """``factor, constant, degree`` of a kernel ``factor (x·y + constant)^degree`` between different rows, or None."""
    name, *given = term
    if name == "DotProduct":
        return 1.0, given[0], 1.0
    if name == "Exponentiation" and given[0][0] == "DotProduct":
        return 1.0, given[0][1], given[1]
    if name not in ("Sum", "Product"):
        return None
    # Noise is a new row's own; constants multiply.
    neutral = "WhiteKernel" if name == "Sum" else "ConstantKernel"
    rest = [one for one in given if one[0] != neutral]
    found = as_polynomial(rest[0]) if len(rest) == 1 else None
    if found is None or name == "Sum":
        return found
    constants = [one[1] for one in given if one[0] == neutral]
    return math.prod([found[0], *constants]), *found[1:]


def _translate(kernel: Any, buffers: Buffers, asked: str) -> Term:
    name = type(kernel).__name__
    if name in ("Sum", "Product"):
        return name, _translate(kernel.k1, buffers, asked), _translate(kernel.k2, buffers, asked)
    if name == "Exponentiation":
        return name, _translate(kernel.kernel, buffers, asked), float(kernel.exponent)
    if name not in _SETTINGS or type(kernel).__module__.partition(".")[0] != "sklearn":
        raise ConversionError(
            f"convert a {asked}", f"edgekit does not know its kernel {name}", "use scikit-learn's own"
        )
    if name == "Matern" and not (kernel.nu == np.inf or (kernel.nu - 0.5) == int(kernel.nu - 0.5)):
        why = f"its Matern kernel with nu={kernel.nu:g} needs Bessel functions"
        raise ConversionError(f"convert a {asked}", why, "use nu=0.5, 1.5, 2.5 or infinity")
    if name == "PairwiseKernel" and (kernel.metric not in _PAIRWISE or kernel.pairwise_kernels_kwargs):
        raise ConversionError(
            f"convert a {asked}", f"edgekit does not know its kernel {kernel}", "use RBF or DotProduct"
        )
    return (name, *_SETTINGS[name](kernel, buffers))


def _inverse_scale(kernel: Any, buffers: Buffers) -> float | str:
    scale = np.atleast_1d(np.asarray(kernel.length_scale, np.float64))
    if len(scale) == 1:
        return float(1.0 / scale[0])
    name = f"scale{len(buffers)}"
    buffers[name] = 1.0 / scale
    return name


_SETTINGS: dict[str, Callable[[Any, Buffers], Term]] = {
    "ConstantKernel": lambda kernel, _: (float(kernel.constant_value),),
    "WhiteKernel": lambda kernel, _: (float(kernel.noise_level),),
    "RBF": lambda kernel, buffers: (_inverse_scale(kernel, buffers),),
    "Matern": lambda kernel, buffers: (_inverse_scale(kernel, buffers), float(kernel.nu)),
    "RationalQuadratic": lambda kernel, _: (float(kernel.alpha), float(kernel.length_scale)),
    "ExpSineSquared": lambda kernel, _: (float(kernel.length_scale), float(kernel.periodicity)),
    "DotProduct": lambda kernel, _: (float(kernel.sigma_0) ** 2,),
    "PairwiseKernel": lambda kernel, _: (kernel.metric, float(kernel.gamma)),
}


def _squares(model: Any, x: Any, scale: float | str) -> Any:
    if isinstance(scale, str):
        return squared_distances(x, model.points, getattr(model, scale))
    return squared_distances(x, model.points) * scale**2


def _constant(model: Any, x: Any, value: float) -> Any:
    return torch.zeros_like(x[:, :1] @ model.points[:, :1].transpose(0, 1)) + value


def _white(model: Any, x: Any, _: float) -> Any:
    # Noise is a new row's own.
    return _constant(model, x, 0.0)


def _rbf(model: Any, x: Any, scale: float | str) -> Any:
    return torch.exp(_squares(model, x, scale) * -0.5)


def _matern(model: Any, x: Any, scale: float | str, nu: float) -> Any:
    """``exp(-z) p! / (2p)!  Σ_i (p + i)! / (i! (p - i)!) (2 z)^(p - i)``, ``z = √(2 nu) d``, ``nu = p + ½``."""
    squares = _squares(model, x, scale)
    if nu == np.inf:
        return torch.exp(squares * -0.5)
    z, p = torch.sqrt(squares * (2.0 * nu)), int(nu - 0.5)
    polynomial = torch.zeros_like(z)
    for i in range(p + 1):
        ways = math.factorial(p + i) / (math.factorial(i) * math.factorial(p - i))
        coefficient = ways * math.factorial(p) / math.factorial(2 * p) * 2.0 ** (p - i)
        # From the highest power down: Horner's scheme.
        polynomial = polynomial * z + coefficient
    return polynomial * torch.exp(-z)


def _rational_quadratic(model: Any, x: Any, alpha: float, length_scale: float) -> Any:
    """``(1 + d² / (2 alpha l²)) ** -alpha``."""
    return torch.exp(log1p(_squares(model, x, 1.0) * (0.5 / (alpha * length_scale**2))) * -alpha)


def log1p(t: Any) -> Any:
    """``log(1 + t)`` of numbers above 0, exact near 0: fitted exponents alpha are large.

    By ``2 artanh(t / (2 + t))``, as not every runtime has a log1p that keeps small numbers.
    """
    z = t / (t + 2.0)
    square = z * z
    series = 2.0 * z * (1.0 + square * (1.0 / 3 + square * (1.0 / 5 + square * (1.0 / 7 + square * (1.0 / 9)))))
    return torch.where(t < 0.5, series, torch.log(1.0 + t))


def _exp_sine_squared(model: Any, x: Any, length_scale: float, periodicity: float) -> Any:
    """``exp(-2 (sin(π d / p) / l)²)``, of the distance's part of the period."""
    turns = torch.sqrt(_squares(model, x, 1.0)) * (1.0 / periodicity)
    sine = torch.sin((turns - torch.floor(turns)) * math.pi)
    return torch.exp(sine * sine * (-2.0 / length_scale**2))


def _dot_product(model: Any, x: Any, constant: float) -> Any:
    return x @ model.points.transpose(0, 1) + constant


def _pairwise(model: Any, x: Any, metric: str, gamma: float) -> Any:
    return pairwise(x, model.points, metric, gamma)


_SIMILARITIES: dict[str, Callable[..., Any]] = {
    "Sum": lambda model, x, one, other: similarity(model, one, x) + similarity(model, other, x),
    "Product": lambda model, x, one, other: similarity(model, one, x) * similarity(model, other, x),
    "Exponentiation": lambda model, x, one, exponent: power(similarity(model, one, x), exponent),
    "ConstantKernel": _constant,
    "WhiteKernel": _white,
    "RBF": _rbf,
    "Matern": _matern,
    "RationalQuadratic": _rational_quadratic,
    "ExpSineSquared": _exp_sine_squared,
    "DotProduct": _dot_product,
    "PairwiseKernel": _pairwise,
}


def _level(model: Any, x: Any, value: float) -> Any:
    del model
    return torch.zeros_like(x[:, 0]) + value


def _one(model: Any, x: Any, *_: Any) -> Any:
    return _level(model, x, 1.0)


def _lengths(x: Any) -> Any:
    return (x * x).sum(dim=1)


_PAIRWISE: dict[str, Callable[[Any, float], Any]] = {
    "linear": lambda x, _: _lengths(x),
    "poly": lambda x, gamma: power(_lengths(x) * gamma + 1.0, 3.0),
    "polynomial": lambda x, gamma: power(_lengths(x) * gamma + 1.0, 3.0),
    "sigmoid": lambda x, gamma: torch.tanh(_lengths(x) * gamma + 1.0),
    "rbf": lambda x, _: torch.ones_like(x[:, 0]),
    "laplacian": lambda x, _: torch.ones_like(x[:, 0]),
    "chi2": lambda x, _: torch.ones_like(x[:, 0]),
    "additive_chi2": lambda x, _: torch.zeros_like(x[:, 0]),
    "cosine": lambda x, _: (_lengths(x) > 0).to(x.dtype),
}

_DIAGONALS: dict[str, Callable[..., Any]] = {
    "Sum": lambda model, x, one, other: diagonal(model, one, x) + diagonal(model, other, x),
    "Product": lambda model, x, one, other: diagonal(model, one, x) * diagonal(model, other, x),
    "Exponentiation": lambda model, x, one, exponent: power(diagonal(model, one, x), exponent),
    "ConstantKernel": _level,
    "WhiteKernel": _level,
    "RBF": _one,
    "Matern": _one,
    "RationalQuadratic": _one,
    "ExpSineSquared": _one,
    "DotProduct": lambda _, x, constant: _lengths(x) + constant,
    "PairwiseKernel": lambda _, x, metric, gamma: _PAIRWISE[metric](x, gamma),
}
