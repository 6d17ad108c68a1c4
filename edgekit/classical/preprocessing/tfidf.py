"""Term frequencies weighted by how rare a term is."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule


@rule("TfidfTransformer")
def tfidf(estimator: Any, context: Context) -> Any:
    """``(1 + log(counts) or counts) * idf_``, rows scaled to a norm of 1: ``TfidfTransformer.transform``."""
    del context
    weights = estimator.idf_ if estimator.use_idf else np.ones(1)
    return fitted(_tfidf, weights=weights, sublinear=estimator.sublinear_tf, norm=estimator.norm)


def _tfidf(model: Any, x: Any) -> Answers:
    if model.sublinear:
        # Only what is there has a logarithm: the original works on a sparse matrix's entries.
        x = torch.where(x != 0, torch.log(torch.where(x != 0, x, torch.ones_like(x))) + 1, x)
    x = x * model.weights
    if model.norm == "l1":
        size = x.abs().sum(dim=1, keepdim=True)
    elif model.norm == "l2":
        # Divided by the largest first: squares of large counts leave float32's range.
        peak = x.abs().amax(dim=1, keepdim=True)
        safe = torch.where(peak == 0, torch.ones_like(peak), peak)
        size = ((x / safe) ** 2).sum(dim=1, keepdim=True).sqrt() * safe
    else:
        return {"transformed": x}
    return {"transformed": x / torch.where(size == 0, torch.ones_like(size), size)}
