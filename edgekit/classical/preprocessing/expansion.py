"""PolynomialFeatures: products of columns."""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule


@rule("PolynomialFeatures")
def polynomial_features(estimator: Any, context: Context) -> Any:
    """Products of columns in the order of ``PolynomialFeatures._combinations``, each by one factor from a shorter."""
    del context
    choose: Any = combinations if estimator.interaction_only else combinations_with_replacement
    columns = range(estimator.n_features_in_)
    terms: list[tuple[int, ...]] = [(column,) for column in columns]
    steps: dict[str, Any] = {}
    last = min(estimator._max_degree, 1)
    for degree in range(2, estimator._max_degree + 1):
        position = {term: at for at, term in enumerate(terms)}
        terms = list(choose(columns, degree))
        if not terms:
            break
        steps[f"shorter_{degree}"] = np.array([position[term[1:]] for term in terms])
        steps[f"factor_{degree}"] = np.array([term[0] for term in terms])
        last = degree
    bias = estimator.include_bias
    return fitted(_products, bias=bias, first=max(estimator._min_degree, 1), last=last, **steps)


def _products(model: Any, x: Any) -> Answers:
    parts = [torch.ones_like(x[:, :1])] if model.bias else []
    product = x
    for degree in range(1, model.last + 1):
        if degree > 1:
            shorter = product.index_select(1, getattr(model, f"shorter_{degree}"))
            product = shorter * x.index_select(1, getattr(model, f"factor_{degree}"))
        if degree >= model.first:
            parts.append(product)
    return {"transformed": torch.cat(parts, dim=1)}
