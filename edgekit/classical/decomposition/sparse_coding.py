"""Sparse codes of rows over a fixed dictionary."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear import dense
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# The pursuit is written out step by step: a dozen operators each.
_STEPS = 32
_ALGORITHMS = ("omp", "threshold")
# Below this share of what there was to begin with, squared, float32 holds rounding errors only.
_NOISE = 1e-12
_DEPENDENT = 1e-6
# The original's own bound on squares.
_FLOOR = float(np.finfo(np.float64).eps)


@rule("DictionaryLearning", "MiniBatchDictionaryLearning", "SparseCoder")
def sparse_coding(estimator: Any, context: Context) -> Any:
    """The code of ``transform_algorithm`` "threshold" or "omp": ``sparse_encode``.

    Raises:
        ConversionError: the algorithm is another one, or takes too many steps.
    """
    del context
    dictionary = dense(estimator.dictionary if hasattr(estimator, "dictionary") else estimator.components_)
    shared = {"atoms": dictionary.T, "split": bool(estimator.split_sign)}
    if estimator.transform_algorithm == "threshold":
        alpha = estimator.transform_alpha
        if alpha is None:
            alpha = getattr(estimator, "alpha", None)
        threshold = float(1.0 if alpha is None else alpha)
        return fitted(_shrunk, **shared, threshold=threshold, positive=bool(estimator.positive_code))
    asked = f"convert a {type(estimator).__name__}"
    if estimator.transform_algorithm != "omp":
        why = f"its transform_algorithm {estimator.transform_algorithm!r} iterates until each row converges"
        raise ConversionError(asked, why, f"set transform_algorithm to one of {', '.join(_ALGORITHMS)}")
    steps = estimator.transform_n_nonzero_coefs
    if steps is None:
        steps = int(min(max(dictionary.shape[1] / 10, 1), len(dictionary)))
    if steps > _STEPS:
        raise ConversionError(asked, f"edgekit unrolls {_STEPS} steps, not {steps}", "set transform_n_nonzero_coefs")
    return fitted(_pursued, **shared, gram=dictionary @ dictionary.T, positions=np.arange(len(dictionary)), steps=steps)


def _shrunk(model: Any, x: Any) -> Answers:
    correlation = x @ model.atoms
    code = torch.relu(correlation - model.threshold)
    if not model.positive:
        code = code - torch.relu(-correlation - model.threshold)
    return {"transformed": _split(model, code)}


def _pursued(model: Any, x: Any) -> Answers:
    """Orthogonal matching pursuit: ``sklearn.linear_model._omp._gram_omp``.

    Where the original solves for all chosen atoms anew, each step here goes along the new atom's direction that the
    Gram matrix makes orthogonal to those before: the same code. Rows stop at the same conditions as there.
    """
    residual = x @ model.atoms
    code, going = torch.zeros_like(residual), torch.ones_like(residual[:, :1])
    floor = ((residual * residual).amax(dim=1, keepdim=True) * _NOISE).clamp(min=_FLOOR)
    # Of every direction: itself over the atoms [n, m], and its correlations with all atoms.
    directions: list[Any] = []
    correlations: list[Any] = []
    used = torch.zeros_like(residual)
    for _ in range(model.steps):
        best = torch.argmax(residual.abs(), dim=1, keepdim=True)
        chosen = (model.positions == best).to(x.dtype)
        at_best = (residual * chosen).sum(dim=1, keepdim=True)
        again = (used * chosen).sum(dim=1, keepdim=True)
        direction, correlation = chosen, chosen @ model.gram
        for before, its in zip(directions, correlations, strict=True):
            share = (its * chosen).sum(dim=1, keepdim=True)
            direction, correlation = direction - share * before, correlation - share * its
        square = (correlation * chosen).sum(dim=1, keepdim=True)
        # Of an atom that depends on those before, nothing but rounding errors is left.
        new = square > (chosen @ model.gram * chosen).sum(dim=1, keepdim=True) * _DEPENDENT
        going = going * new.to(x.dtype) * (again == 0).to(x.dtype) * (at_best * at_best >= floor).to(x.dtype)
        norm = torch.sqrt(torch.where(new, square, torch.ones_like(square)))
        direction, correlation = direction / norm, correlation / norm
        step = going * at_best / norm
        code, residual = code + step * direction, residual - step * correlation
        used = used + chosen
        directions.append(direction)
        correlations.append(correlation)
    return {"transformed": _split(model, code)}


def _split(model: Any, code: Any) -> Any:
    """``split_sign``: the positive and the negative part, side by side."""
    return torch.cat([torch.relu(code), torch.relu(-code)], dim=1) if model.split else code
