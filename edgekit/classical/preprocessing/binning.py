"""Thresholds on columns: the same side of each as in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.mathematics.exact import at_least, at_most
from edgekit.classical.registry import Context, rule


@rule("Binarizer")
def binarizer(estimator: Any, context: Context) -> Any:
    """``X > threshold``: ``sklearn.preprocessing.binarize``."""
    del context
    return fitted(_binarized, threshold=at_most(estimator.threshold))


def _binarized(model: Any, x: Any) -> Answers:
    return {"transformed": (x > model.threshold).to(x.dtype)}


@rule("KBinsDiscretizer")
def kbins_discretizer(estimator: Any, context: Context) -> Any:
    """``searchsorted(bin_edges_[1:-1], X, side="right")``, one-hot if so set: ``KBinsDiscretizer.transform``."""
    del context
    inner = [at_least(edges[1:-1]) for edges in estimator.bin_edges_]
    if estimator.encode == "ordinal":
        edges = np.full((len(inner), max(map(len, inner))), np.inf)
        for row, own in zip(edges, inner, strict=True):
            row[: len(own)] = own
        return fitted(_binned, edges=edges)
    # One output a bin: from its lower edge to the largest number below its upper edge.
    far = np.float32(np.inf)
    return fitted(
        _one_of_bins,
        source=np.repeat(np.arange(len(inner)), [len(own) + 1 for own in inner]),
        low=np.concatenate([np.append(-far, own) for own in inner]),
        high=np.concatenate([np.append(np.nextafter(own, -far), far) for own in inner]),
    )


def _binned(model: Any, x: Any) -> Answers:
    passed = x.unsqueeze(2) >= model.edges
    return {"transformed": passed.to(x.dtype).sum(dim=2)}


def _one_of_bins(model: Any, x: Any) -> Answers:
    value = x.index_select(1, model.source)
    return {"transformed": ((value >= model.low) & (value <= model.high)).to(x.dtype)}
