"""Kernel ridge regression and Gaussian processes: kernels between the rows and the training rows, weighed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.mathematics.gaussian_kernels import as_polynomial, diagonal, kernel_term, similarity
from edgekit.classical.mathematics.kernels import kernel_constants, weighed_answer, weighed_kernel
from edgekit.classical.models.linear import dense
from edgekit.classical.registry import Context, rule
from edgekit.signature import Array

# `sklearn.gaussian_process._gpc`: the logistic function as a sum of five error functions.
_LAMBDAS = np.array([0.41, 0.4, 0.37, 0.44, 0.39])
_COEFFICIENTS = np.array([-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654])


@rule("KernelRidge")
def kernel_ridge(estimator: Any, context: Context) -> Any:
    """``K(X, X_fit_) @ dual_coef_``: ``KernelRidge.predict``."""
    del context
    dual = dense(estimator.dual_coef_)
    constants = kernel_constants(estimator, estimator.X_fit_)
    single = dual.ndim == 1
    return fitted(_kernel_ridge, **weighed_kernel(constants, dual[:, None] if single else dual), single=single)


def _kernel_ridge(model: Any, x: Any) -> Answers:
    return _prediction(model, weighed_answer(model, x))


def _prediction(model: Any, value: Any) -> Answers:
    return {"prediction": value[:, 0] if model.single else value}


@rule("GaussianProcessRegressor")
def gaussian_process_regressor(estimator: Any, context: Context) -> Any:
    """``std * (K(X, X_train_) @ alpha_) + mean``: the mean of ``GaussianProcessRegressor.predict``."""
    del context
    weights = dense(estimator.alpha_)
    weights = weights[:, None] if weights.ndim == 1 else weights
    weights = weights * estimator._y_train_std
    constants = {"bias": np.atleast_1d(estimator._y_train_mean), "single": weights.shape[1] == 1}
    term, buffers = kernel_term(estimator.kernel_, estimator)
    points, polynomial = dense(estimator.X_train_), as_polynomial(term)
    if polynomial is None:
        return fitted(_mean, **constants, term=term, **buffers, points=points, weights=weights)
    factor, constant, degree = polynomial
    kernel = {"points": points, "kernel": "poly", "gamma": 1.0, "coef0": constant, "degree": degree}
    return fitted(_polynomial_mean, **constants, **weighed_kernel(kernel, weights * factor))


def _mean(model: Any, x: Any) -> Answers:
    return _prediction(model, similarity(model, model.term, x) @ model.weights + model.bias)


def _polynomial_mean(model: Any, x: Any) -> Answers:
    return _prediction(model, weighed_answer(model, x) + model.bias)


@rule("GaussianProcessClassifier")
def gaussian_process_classifier(estimator: Any, context: Context) -> Any:
    """Binary Laplace approximations: one for two classes, otherwise one against the rest, or one a pair of classes.

    ``GaussianProcessClassifier.predict_proba``; pairs of classes have labels only.
    """
    del context
    classes, base = estimator.classes_, estimator.base_estimator_
    if len(classes) == 2:
        return _binary(base, classes)
    parts = [_binary(one) for one in base.estimators_]
    if estimator.multi_class == "one_vs_rest":
        return fitted(_one_against_rest, classes=classes, parts=parts)
    first, second = np.triu_indices(len(classes), 1)
    rows = np.arange(len(first))
    signs = np.zeros((len(first), len(classes)))
    signs[rows, first], signs[rows, second] = -1.0, 1.0
    return fitted(_one_against_one, classes=classes, parts=parts, signs=signs)


def _binary(estimator: Any, classes: Sequence[Any] | Array | None = None) -> Any:
    """``K @ (y - pi)`` as the mean of the latent function, ``k(x, x) - ‖L⁻¹ (W½ K)‖²`` as its variance."""
    from scipy.linalg import solve_triangular

    term, buffers = kernel_term(estimator.kernel_, estimator)
    whitening = solve_triangular(estimator.L_, np.diag(estimator.W_sr_), lower=True)
    return fitted(
        _laplace,
        classes=classes,
        term=term,
        **buffers,
        points=dense(estimator.X_train_),
        weights=dense(estimator.y_train_ - estimator.pi_)[:, None],
        whitening=whitening.T,
    )


def _laplace(model: Any, x: Any) -> Answers:
    kernel = similarity(model, model.term, x)
    mean = (kernel @ model.weights)[:, 0]
    whitened = kernel @ model.whitening
    variance = diagonal(model, model.term, x) - (whitened * whitened).sum(dim=1)
    probability = _averaged_logistic(mean, variance)
    return {
        "label": (mean > 0).to(torch.int64),
        "probabilities": torch.stack([1.0 - probability, probability], dim=1),
    }


def _averaged_logistic(mean: Any, variance: Any, terms: int = 12) -> Any:
    """``½ Σ c_i (1 + erf(λ_i f / √(1 + 2 v λ_i²)))``: ``_BinaryGaussianProcessClassifierLaplace.predict_proba``.

    The c_i are in the thousands, of both signs, and cancel: float32 would lose four digits. With ``s = 1 / λ²``,
    ``u = s₀ + 2 v``, ``a = f / √u`` and ``r = (s - s₀) / u`` each summand is ``erf(a (1 + r)^-½)``, whose Taylor series
    in ``r`` has the Laguerre polynomials' generating function as its derivative::

        erf(a) - a exp(-a²) / √π  Σ_{k>=1} (-1)^(k-1) / k  L_{k-1}^(½)(a²)  r^k

    so that the sum over i needs the moments ``Σ c_i (s_i - s₀)^k`` alone, which are small and known beforehand.
    """
    origin = 6.25
    offsets = 1.0 / _LAMBDAS**2 - origin
    u = 2.0 * variance + origin
    a = mean / torch.sqrt(u)
    # Beyond it exp(-a²) leaves nothing of the polynomials.
    square = (a * a).clamp(max=40.0)
    before, polynomial = torch.zeros_like(a), torch.ones_like(a)
    ratio = origin / u
    power, series = torch.ones_like(a), torch.zeros_like(a)
    for k in range(1, terms + 1):
        moment = float((_COEFFICIENTS * (offsets / origin) ** k).sum())
        power = power * ratio
        series = series + power * polynomial * ((-1.0) ** k / k * moment)
        # k L_k = (2 k - ½ - x) L_{k-1} - (k - ½) L_{k-2}
        before, polynomial = polynomial, ((2.0 * k - 0.5 - square) * polynomial - (k - 0.5) * before) * (1.0 / k)
    total = float(_COEFFICIENTS.sum())
    return 0.5 * (total + total * torch.erf(a) + a * torch.exp(-square) * series * (1.0 / math.sqrt(math.pi)))


def _one_against_rest(model: Any, x: Any) -> Answers:
    """Probabilities over their sum, and the largest: ``OneVsRestClassifier``."""
    each = torch.stack([part.answers(x)["probabilities"][:, 1] for part in model.parts], dim=1)
    return {"label": torch.argmax(each, dim=1), "probabilities": each / each.sum(dim=1, keepdim=True)}


def _one_against_one(model: Any, x: Any) -> Answers:
    """Votes, and the sums of confidences where they tie: ``sklearn.multiclass._ovr_decision_function``."""
    answers = [part.answers(x) for part in model.parts]
    confidences = torch.stack([answer["probabilities"][:, 1] for answer in answers], dim=1)
    votes = torch.stack([answer["label"] for answer in answers], dim=1).to(x.dtype)
    sums = confidences @ model.signs
    won = (votes @ model.signs.clamp(min=0.0)) + ((1.0 - votes) @ (-model.signs).clamp(min=0.0))
    return {"label": torch.argmax(won + sums / (3.0 * (sums.abs() + 1.0)), dim=1)}
