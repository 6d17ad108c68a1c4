"""Estimators one after the other, side by side, and each on its own columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, Columns, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.preprocessing.selection import columns_at
from edgekit.classical.registry import Context, rule, shifts
from edgekit.errors import ConversionError
from edgekit.signature import Array
from edgekit.sources.sklearn_columns import chosen_columns
from edgekit.sources.vectorizers import Terms, is_vectorizer

# What maps each column by a rising function of its own. (Box-Cox takes positive numbers alone.)
_RISING = ("MaxAbsScaler", "MinMaxScaler", "PowerTransformer", "QuantileTransformer", "RobustScaler", "StandardScaler")


@rule("Pipeline")
def pipeline(estimator: Any, context: Context) -> Any:
    """Every step's ``transform``, then all that the last step answers.

    Scalers right before trees are not computed: the trees' thresholds are shifted by them, so that no value is rounded
    between a scaler and a split; a pipeline inside counts as its steps.
    """
    named = list(flat_steps(estimator))
    columns, terms, waiting, steps = context.columns, context.terms, list(context.before), []
    for place, (name, step) in enumerate(named):
        last = place == len(named) - 1
        if not last and rises(step) and not any(columns) and _reaches_trees(named[place + 1 :]):
            waiting.append(step)
            continue
        before = tuple(waiting) if shifts(step) else ()
        if waiting and not before:
            steps += [context.build(scaler, type(scaler).__name__) for scaler in waiting]
        waiting = []
        steps.append(context.build(step, name, columns=columns, before=before, terms=terms))
        columns, terms = steps[-1].columns, ()
    if not steps:
        return fitted(_identity, columns=columns)
    if _misses_zeros([step for _, step in named]):
        steps[-1] = fitted(_without_zeros, classes=steps[-1].classes, inner=steps[-1])
    return fitted(_one_after_another, classes=steps[-1].classes, columns=columns, steps=steps)


def _one_after_another(model: Any, x: Any) -> Answers:
    *transformers, last = model.steps
    for step in transformers:
        x = step.answers(x)["transformed"]
    answers: Answers = last.answers(x)
    return answers


def _misses_zeros(steps: Sequence[Any]) -> bool:
    """Whether the last step is XGBoost's and is given a sparse matrix, whose zeros it takes for missing values."""
    first, *between = steps[:-1] or [None]
    if type(steps[-1]).__module__.partition(".")[0] != "xgboost" or not _gives_sparse(first):
        return False
    from scipy.sparse import csr_matrix, issparse

    # As wide as the next step asks for: what matters is whether it stays sparse.
    rows = csr_matrix((1, int(steps[1].n_features_in_)))
    for step in between:
        rows = step.transform(rows)
    return bool(issparse(rows))


def _gives_sparse(transformer: Any) -> bool:
    """Whether a first step gives a sparse matrix."""
    if hasattr(transformer, "transformer_list"):
        return any(_gives_sparse(step) for _, step in transformer.transformer_list)
    if hasattr(transformer, "steps"):
        return any(_gives_sparse(step) for _, step in transformer.steps)
    encoded = type(transformer).__name__ == "OneHotEncoder" and transformer.sparse_output
    return is_vectorizer(transformer) or bool(encoded or getattr(transformer, "sparse_output_", False))


def _without_zeros(model: Any, x: Any) -> Answers:
    answers: Answers = model.inner.answers(torch.where(x == 0, float("nan"), x))
    return answers


def _identity(model: Any, x: Any) -> Answers:
    del model
    return {"transformed": x}


def flat_steps(estimator: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A pipeline's steps by their paths, those of pipelines inside too; what passes rows on is left out."""
    for name, step in estimator.steps:
        if type(step).__name__ == "Pipeline" and type(step).__module__.startswith("sklearn."):
            yield from flat_steps(step, f"{path}{name}.")
        elif not _passes(step):
            yield f"{path}{name}", step


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")


def rises(step: Any) -> bool:
    """Whether a transformer maps each column by a rising function of its own."""
    of_scikit_learn = type(step).__name__ in _RISING and type(step).__module__.startswith("sklearn.")
    return of_scikit_learn and getattr(step, "method", None) != "box-cox"


def _reaches_trees(steps: Sequence[tuple[str, Any]]) -> bool:
    """Whether nothing but scalers stands before an estimator that shifts its thresholds by them."""
    for _, step in steps:
        if not rises(step):
            return shifts(step)
    return False


@rule("FeatureUnion")
def union(estimator: Any, context: Context) -> Any:
    """The parts' answers beside each other, each times its weight: ``FeatureUnion.transform``."""
    weights = estimator.transformer_weights or {}
    parts = [
        (_part(context, step, name, context.columns, context.terms), float(weights.get(name, 1.0)))
        for name, step in estimator.transformer_list
        if not _drops(step)
    ]
    return _beside(parts, _joined([part.columns for part, _ in parts], None, estimator), estimator)


def _part(context: Context, step: Any, name: str, columns: Columns, terms: Sequence[Terms | None]) -> Any:
    if _passes(step):
        return fitted(_identity, columns=columns)
    return context.build(step, name, columns=columns, terms=tuple(terms))


@rule("ColumnTransformer")
def column_transformer(estimator: Any, context: Context) -> Any:
    """Each part's answer to its own columns, beside each other: ``ColumnTransformer.transform``.

    Where its columns are chosen by name, a model's signature has only those that it uses, in the original's order.
    """
    weights = estimator.transformer_weights or {}
    every = chosen_columns(estimator)
    used = [place for place in range(int(estimator.n_features_in_)) if any(place in own for _, _, own in every)]
    # One entry a column tells how many columns there are, wherever any of them is text.
    narrow = bool(context.columns) and len(context.columns) == len(used) < int(estimator.n_features_in_)
    position = {place: index for index, place in enumerate(used)} if narrow else None
    parts, widths = [], []
    for name, step, own in every:
        at = np.array([position[place] if position else place for place in own], np.int64)
        if not len(at):
            continue
        terms = tuple(context.terms[place] for place in at) if context.terms else ()
        if any(terms) and (len(at) > 1 or _passes(step)):
            asked = f"convert a {type(estimator).__name__}"
            why = f"{name} does more with a text than count its terms"
            raise ConversionError(asked, why, "give it the text by another name")
        inner = _part(context, step, name, columns_at(at, context.columns), terms)
        parts.append((_of(at, context, inner), float(weights.get(name, 1.0))))
        given = estimator.output_indices_[name]
        widths.append(given.stop - given.start)
    return _beside(parts, _joined([part.columns for part, _ in parts], widths, estimator), estimator)


def _of(at: Array, context: Context, inner: Any) -> Any:
    """A part that is given the columns at some places; of a column of texts, the counts of its terms."""
    if not any(context.terms):
        return fitted(_of_columns, columns=inner.columns, inner=inner, places=at)
    ends = np.cumsum([1 if terms is None else terms.width for terms in context.terms])
    if len(at) == 1:
        place = int(at[0])
        start = int(ends[place - 1]) if place else 0
        return fitted(_of_span, columns=inner.columns, inner=inner, start=start, stop=int(ends[place]))
    return fitted(_of_columns, columns=inner.columns, inner=inner, places=ends[at] - 1)


def _of_columns(model: Any, x: Any) -> Answers:
    answers: Answers = model.inner.answers(x[:, model.places])
    return answers


def _of_span(model: Any, x: Any) -> Answers:
    answers: Answers = model.inner.answers(x[:, model.start : model.stop])
    return answers


def _beside(parts: Sequence[tuple[Any, float]], columns: Columns, estimator: Any) -> Any:
    if not parts:
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, "it keeps no column at all", "give it a transformer")
    weights = [weight for _, weight in parts]
    return fitted(_concatenated, columns=columns, parts=[part for part, _ in parts], weights=weights)


def _joined(several: Sequence[Columns], widths: Sequence[int] | None, estimator: Any) -> Columns:
    """What the columns stand for, beside each other.

    Args:
        several: of each part; of one that gives numbers they may be empty.
        widths: how many columns each part gives, where known.
        estimator: for the message.

    Raises:
        ConversionError: text stands beside numbers of an unknown count.
    """
    if not any(any(columns) for columns in several):
        return ()
    if widths is not None:
        several = [columns or (None,) * width for columns, width in zip(several, widths, strict=True)]
    if all(several):
        return tuple(one for columns in several for one in columns)
    asked = f"convert a {type(estimator).__name__} that hands text on"
    raise ConversionError(asked, "text stands beside what is computed", "encode the text in it")


def _concatenated(model: Any, x: Any) -> Answers:
    given = [
        part.answers(x)["transformed"] * weight if weight != 1.0 else part.answers(x)["transformed"]
        for part, weight in zip(model.parts, model.weights, strict=True)
    ]
    return {"transformed": torch.cat(given, dim=1) if len(given) > 1 else given[0]}


def _drops(step: Any) -> bool:
    return isinstance(step, str) and step == "drop"
