"""Counts of terms, as they are and weighted by how rare a term is."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError


@rule("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
def vectorizer(estimator: Any, context: Context) -> Any:
    """What a vectorizer makes of the counts of its terms, which are given in the place of a column of texts.

    Raises:
        ConversionError: there are no counts for it.
    """
    name = type(estimator).__name__
    place = context.terms[0].place(estimator) if len(context.terms) == 1 and context.terms[0] else None
    if place is None:
        why = "it reads what another step gives it, and texts are counted before the model"
        raise ConversionError(f"convert a {name}", why, "put it where the texts come in")
    weighted = context.build(estimator._tfidf, "tfidf") if name == "TfidfVectorizer" else None
    norm = estimator.norm if name == "HashingVectorizer" else None
    return fitted(_counted, start=place[0], stop=place[1], weighted=weighted, norm=norm)


def _counted(model: Any, x: Any) -> Answers:
    x = x[:, model.start : model.stop]
    if model.weighted is not None:
        answers: Answers = model.weighted.answers(x)
        return answers
    return {"transformed": _normed(x, model.norm)}


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
    return {"transformed": _normed(x * model.weights, model.norm)}


def _normed(x: Any, norm: str | None) -> Any:
    """Rows scaled to a norm of 1; rows of zeros stay."""
    if norm == "l1":
        size = x.abs().sum(dim=1, keepdim=True)
    elif norm == "l2":
        # Divided by the largest first: squares of large counts leave float32's range.
        peak = x.abs().amax(dim=1, keepdim=True)
        safe = torch.where(peak == 0, torch.ones_like(peak), peak)
        size = ((x / safe) ** 2).sum(dim=1, keepdim=True).sqrt() * safe
    else:
        return x
    return x / torch.where(size == 0, torch.ones_like(size), size)
