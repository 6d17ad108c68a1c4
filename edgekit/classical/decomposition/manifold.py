"""New rows placed in an embedding by their nearest training rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.decomposition.projections import kernel_projection
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.distances import metric_constants, reduced_distances, unreduced
from edgekit.classical.models.linear import affine, dense
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# The elimination is written out: four operators a neighbor.
_NEIGHBORS = 32


@rule("Isomap")
def isomap(estimator: Any, context: Context) -> Any:
    """The shortest paths over the nearest rows, squared, halved and projected as kernels: ``Isomap.transform``.

    Raises:
        ConversionError: the neighbors are those within a radius, or the metric is none that edgekit computes.
    """
    del context
    if estimator.n_neighbors is None:
        why = "it takes the neighbors within a radius, as many as there are"
        raise ConversionError("convert an Isomap", why, "fit it with n_neighbors")
    constants = _neighbor_constants("convert an Isomap", estimator)
    return fitted(_placed, **constants, paths=dense(estimator.dist_matrix_), **kernel_projection(estimator.kernel_pca_))


def _placed(model: Any, x: Any) -> Answers:
    nearest, at = torch.topk(reduced_distances(model, x), model.k, dim=1, largest=False)
    shortest = (model.paths[at] + unreduced(model, nearest)[:, :, None]).amin(dim=1)
    return {"transformed": affine(model, shortest * shortest * -0.5)}


@rule("LocallyLinearEmbedding")
def locally_linear_embedding(estimator: Any, context: Context) -> Any:
    """The nearest rows' embeddings, weighted as the rows that sum to the new one: ``LocallyLinearEmbedding.transform``.

    Raises:
        ConversionError: there are too many neighbors.
    """
    del context
    asked = "convert a LocallyLinearEmbedding"
    if estimator.n_neighbors > _NEIGHBORS:
        why = f"edgekit solves for {_NEIGHBORS} neighbors, not {estimator.n_neighbors}"
        raise ConversionError(asked, why, "fit it with a smaller n_neighbors")
    return fitted(
        _combined,
        **_neighbor_constants(asked, estimator),
        embedding=dense(estimator.embedding_),
        regularization=float(estimator.reg),
        identity=np.eye(estimator.n_neighbors),
    )


def _combined(model: Any, x: Any) -> Answers:
    """``barycenter_weights``: ``(C C.T + reg trace I) w = 1`` of the differences ``C``, the weights over their sum."""
    at = torch.topk(reduced_distances(model, x), model.k, dim=1, largest=False)[1]
    difference = x[:, None, :] - model.points[at]
    if model.rest is not None:
        difference = difference - model.rest[at]
    gram = difference @ difference.transpose(1, 2)
    trace = (gram * model.identity).sum(dim=(1, 2), keepdim=True)
    # Over the trace: the weights do not change, and nothing leaves float32's range.
    gram = gram / torch.where(trace > 0, trace, torch.ones_like(trace)) + model.regularization * model.identity
    weights = _solved_for_ones(gram, model.identity)
    weights = weights / weights.sum(dim=1, keepdim=True)
    return {"transformed": (weights * model.embedding[at]).sum(dim=1)}


def _solved_for_ones(matrix: Any, identity: Any) -> Any:
    """``matrix⁻¹ @ ones`` [n, k, 1] of positive definite matrices [n, k, k]: they need no pivoting."""
    system = torch.cat([matrix, torch.ones_like(matrix[:, :, :1])], dim=2)
    size = int(identity.shape[0])
    for row in range(size):
        pivot = system[:, row : row + 1] / system[:, row : row + 1, row : row + 1]
        system = system - (system[:, :, row : row + 1] - identity[:, row : row + 1]) * pivot
    return system[:, :, size:]


def _neighbor_constants(asked: str, estimator: Any) -> dict[str, Any]:
    neighbors = estimator.nbrs_
    settings = dict(neighbors.effective_metric_params_)
    constants = metric_constants(asked, neighbors._fit_X, neighbors.effective_metric_, settings)
    return {**constants, "k": int(estimator.n_neighbors)}
