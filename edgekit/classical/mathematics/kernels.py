"""Pairwise kernels between rows and constant points, as ``sklearn.metrics.pairwise`` defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.classical.lazy import torch
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Up to this many elements a row the differences are taken before they are squared: exact, but [n, m, d] in memory.
_DIFFERENCES = 1 << 20
# Up to this many elements the coefficients of a polynomial stand for the points that they were summed over.
_TENSOR = 1 << 17
# As many points are summed at once.
_CHUNK = 512


def kernel_constants(estimator: Any, points: Any, *, gamma: Any = None) -> dict[str, Any]:
    """The constants that :func:`kernel_answer` reads, of an estimator that calls ``pairwise_kernels``.

    Args:
        estimator: has the settings ``kernel``, ``gamma``, ``coef0``, ``degree`` and, maybe, ``kernel_params``.
        points: shape [m, d]; sparse ones are densified.
        gamma: the number that the fit resolved ``"scale"``, ``"auto"`` or None to; None for ``1 / d``.

    Raises:
        ConversionError: the kernel is a Python function, or unknown.
    """
    kernel = estimator.kernel
    if not isinstance(kernel, str) or kernel not in _KERNELS:
        why = "its kernel is a Python function" if callable(kernel) else f"edgekit does not know its kernel {kernel!r}"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, f"use one of {', '.join(_KERNELS)}")
    dense = np.asarray(points.toarray() if hasattr(points, "toarray") else points, np.float64)
    gamma = estimator.gamma if gamma is None else gamma
    if gamma is None:
        # `chi2_kernel` alone defaults to 1.
        gamma = 1.0 if kernel == "chi2" else 1.0 / dense.shape[1]
    constants: dict[str, Any] = {"points": dense, "kernel": kernel, "gamma": float(gamma)}
    constants["coef0"] = float(1.0 if estimator.coef0 is None else estimator.coef0)
    constants["degree"] = float(3.0 if estimator.degree is None else estimator.degree)
    return constants


def kernel_answer(model: Any, x: Any) -> Any:
    """The kernel between rows ``x`` [n, d] and a module's ``points`` [m, d], shape [n, m].

    The module has the buffer ``points`` and the plain attributes ``kernel``, ``gamma``, ``coef0`` and ``degree``:
    :func:`kernel_constants` gives them all.
    """
    return pairwise(x, model.points, model.kernel, model.gamma, model.coef0, model.degree)


def weighed_kernel(constants: dict[str, Any], weights: Any) -> dict[str, Any]:
    """The constants of :func:`weighed_answer`: the kernel with the points times weights [m, t], summed over them.

    Polynomials of few features, and the cosine, are summed beforehand in float64: such weights are often large and of
    both signs, and what cancels between the points would be lost in float32. ::

        Σ_j w_j (gamma x·p_j + coef0)^degree  =  (Σ_j w_j (coef0, gamma p_j)^⊗degree) · (1, x)^⊗degree

    Args:
        constants: of :func:`kernel_constants`.
        weights: shape [m, t]; in the caller's hands what they are: dual coefficients, alphas.
    """
    points, kernel = constants["points"], constants["kernel"]
    if kernel == "linear":
        return {"kernel": "linear", "tensor": points.T @ weights}
    if kernel == "cosine":
        norms = np.linalg.norm(points, axis=1, keepdims=True)
        return {"kernel": "cosine", "tensor": (points / np.where(norms == 0, 1.0, norms)).T @ weights}
    degree, width = constants["degree"], points.shape[1] + 1
    if kernel not in ("poly", "polynomial") or degree not in (1, 2, 3, 4) or width**degree * weights.shape[1] > _TENSOR:
        return {**constants, "weights": weights, "tensor": None}
    augmented = np.concatenate([np.full((len(points), 1), constants["coef0"]), constants["gamma"] * points], axis=1)
    tensor = sum(
        _outer_powers(augmented[start : start + _CHUNK], weights[start : start + _CHUNK], int(degree))
        for start in range(0, len(points), _CHUNK)
    )
    return {"kernel": "poly", "tensor": tensor, "degree": int(degree), "width": width}


def _outer_powers(rows: Array, weights: Array, degree: int) -> Array:
    """The sum of ``rows^⊗degree ⊗ weights``, shape [width, width^(degree - 1) * t]."""
    tensor: Array = np.asarray(weights, np.float64)
    for _ in range(degree - 1):
        tensor = (rows[:, :, None] * tensor[:, None, :]).reshape(len(rows), -1)
    total: Array = rows.T @ tensor
    return total


def weighed_answer(model: Any, x: Any) -> Any:
    """``kernel(x, points) @ weights`` by the constants of :func:`weighed_kernel`, shape [n, t]."""
    if model.tensor is None:
        return kernel_answer(model, x) @ model.weights
    if model.kernel != "poly":
        return (_unit_rows(x) if model.kernel == "cosine" else x) @ model.tensor
    row = torch.cat([torch.ones_like(x[:, :1]), x], dim=1)
    value = row @ model.tensor
    size = model.tensor.shape[1]
    for _ in range(model.degree - 1):
        size //= model.width
        value = (row[:, :, None] * value.reshape(-1, model.width, size)).sum(dim=1)
    return value


def pairwise(x: Any, points: Any, kernel: str, gamma: float = 1.0, coef0: float = 1.0, degree: float = 3.0) -> Any:
    """The kernel between rows ``x`` [n, d] and ``points`` [m, d], shape [n, m]; ``precomputed`` gives ``x`` itself."""
    return _KERNELS[kernel](x, points, gamma, coef0, degree)


def squared_distances(x: Any, points: Any, scale: Any = None) -> Any:
    """Squared Euclidean distances between rows ``x`` [n, d] and ``points`` [m, d], shape [n, m].

    ``scale`` [d], where given, multiplies the features.
    """
    if points.shape[0] * points.shape[1] <= _DIFFERENCES:
        difference = x[:, None, :] - points[None]
        difference = difference if scale is None else difference * scale
        return (difference * difference).sum(dim=2)
    # ‖x‖² - 2 x·p + ‖p‖², around the points' mean so that less of it cancels.
    centre = points.mean(dim=0, keepdim=True)
    x, points = x - centre, points - centre
    if scale is not None:
        x, points = x * scale, points * scale
    squares = (x * x).sum(dim=1, keepdim=True) + (points * points).sum(dim=1)
    return (squares - 2.0 * (x @ points.transpose(0, 1))).clamp(min=0.0)


def power(base: Any, exponent: float) -> Any:
    """``base ** exponent``; by multiplication for small whole exponents, so that negative bases are no matter."""
    if exponent != int(exponent) or not 0 <= exponent <= 16:
        return torch.pow(base, exponent)
    result = None
    square, left = base, int(exponent)
    while left:
        if left & 1:
            result = square if result is None else result * square
        left >>= 1
        if left:
            square = square * square
    return torch.ones_like(base) if result is None else result


def _linear(x: Any, points: Any, *_: float) -> Any:
    return x @ points.transpose(0, 1)


def _polynomial(x: Any, points: Any, gamma: float, coef0: float, degree: float) -> Any:
    return power(x @ (points * gamma).transpose(0, 1) + coef0, degree)


def _sigmoid(x: Any, points: Any, gamma: float, coef0: float, _: float) -> Any:
    return torch.tanh(x @ (points * gamma).transpose(0, 1) + coef0)


def _rbf(x: Any, points: Any, gamma: float, *_: float) -> Any:
    return torch.exp(squared_distances(x, points) * -gamma)


def _laplacian(x: Any, points: Any, gamma: float, *_: float) -> Any:
    return torch.exp((x[:, None, :] - points[None]).abs().sum(dim=2) * -gamma)


def _cosine(x: Any, points: Any, *_: float) -> Any:
    return _unit_rows(x) @ _unit_rows(points).transpose(0, 1)


def _unit_rows(rows: Any) -> Any:
    # Scaled by the largest element first, as squares may leave float32's range; zero rows stay zero.
    largest = rows.abs().amax(dim=1, keepdim=True)
    rows = rows / torch.where(largest == 0, torch.ones_like(largest), largest)
    norm = (rows * rows).sum(dim=1, keepdim=True).sqrt()
    return rows / torch.where(norm == 0, torch.ones_like(norm), norm)


def _additive_chi2(x: Any, points: Any, *_: float) -> Any:
    difference, total = x[:, None, :] - points[None], x[:, None, :] + points[None]
    safe = torch.where(total == 0, torch.ones_like(total), total)
    return -(difference * difference / safe).sum(dim=2)


def _chi2(x: Any, points: Any, gamma: float, *_: float) -> Any:
    return torch.exp(_additive_chi2(x, points) * gamma)


def _precomputed(x: Any, *_: Any) -> Any:
    return x


_KERNELS: dict[str, Callable[..., Any]] = {
    "linear": _linear,
    "poly": _polynomial,
    "polynomial": _polynomial,
    "rbf": _rbf,
    "sigmoid": _sigmoid,
    "laplacian": _laplacian,
    "cosine": _cosine,
    "chi2": _chi2,
    "additive_chi2": _additive_chi2,
    "precomputed": _precomputed,
}
