"""Decompositions and projections: one affine map of the rows, or of their kernels with the fitted points."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.mathematics.kernels import kernel_answer, kernel_constants
from edgekit.classical.models.linear import affine, affine_constants, dense
from edgekit.classical.registry import Context, refuse, rule
from edgekit.signature import Array

refuse(
    "NMF",
    "MiniBatchNMF",
    why="its solver stops by a criterion over all rows together: the answer to a row depends on the rows beside it",
)


def projection(components: Any, mean: Any = None) -> Any:
    """The module of ``(X - mean) @ components.T``."""
    weights = dense(components).T
    bias = 0.0 if mean is None else -dense(mean) @ weights
    return fitted(_projected, **affine_constants(weights, bias, mean))


def _projected(model: Any, x: Any) -> Answers:
    return {"transformed": affine(model, x)}


@rule("IncrementalPCA", "PCA")
def pca(estimator: Any, context: Context) -> Any:
    """``(X - mean_) @ components_.T``, over ``sqrt(explained_variance_)`` with ``whiten``: ``_BasePCA._transform``."""
    del context
    components = dense(estimator.components_)
    if estimator.whiten:
        scale = np.sqrt(dense(estimator.explained_variance_))
        components = components / np.maximum(scale, np.finfo(scale.dtype).eps)[:, None]
    return projection(components, estimator.mean_)


@rule("GaussianRandomProjection", "NeighborhoodComponentsAnalysis", "SparseRandomProjection", "TruncatedSVD")
def linear_projection(estimator: Any, context: Context) -> Any:
    """``X @ components_.T``."""
    del context
    return projection(estimator.components_)


@rule("FastICA")
def fast_ica(estimator: Any, context: Context) -> Any:
    """``(X - mean_) @ components_.T``, without ``mean_`` where ``whiten`` is off: ``FastICA.transform``."""
    del context
    return projection(estimator.components_, estimator.mean_ if estimator.whiten else None)


@rule("FactorAnalysis")
def factor_analysis(estimator: Any, context: Context) -> Any:
    """``(X - mean_) @ W.T @ (I + W components_.T)⁻¹``, ``W = components_ / noise``: ``FactorAnalysis.transform``."""
    del context
    components = dense(estimator.components_)
    weighted = components / dense(estimator.noise_variance_)
    covariance = np.eye(len(components)) + weighted @ components.T
    return projection(np.linalg.solve(covariance.T, weighted), estimator.mean_)


@rule("MiniBatchSparsePCA", "SparsePCA")
def sparse_pca(estimator: Any, context: Context) -> Any:
    """``(X - mean_) @ C.T @ (C C.T + ridge_alpha I)⁻¹``, ``C = components_``: ``_BaseSparsePCA.transform``."""
    del context
    components = dense(estimator.components_)
    gram = components @ components.T + estimator.ridge_alpha * np.eye(len(components))
    # Components of zeros leave the system singular where there is no ridge: the original then takes the least norm.
    return projection(np.linalg.pinv(gram, hermitian=True) @ components, estimator.mean_)


@rule("KernelPCA")
def kernel_pca(estimator: Any, context: Context) -> Any:
    """The centred kernel with ``X_fit_``, times ``eigenvectors_ / sqrt(eigenvalues_)``: ``KernelPCA.transform``.

    Raises:
        ConversionError: the kernel is a Python function.
    """
    del context
    constants = kernel_constants(estimator, estimator.X_fit_, gamma=estimator.gamma_)
    projecting = kernel_projection(estimator)
    if estimator.kernel in LINEAR_KERNELS:
        constants, points = row_itself(constants)
        centre, weights = points.mean(axis=0), points.T @ projecting["weights"]
        projecting = affine_constants(weights, -centre @ weights, centre)
    return fitted(_kernel_projected, **constants, **projecting)


# Kernels that are linear in the row, or in the row over its norm.
LINEAR_KERNELS = ("cosine", "linear")


def row_itself(constants: dict[str, Any]) -> tuple[dict[str, Any], Array]:
    """The constants of a linear kernel with the unit vectors, which is the row itself, and the points left out of it.

    Whoever multiplies the kernel by weights multiplies the points into them in float64: ``(row @ points.T) @ weights =
    row @ (points.T @ weights)``. Points that depend on each other come with weights that nearly cancel.
    """
    points = constants["points"]
    if constants["kernel"] == "cosine":
        norms = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(norms == 0, 1.0, norms)
    return {**constants, "points": np.eye(points.shape[1])}, points


def kernel_projection(estimator: Any) -> dict[str, Any]:
    """The constants of :func:`affine` that centre kernels and project them, of a fitted ``KernelPCA``.

    ``(K - rows - mean(K) + all) @ A = (K - rows) @ (A - mean(A))``: what is taken from all of a row's kernels at once
    meets columns that sum to zero.
    """
    eigenvalues, vectors = dense(estimator.eigenvalues_), dense(estimator.eigenvectors_)
    root = np.sqrt(np.where(eigenvalues == 0, 1.0, eigenvalues))
    scaled: Array = np.where(eigenvalues == 0, 0.0, vectors / root)
    weights = scaled - scaled.mean(axis=0)
    rows = dense(estimator._centerer.K_fit_rows_)
    return affine_constants(weights, -rows @ weights, rows)


def _kernel_projected(model: Any, x: Any) -> Answers:
    return {"transformed": affine(model, kernel_answer(model, x))}
