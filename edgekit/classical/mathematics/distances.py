"""Distances between rows and constant points, as ``sklearn.metrics.DistanceMetric`` and SciPy define them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.kernels import power
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Up to this many elements a row the differences are taken before they are squared: exact, but [n, m, d] in memory.
DIFFERENCES = 2_000_000
_ALIASES = {
    "l2": "euclidean",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "infinity": "chebyshev",
    "p": "minkowski",
}


def metric_constants(asked: str, points: Any, metric: Any, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The constants that :func:`reduced_distances` and :func:`distances` read.

    Args:
        asked: what the user wants, for the error.
        points: shape [m, d], float64; sparse ones are densified.
        metric: scikit-learn's name of a metric.
        params: the metric's own settings: ``p`` and ``w`` of minkowski, ``V`` of seuclidean.

    Raises:
        ConversionError: the metric is a Python function, or none that edgekit computes.
    """
    settings = {name: value for name, value in (params or {}).items() if value is not None}
    name = _ALIASES.get(metric, metric) if isinstance(metric, str) else metric
    if name == "seuclidean" and "V" in settings:
        name, settings = "minkowski", {"p": 2, "w": 1.0 / np.asarray(settings["V"], np.float64)}
    if not isinstance(name, str) or name not in _REDUCED:
        why = (
            f"edgekit does not compute its metric {metric!r}" if isinstance(metric, str) else "its metric is a function"
        )
        raise ConversionError(asked, why, f"fit it with one of {', '.join(sorted(_REDUCED))}")
    p = float(settings.pop("p", 2)) if name == "minkowski" else 2.0
    weights = settings.pop("w", None)
    if settings or (weights is not None and name != "minkowski"):
        why = f"edgekit does not know metric_params {sorted(settings) or ['w']} of {metric!r}"
        raise ConversionError(asked, why, "leave them off")
    dense = np.asarray(points.toarray() if hasattr(points, "toarray") else points, np.float64)
    if name == "minkowski" and weights is None:
        name = {1.0: "manhattan", 2.0: "euclidean", np.inf: "chebyshev"}.get(p, name)
    if name == "cosine":
        norms = np.linalg.norm(dense, axis=1, keepdims=True)
        dense = dense / np.where(norms == 0, 1.0, norms)
    constants: dict[str, Any] = {"metric": name, "p": p, **_two_parts(dense)}
    constants["metric_weights"] = None if weights is None else np.asarray(weights, np.float64)
    return constants


def _two_parts(points: Array) -> dict[str, Any]:
    # What float32 drops of the points decides which of two neighbors is nearer: it is kept in a second array.
    high = points.astype(np.float32)
    low = (points - high).astype(np.float32)
    return {"points": high, "rest": low if low.any() else None}


def differences(model: Any, x: Any) -> Any:
    """``x - points``, shape [n, m, d]."""
    difference = x[:, None, :] - model.points[None]
    return difference if model.rest is None else difference - model.rest[None]


def reduced_distances(model: Any, x: Any) -> Any:
    """What is in the distances' order and cheaper: the squares of Euclidean ones, for example; shape [n, m]."""
    return _REDUCED[model.metric](model, x)


def unreduced(model: Any, reduced: Any) -> Any:
    """The distances, of what :func:`reduced_distances` gave."""
    if model.metric == "euclidean":
        return torch.sqrt(reduced)
    return torch.pow(reduced, 1.0 / model.p) if model.metric == "minkowski" else reduced


def distances(model: Any, x: Any) -> Any:
    """The distances between rows ``x`` [n, d] and the points of :func:`metric_constants`, shape [n, m]."""
    return unreduced(model, reduced_distances(model, x))


def reduced_radius(model: Any, radius: float) -> float:
    """The bound on :func:`reduced_distances` that is a bound on distances."""
    exponent = {"euclidean": 2.0, "minkowski": float(model.p)}.get(model.metric, 1.0)
    return float(radius**exponent)


def expands(model: Any) -> bool:
    """Whether the points are too many for their differences: ``‖x‖² - 2 x·p + ‖p‖²`` is taken."""
    return model.metric in ("euclidean", "sqeuclidean") and int(model.points.numel()) > DIFFERENCES


def squared_euclidean(model: Any, x: Any) -> Any:
    """Squared Euclidean distances, shape [n, m]."""
    if not expands(model):
        difference = differences(model, x)
        return (difference * difference).sum(dim=2)
    # Around the points' mean, so that less of it cancels.
    centre = model.points.mean(dim=0, keepdim=True)
    x, points = x - centre, model.points - centre
    squares = (x * x).sum(dim=1, keepdim=True) + (points * points).sum(dim=1)
    return (squares - 2.0 * (x @ points.transpose(0, 1))).clamp(min=0.0)


def _manhattan(model: Any, x: Any) -> Any:
    return differences(model, x).abs().sum(dim=2)


def _chebyshev(model: Any, x: Any) -> Any:
    return differences(model, x).abs().amax(dim=2)


def _minkowski(model: Any, x: Any) -> Any:
    powers = power(differences(model, x).abs(), model.p)
    return (powers if model.metric_weights is None else powers * model.metric_weights).sum(dim=2)


def _cosine(model: Any, x: Any) -> Any:
    """``1 - cos``, half the squared distance of unit vectors: nothing cancels. It is 1 from a zero vector."""
    largest = x.abs().amax(dim=1, keepdim=True)
    x = x / torch.where(largest == 0, torch.ones_like(largest), largest)
    norm = (x * x).sum(dim=1, keepdim=True).sqrt()
    unit = x / torch.where(norm == 0, torch.ones_like(norm), norm)
    zero = torch.logical_or(norm == 0, (model.points * model.points).sum(dim=1) == 0)
    half = squared_euclidean(model, unit) * 0.5
    return torch.where(zero, torch.ones_like(half), half)


def _canberra(model: Any, x: Any) -> Any:
    total = x[:, None, :].abs() + model.points[None].abs()
    return (differences(model, x).abs() / torch.where(total == 0, torch.ones_like(total), total)).sum(dim=2)


def _bray_curtis(model: Any, x: Any) -> Any:
    total = (x[:, None, :] + model.points[None]).abs().sum(dim=2)
    return differences(model, x).abs().sum(dim=2) / torch.where(total == 0, torch.ones_like(total), total)


_REDUCED: dict[str, Callable[[Any, Any], Any]] = {
    "euclidean": squared_euclidean,
    "sqeuclidean": squared_euclidean,
    "manhattan": _manhattan,
    "chebyshev": _chebyshev,
    "minkowski": _minkowski,
    "cosine": _cosine,
    "canberra": _canberra,
    "braycurtis": _bray_curtis,
}
