"""Topics of documents: the variational inference of latent Dirichlet allocation."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear import dense
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError

# Every update is written out: some twenty operators each.
_UPDATES = 100


@rule("LatentDirichletAllocation")
def latent_dirichlet_allocation(estimator: Any, context: Context) -> Any:
    """``gamma / sum(gamma)`` after ``max_doc_update_iter`` updates at most: ``_update_doc_distribution``.

    Raises:
        ConversionError: there are more updates than edgekit writes out.
    """
    del context
    updates = int(estimator.max_doc_update_iter)
    if updates > _UPDATES:
        why = f"edgekit writes out {_UPDATES} updates of a document's topics, not {updates}"
        raise ConversionError("convert a LatentDirichletAllocation", why, "set a smaller max_doc_update_iter")
    return fitted(
        _topics,
        words=dense(estimator.exp_dirichlet_component_),
        prior=float(estimator.doc_topic_prior_),
        tolerance=float(estimator.mean_change_tol),
        updates=updates,
        offsets=np.arange(12.0),
        floor=float(np.finfo(np.float64).eps),
    )


def _topics(model: Any, x: Any) -> Answers:
    """A row that changes by less than the tolerance keeps what it then has.

    ``exp(E[log theta])`` is taken without its divisor ``exp(psi(sum(gamma)))``, which cancels.
    """
    of_words = model.words.transpose(0, 1)
    gamma = torch.ones_like(x[:, :1]) * torch.ones_like(model.words[:, 0])
    changing = None
    for _ in range(model.updates):
        weights = _exp_digamma(gamma, model.offsets)
        updated = weights * ((x / (weights @ model.words + model.floor)) @ of_words) + model.prior
        moved = (updated - gamma).abs().mean(dim=1, keepdim=True) >= model.tolerance
        gamma = updated if changing is None else torch.where(changing, updated, gamma)
        changing = moved if changing is None else changing & moved
    return {"transformed": gamma / gamma.sum(dim=1, keepdim=True)}


def _exp_digamma(x: Any, offsets: Any) -> Any:
    """``exp(psi(x))`` of positive ``x`` [n, k], with as few operators as float32's precision takes.

    ``psi(x) = psi(x + 12) - Σ 1 / (x + i)`` over ``i < 12``, and ``exp(psi(y + 1/2)) = y + 1/24y - 37/5760y³ + …``, of
    which two terms are left from 11.5 on.
    """
    y = x + 11.5
    below = (1.0 / (x[:, :, None] + offsets)).sum(dim=2)
    return (y + (1.0 / 24.0) / y) / torch.exp(below)
