"""Nearest neighbors: what the training rows that are near a row say of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.distances import (
    expands,
    metric_constants,
    reduced_distances,
    reduced_radius,
    unreduced,
)
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# Where distances are computed roughly, this many rows more than asked are looked at closely.
_MARGIN = 8


@rule("KNeighborsClassifier")
def k_neighbors_classifier(estimator: Any, context: Context) -> Any:
    """Votes of the nearest, over their sum: ``KNeighborsClassifier.predict_proba``; the first most voted class."""
    del context
    votes = _one_hot(estimator)
    return fitted(_classify_nearest, classes=estimator.classes_, table=votes, **_nearest_constants(estimator))


@rule("KNeighborsRegressor")
def k_neighbors_regressor(estimator: Any, context: Context) -> Any:
    """The (weighted) mean of the nearest: ``KNeighborsRegressor.predict``."""
    del context
    return fitted(_regress_nearest, **_centred_targets(estimator), **_nearest_constants(estimator))


@rule("KNeighborsTransformer")
def k_neighbors_transformer(estimator: Any, context: Context) -> Any:
    """``kneighbors_graph`` as a dense matrix [n, training rows], zero at rows that are no neighbors.

    With ``mode="distance"`` there is one neighbor more: ``KNeighborsTransformer.transform``.
    """
    del context
    distance = estimator.mode == "distance"
    constants = search_constants(estimator)
    return fitted(_graph_nearest, k=estimator.n_neighbors + distance, distance=distance, **constants)


@rule("RadiusNeighborsClassifier")
def radius_neighbors_classifier(estimator: Any, context: Context) -> Any:
    """Votes of those within the radius: ``RadiusNeighborsClassifier.predict_proba``.

    A row without neighbors has the probability 1 of ``outlier_label``, or only zeros where that is none of the classes.
    Where there is no ``outlier_label`` the original refuses such rows; here they get zeros and the first class.
    """
    del context
    votes = _one_hot(estimator)
    classes = estimator.classes_
    labels = estimator.outlier_label_
    outlier = 0 if labels is None else _position(estimator, labels[0])
    given = np.zeros(len(classes))
    if labels is not None and outlier < len(classes):
        given[outlier] = 1.0
    if outlier == len(classes):
        classes = np.append(classes, np.asarray(labels[0], classes.dtype))
    return fitted(
        _classify_within,
        classes=classes,
        table=votes,
        outlier=outlier,
        given=given,
        **_within_constants(estimator),
    )


@rule("RadiusNeighborsRegressor")
def radius_neighbors_regressor(estimator: Any, context: Context) -> Any:
    """The (weighted) mean of those within the radius, NaN where nobody is: ``RadiusNeighborsRegressor.predict``."""
    del context
    with np.errstate(invalid="ignore"):
        # Integer targets have no NaN: the original casts it.
        nobody = float(np.full_like(estimator._y[:1], np.nan).reshape(-1)[0])
    constants = {**_centred_targets(estimator), **_within_constants(estimator)}
    return fitted(_regress_within, nobody=nobody, **constants)


@rule("RadiusNeighborsTransformer")
def radius_neighbors_transformer(estimator: Any, context: Context) -> Any:
    """``radius_neighbors_graph`` as a dense matrix [n, training rows], zero at rows that are no neighbors."""
    del context
    constants = search_constants(estimator)
    return fitted(_graph_within, radius=float(estimator.radius), distance=estimator.mode == "distance", **constants)


@rule("NearestCentroid")
def nearest_centroid(estimator: Any, context: Context) -> Any:
    """The nearest centroid; with unequal priors, the largest ``-distance² + 2 log(prior)`` of scaled features.

    ``scores`` and ``probabilities`` (their softmax) always are of the latter: ``NearestCentroid._decision_function``.
    They exist for the Euclidean metric only; there what all classes have in common is left out of the softmax.
    """
    del context
    scale = np.where(estimator.within_class_std_dev_ != 0, estimator.within_class_std_dev_, 1.0)
    metric = {"metric": estimator.metric, "asked": "convert a NearestCentroid"}
    return fitted(
        _nearest_centroid,
        classes=estimator.classes_,
        plain=fitted(_distances, **metric_constants(points=estimator.centroids_, **metric)),
        scaled=fitted(_distances, **metric_constants(points=estimator.centroids_ / scale, **metric)),
        scale=None if (scale == 1).all() else scale,
        log_priors=2.0 * np.log(estimator.class_prior_),
        equal_priors=bool(np.isclose(estimator.class_prior_, 1.0 / len(estimator.classes_)).all()),
        **_centroid_contrasts(estimator.centroids_ / scale, estimator.class_prior_),
    )


def _centroid_contrasts(centroids: Any, priors: Any) -> dict[str, Any]:
    """The scores less what they have in common, ``x @ directions + offsets``, and so the difference of two."""
    middle = centroids.mean(axis=0)
    around = centroids - middle
    return {
        "middle": middle,
        "directions": 2.0 * around.T,
        "offsets": 2.0 * np.log(priors) - (around**2).sum(axis=1),
        "contrast": 2.0 * (around[-1] - around[0]),
        "contrast_offset": np.asarray(
            2.0 * np.log(priors[-1] / priors[0]) - (around[-1] ** 2).sum() + (around[0] ** 2).sum()
        ),
    }


def search_constants(estimator: Any) -> dict[str, Any]:
    """What :func:`nearest` and :func:`reduced_distances` read, of an estimator on ``NeighborsBase``."""
    asked = f"convert a {type(estimator).__name__}"
    return metric_constants(
        asked, estimator._fit_X, estimator.effective_metric_, dict(estimator.effective_metric_params_)
    )


def nearest(model: Any, x: Any) -> tuple[Any, Any, Any]:
    """The ``k`` nearest points, of equally near ones those of lower index.

    Returns:
        (reduced distances [n, c], 1.0 at the nearest else 0.0 [n, c], positions of the c candidates [n, c] or None
        where every point is one).
    """
    reduced = reduced_distances(model, x)
    candidates = None
    if expands(model) and model.k + _MARGIN < model.points.shape[0]:
        # Roughly computed: the nearest and some more are computed again from their differences.
        candidates = torch.topk(reduced, model.k + _MARGIN, dim=1, largest=False)[1]
        difference = x[:, None, :] - model.points[candidates]
        if model.rest is not None:
            difference = difference - model.rest[candidates]
        reduced = (difference * difference).sum(dim=2)
    # Of its position: LiteRT sorts where nobody asks for those, and its runtime lacks that operator.
    kth = torch.gather(reduced, 1, torch.topk(reduced, model.k, dim=1, largest=False)[1][:, -1:])
    nearer = (reduced < kth).to(x.dtype)
    equal = (reduced == kth).to(x.dtype)
    left = model.k - nearer.sum(dim=1, keepdim=True)
    return reduced, nearer + equal * (torch.cumsum(equal, dim=1) <= left).to(x.dtype), candidates


def weighted_sums(weights: Any, table: Any, candidates: Any) -> Any:
    """``weights @ table`` [n, t], the table's rows being those of the candidates."""
    if candidates is None:
        return weights @ table
    return (weights[:, :, None] * table[candidates]).sum(dim=1)


def _nearest_constants(estimator: Any) -> dict[str, Any]:
    constants = {"k": int(estimator.n_neighbors), "by_distance": _by_distance(estimator)}
    return {**constants, **search_constants(estimator)}


def _within_constants(estimator: Any) -> dict[str, Any]:
    constants = {"radius": float(estimator.radius), "by_distance": _by_distance(estimator)}
    return {**constants, **search_constants(estimator)}


def _by_distance(estimator: Any) -> bool:
    if callable(estimator.weights):
        raise ConversionError(
            f"convert a {type(estimator).__name__}",
            "its weights are a Python function",
            'fit it with weights="uniform" or weights="distance"',
        )
    return bool(estimator.weights == "distance")


def _one_hot(estimator: Any) -> Any:
    if isinstance(estimator.classes_, list):
        why = "it answers several labels a row"
        raise ConversionError(f"convert a {type(estimator).__name__}", why, "fit one classifier a label")
    return np.eye(len(estimator.classes_))[np.ravel(estimator._y)]


def _position(estimator: Any, label: Any) -> int:
    found = np.flatnonzero(estimator.classes_ == label)
    if len(found):
        return int(found[0])
    if estimator.classes_.dtype.kind not in "iufb":
        raise ConversionError(
            "convert a RadiusNeighborsClassifier",
            f"its outlier_label {label!r} is none of the labels that it was fitted on",
            "take one of them, or labels that are numbers",
        )
    return len(estimator.classes_)


def _centred_targets(estimator: Any) -> dict[str, Any]:
    # A mean of differences from the middle keeps more digits than a mean of large targets.
    targets = np.asarray(estimator._y, np.float64)
    single = targets.ndim == 1
    targets = targets.reshape(len(targets), -1)
    middle = targets.mean(axis=0)
    return {"table": targets - middle, "middle": middle, "single": single}


def _weights(model: Any, reduced: Any, mask: Any) -> Any:
    """``_get_weights`` up to a factor a row: 1, or the inverse distance; only rows at distance 0 if any."""
    if not model.by_distance:
        return mask
    distance = unreduced(model, reduced)
    zero = mask * (distance == 0).to(mask.dtype)
    any_zero = zero.amax(dim=1, keepdim=True) > 0
    # Over the least: the inverse of a tiny distance would leave float32's range.
    far = torch.where(mask > 0, distance, torch.full_like(distance, 3e38))
    least = far.amin(dim=1, keepdim=True)
    safe = torch.where(far == 0, torch.ones_like(far), far)
    return torch.where(any_zero, zero, mask * (least / safe))


def _near(model: Any, x: Any) -> tuple[Any, Any]:
    """The weighted sums of the table over the ``k`` nearest, and the weights' sums."""
    reduced, mask, candidates = nearest(model, x)
    weights = _weights(model, reduced, mask)
    return weighted_sums(weights, model.table, candidates), weights.sum(dim=1, keepdim=True)


def _within(model: Any, x: Any) -> tuple[Any, Any, Any]:
    """The weighted sums of the table over those within the radius, the weights' sums (1 if nobody), who has nobody."""
    reduced = reduced_distances(model, x)
    mask = (reduced <= reduced_radius(model, model.radius)).to(x.dtype)
    weights = _weights(model, reduced, mask)
    nobody = mask.amax(dim=1, keepdim=True) == 0
    total = weights.sum(dim=1, keepdim=True)
    return weights @ model.table, torch.where(nobody, torch.ones_like(total), total), nobody


def _classify_nearest(model: Any, x: Any) -> Answers:
    votes, total = _near(model, x)
    return {"label": torch.argmax(votes, dim=1), "probabilities": votes / total}


def _regress_nearest(model: Any, x: Any) -> Answers:
    sums, total = _near(model, x)
    value = sums / total + model.middle
    return {"prediction": value[:, 0] if model.single else value}


def _graph_nearest(model: Any, x: Any) -> Answers:
    reduced, mask, candidates = nearest(model, x)
    values = mask * unreduced(model, reduced) if model.distance else mask
    if candidates is not None:
        columns = torch.arange(model.points.shape[0])
        values = (values[:, :, None] * (candidates[:, :, None] == columns).to(x.dtype)).sum(dim=1)
    return {"transformed": values}


def _classify_within(model: Any, x: Any) -> Answers:
    votes, total, nobody = _within(model, x)
    label = torch.argmax(votes, dim=1)
    return {
        "label": torch.where(nobody[:, 0], torch.full_like(label, model.outlier), label),
        "probabilities": torch.where(nobody, model.given, votes / total),
    }


def _regress_within(model: Any, x: Any) -> Answers:
    sums, total, nobody = _within(model, x)
    value = sums / total + model.middle
    # No buffer: coremltools refuses those that hold NaN.
    value = torch.where(nobody, torch.full_like(value, model.nobody), value)
    return {"prediction": value[:, 0] if model.single else value}


def _graph_within(model: Any, x: Any) -> Answers:
    reduced = reduced_distances(model, x)
    mask = (reduced <= reduced_radius(model, model.radius)).to(x.dtype)
    return {"transformed": mask * unreduced(model, reduced) if model.distance else mask}


def _distances(model: Any, x: Any) -> Answers:
    return {"distances": unreduced(model, reduced_distances(model, x))}


def _nearest_centroid(model: Any, x: Any) -> Answers:
    scaled = x if model.scale is None else x / model.scale
    distance = unreduced(model.scaled, reduced_distances(model.scaled, scaled))
    scores = model.log_priors - distance * distance
    if model.equal_priors:
        label = torch.argmin(reduced_distances(model.plain, x), dim=1)
    else:
        label = torch.argmax(scores, dim=1)
    if model.plain.metric != "euclidean":
        return {"label": label}
    centred = scaled - model.middle
    if len(model.classes) == 2:
        scores = (centred * model.contrast).sum(dim=1) + model.contrast_offset
    probabilities = torch.softmax(centred @ model.directions + model.offsets, dim=1)
    return {"label": label, "probabilities": probabilities, "scores": scores}
