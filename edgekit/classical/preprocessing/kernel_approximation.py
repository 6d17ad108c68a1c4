"""Feature maps whose inner products approximate a kernel."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from edgekit.classical.decomposition.projections import LINEAR_KERNELS, row_itself
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.kernels import kernel_answer, kernel_constants
from edgekit.classical.models.linear import affine, affine_constants, dense
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array

# `AdditiveChi2Sampler`'s own choice, by the number of steps.
_INTERVALS = {1: 0.8, 2: 0.5, 3: 0.4}


@rule("RBFSampler")
def rbf_sampler(estimator: Any, context: Context) -> Any:
    """``cos(X @ random_weights_ + random_offset_) * sqrt(2 / n_components)``: ``RBFSampler.transform``."""
    del context
    constants = affine_constants(estimator.random_weights_, estimator.random_offset_)
    return fitted(_cosines, **constants, scale=float(np.sqrt(2.0 / estimator.n_components)), skewedness=None)


@rule("SkewedChi2Sampler")
def skewed_chi2_sampler(estimator: Any, context: Context) -> Any:
    """As for ``RBFSampler``, of ``log(X + skewedness)``: ``SkewedChi2Sampler.transform``."""
    del context
    constants = affine_constants(estimator.random_weights_, estimator.random_offset_)
    scale, skewedness = float(np.sqrt(2.0 / estimator.n_components)), float(estimator.skewedness)
    return fitted(_cosines, **constants, scale=scale, skewedness=skewedness)


def _cosines(model: Any, x: Any) -> Answers:
    if model.skewedness is not None:
        x = torch.log(x + model.skewedness)
    return {"transformed": torch.cos(affine(model, x)) * model.scale}


@rule("AdditiveChi2Sampler")
def additive_chi2_sampler(estimator: Any, context: Context) -> Any:
    """``sqrt(x s)``, then ``sqrt(2 x s / cosh(π j s))`` times cosine and sine of ``j s log x``; zero at zero.

    ``AdditiveChi2Sampler._transform_dense``.
    """
    del context
    interval = estimator.sample_interval or _INTERVALS[estimator.sample_steps]
    steps = np.arange(1, estimator.sample_steps)
    factors = np.sqrt(2.0 * interval / np.cosh(np.pi * steps * interval))
    return fitted(
        _harmonics,
        root=float(np.sqrt(interval)),
        steps=[float(step * interval) for step in steps],
        factors=[float(factor) for factor in factors],
    )


def _harmonics(model: Any, x: Any) -> Answers:
    root = torch.sqrt(x)
    logarithm = torch.log(torch.where(x == 0, torch.ones_like(x), x))
    maps = [root * model.root]
    for step, factor in zip(model.steps, model.factors, strict=True):
        maps += [root * factor * torch.cos(logarithm * step), root * factor * torch.sin(logarithm * step)]
    return {"transformed": torch.cat(maps, dim=1)}


@rule("Nystroem")
def nystroem(estimator: Any, context: Context) -> Any:
    """``kernel(X, components_) @ normalization_.T``: ``Nystroem.transform``.

    Raises:
        ConversionError: the kernel is a Python function.
    """
    del context
    resolved = copy(estimator)
    # Settings of the estimator come before those of ``kernel_params``.
    for name, value in (estimator.kernel_params or {}).items():
        if getattr(resolved, name, value) is None:
            setattr(resolved, name, value)
    constants, weights = kernel_constants(resolved, estimator.components_), dense(estimator.normalization_).T
    if estimator.kernel in LINEAR_KERNELS:
        constants, points = row_itself(constants)
        weights = points.T @ weights
    elif estimator.kernel in ("poly", "polynomial"):
        weights = _within_rank(weights)
    return fitted(_normalized_kernel, **constants, normalization=weights)


def _within_rank(weights: Array) -> Array:
    """The weights [m, n] without the directions in which the kernels of the basis vanish.

    A polynomial kernel has no more directions than monomials. ``U S^-½ V`` multiplies float64's noise in the others by
    up to 1e6, which is still nothing; multiplied as much, float32's noise would drown the answer.
    """
    left, values, right = np.linalg.svd(weights, full_matrices=False)
    kept = values**2 < _RANK * values.min() ** 2
    result: Array = (left[:, kept] * values[kept]) @ right[kept]
    return result


# Kernels of the basis that are this many times smaller than the largest are rounding errors of float64.
_RANK = 1e11


def _normalized_kernel(model: Any, x: Any) -> Answers:
    return {"transformed": kernel_answer(model, x) @ model.normalization}


@rule("PolynomialCountSketch")
def polynomial_count_sketch(estimator: Any, context: Context) -> Any:
    """The inverse Fourier transform of the product of the count sketches' transforms: ``PolynomialCountSketch``.

    A count sketch is linear, and so is its Fourier transform: both are one matrix a degree. As all is real, half of the
    spectrum tells the rest.
    """
    del context
    size = estimator.n_components
    spectra = [
        np.fft.rfft(_sketch(indices, signs, size), axis=1)
        for indices, signs in zip(estimator.indexHash_, estimator.bitHash_, strict=True)
    ]
    scaled = np.stack(spectra)
    features = estimator.n_features_in_
    weights = scaled[:, :features] * np.sqrt(estimator.gamma)
    # A column of ones times sqrt(coef0) comes last, where there is one.
    bias = scaled[:, features:].sum(axis=1, keepdims=True) * np.sqrt(max(estimator.coef0, 0.0))
    inverse = np.fft.irfft(np.eye(weights.shape[2]), n=size, axis=1)
    inverse_imaginary = np.fft.irfft(1j * np.eye(weights.shape[2]), n=size, axis=1)
    return fitted(
        _convolved,
        weights=np.concatenate([weights.real, weights.imag], axis=2),
        bias=np.concatenate([bias.real, bias.imag], axis=2),
        inverse=np.concatenate([inverse, inverse_imaginary]),
        degree=int(estimator.degree),
        half=int(weights.shape[2]),
    )


def _sketch(indices: Any, signs: Any, size: int) -> Any:
    matrix = np.zeros((len(indices), size))
    matrix[np.arange(len(indices)), indices] = signs
    return matrix


def _convolved(model: Any, x: Any) -> Answers:
    real = imaginary = None
    for degree in range(model.degree):
        spectrum = x @ model.weights[degree] + model.bias[degree]
        a, b = spectrum[:, : model.half], spectrum[:, model.half :]
        if real is None:
            real, imaginary = a, b
        else:
            real, imaginary = real * a - imaginary * b, real * b + imaginary * a
    return {"transformed": torch.cat([real, imaginary], dim=1) @ model.inverse}
