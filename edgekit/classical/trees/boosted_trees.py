"""What XGBoost's and LightGBM's models have in common: trees summed a group, and a link to the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear_classifiers import two_sigmoids
from edgekit.classical.registry import Context
from edgekit.classical.trees.forest import forest, summed
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array

# From the margins [n, groups] to the answer.
LINKS: dict[str, Callable[[Any], Any]] = {
    "identity": lambda margins: margins,
    # Not torch's functions themselves: naming them here would import torch.
    "sigmoid": lambda margins: torch.sigmoid(margins),  # noqa: PLW0108
    "exponential": lambda margins: torch.exp(margins),  # noqa: PLW0108
    "step": lambda margins: (margins > 0).to(margins.dtype),
    "square": lambda margins: torch.abs(margins) * margins,
    # log(1 + exp(x)) without overflow.
    "softplus": lambda margins: margins.clamp(min=0.0) + torch.log1p(torch.exp(-torch.abs(margins))),
    "softmax": lambda margins: torch.softmax(margins, dim=1),
    "argmax": lambda margins: torch.argmax(margins, dim=1, keepdim=True).to(margins.dtype),
}


def summed_trees(
    trees: Sequence[Tree], groups: Sequence[int], base: Array, *, before: Sequence[Any] = (), wide: bool = False
) -> Any:
    """The module that gives the margins [n, groups]: ``base`` and, by group, the sum of the leaves' values.

    Args:
        trees: each of one output, or each of as many as ``base``.
        groups: the group that each tree of one output adds to.
        base: float64 [groups].
        before: see :func:`edgekit.classical.forest.forest`.
        wide: likewise.
    """
    base = np.array(base, np.float64)
    growing = []
    for tree, group in sorted(zip(trees, groups, strict=True), key=lambda pair: pair[1]):
        if tree.feature[0] >= 0:
            growing.append((tree, group))
        elif tree.value.shape[1] == 1:  # nothing but a root
            base[group] += tree.value[0, 0]
        else:
            base += tree.value[0]
    if not growing:
        return fitted(_constant, base=base)
    kept = [tree for tree, _ in growing]
    groups = [group for _, group in growing]
    if kept[0].value.shape[1] > 1:
        return fitted(_margins, forest=forest(kept, before, wide=wide), at=None, base=base)
    # Groups may have lost all their trees.
    present, groups_present = np.unique(groups, return_inverse=True)
    at = None if len(present) == len(base) else np.eye(len(base))[present]
    grown = forest(kept, before, wide=wide, groups=groups_present.tolist())
    return fitted(_margins, forest=grown, at=at, base=base)


def _constant(model: Any, x: Any) -> Answers:
    return {"scores": torch.zeros_like(x[:, :1]) + model.base}


def _margins(model: Any, x: Any) -> Answers:
    sums = summed(model.forest, x)
    return {"scores": (sums if model.at is None else sums @ model.at) + model.base}


def predicting(margins: Any, link: str, reads: Any = None, *, slope: float = 1.0) -> Any:
    """The module whose ``prediction`` is the link of the margins, [n] where there is one group.

    Args:
        margins: the module that gives them.
        link: a name from :data:`LINKS`.
        reads: a module whose ``transformed`` the margins are of; ``None``: of the rows themselves.
        slope: what the margins are multiplied by before the link.
    """
    return fitted(_predicted, margins=margins, link=link, reads=reads, slope=slope)


def classifying(margins: Any, link: str, classes: Array, reads: Any = None, *, narrow: bool, slope: float = 1.0) -> Any:
    """The module of a classifier: ``label``, ``probabilities`` and ``scores``, which are the margins.

    Args:
        margins: see :func:`predicting`.
        link: see :func:`predicting`.
        classes: its labels.
        reads: see :func:`predicting`.
        narrow: whether the original decides by a probability rounded to float32.
        slope: see :func:`predicting`.
    """
    parts = {"margins": margins, "link": link, "reads": reads}
    return fitted(_classified, classes=classes, **parts, narrow=narrow, slope=slope)


def _margins_of(model: Any, x: Any) -> Any:
    return model.margins.answers(x if model.reads is None else model.reads.answers(x)["transformed"])["scores"]


def _sloped(model: Any, margins: Any) -> Any:
    return margins if model.slope == 1.0 else margins * model.slope


def _predicted(model: Any, x: Any) -> Answers:
    value = LINKS[model.link](_sloped(model, _margins_of(model, x)))
    return {"prediction": value[:, 0] if value.shape[1] == 1 else value}


def _classified(model: Any, x: Any) -> Answers:
    """The first maximum of several; of one number v, whether it is above a half, with ``[1 - v, v]``."""
    margins = _margins_of(model, x)
    if margins.shape[1] > 1:
        link = "softmax" if model.link == "argmax" else model.link
        return {
            "label": torch.argmax(margins, dim=1),
            "probabilities": LINKS[link](_sloped(model, margins)),
            "scores": margins,
        }
    score = margins[:, 0]
    sloped = _sloped(model, score)
    value = LINKS[model.link](sloped)
    above = score > 0 if model.link == "sigmoid" and not model.narrow else value > 0.5
    shares = two_sigmoids(sloped) if model.link == "sigmoid" else torch.stack([1.0 - value, value], dim=1)
    return {"label": above.to(torch.int64), "probabilities": shares, "scores": score}


def refuse_before(estimator: Any, context: Context, what: str) -> None:
    """Refuse a scaler before a model of which some columns are no measures.

    Raises:
        ConversionError: there is one.
    """
    if context.before:
        asked = f"convert a {type(estimator).__name__} behind a {type(context.before[-1]).__name__}"
        raise ConversionError(asked, f"the model {what}", "fit the model without it: trees need no scaling")
