"""Samples made from a fitted model's own numbers, for where the user gives none.

A standard normal number says little of a column of incomes. What a model has learned tells where its rows lie: the
thresholds of trees, the means and ranges of scalers, the categories of encoders, the rows that it has kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.signature import Array
from edgekit.sources.layout import MATRIX, Column, Layout, rows_of
from edgekit.sources.sklearn_columns import parts
from edgekit.sources.vectorizers import terms_of

# Attributes that hold rows (or row-shaped numbers) of the space in which an estimator takes its rows.
_ROWS = (
    "_fit_X",
    "X_fit_",
    "X_train_",
    "X_",
    "support_vectors_",
    "cluster_centers_",
    "centroids_",
    "subcluster_centers_",
    "means_",
    "theta_",
    "mean_",
    "xbar_",
    "_x_mean",
    "center_",
    "location_",
    "data_min_",
    "data_max_",
    "quantiles_",
    "statistics_",
)
_SPREADS = ("scale_", "var_", "data_range_")
# How many thresholds a column is probed at, and how many rows without a threshold there are.
_PROBES, _PLAIN = 24, 64
_MOST_TERMS = 20


def samples_of(estimator: Any, layout: Layout, seed: int) -> dict[str, Array] | None:
    """Rows as the model itself takes them (``layout.own``); ``None`` where it tells nothing of its columns.

    Numbers are drawn around what the model knows of each column; each of up to 24 thresholds a column is then probed
    with the float32 at it and its neighbours on either side. Texts are drawn from the model's categories, or made of
    the terms that its vectorizers know.
    """
    rng = np.random.default_rng(seed)
    known = _known(estimator, len(layout.columns)) if layout.own == "matrix" else {}
    if not known and not any(column.texts or _vocabularies(column) for column in layout.columns):
        return None
    drawn = [_drawn(column, known.get(index), rng) for index, column in enumerate(layout.columns)]
    rows = rows_of(layout, drawn)
    if layout.own == "matrix":
        rows[MATRIX] = _probed(rows[MATRIX], _thresholds(estimator), rng)
    return rows


def rows_at_splits(columns: Sequence[Column], splits: Mapping[int, Array], seed: int) -> Array:
    """Rows of trees: around the splits of each column, at some of them, and some with a value missing.

    Args:
        columns: of the matrix.
        splits: thresholds by column.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    drawn = [_drawn(column, splits.get(index), rng) for index, column in enumerate(columns)]
    return with_missing(_probed(np.stack(drawn, axis=1), splits, rng))


def with_missing(rows: Array) -> Array:
    """The rows, and for each column one more in which its value is missing."""
    missing = np.resize(rows, (rows.shape[1], rows.shape[1])).copy()
    np.fill_diagonal(missing, np.nan)
    return np.concatenate([rows, missing])


def _drawn(column: Any, known: Array | None, rng: np.random.Generator) -> Array:
    if column.texts:
        values = np.empty(_PLAIN, dtype=object)
        values[:] = [column.texts[place] for place in rng.integers(0, len(column.texts), _PLAIN)]
        return values
    if vocabularies := _vocabularies(column):
        return _made_of_terms(vocabularies, rng)
    if column.dtype == "string":
        return np.full(_PLAIN, column.value, dtype=object)
    if known is None:
        drawn = rng.standard_normal(_PLAIN) if column.dtype == "float32" else np.full(_PLAIN, column.value)
        return drawn.astype(column.dtype)
    low, high = float(known.min()), float(known.max())
    spread = (high - low) or abs(high) or 1.0
    drawn = rng.uniform(low - 0.1 * spread, high + 0.1 * spread, _PLAIN)
    if low >= 0:  # counts and frequencies are never negative, and some models refuse what is
        drawn = np.abs(drawn)
    # Half of them are values that the model has met.
    met = rng.choice(known, _PLAIN)
    return np.where(rng.random(_PLAIN) < 0.5, met, drawn).astype(column.dtype)


def _vocabularies(column: Column) -> list[tuple[str, tuple[str, ...]]]:
    """What stands between two terms in a text, and the terms: of each vectorizer of the column that knows any."""
    read = column.terms.vectorizers if column.terms else ()
    several = [(" " if one.analyzer == "word" else "", terms_of(one)) for one in read]
    return [(between, terms) for between, terms in several if terms]


def _made_of_terms(vocabularies: Sequence[tuple[str, tuple[str, ...]]], rng: np.random.Generator) -> Array:
    """Texts of up to 20 known terms, a third of them in capitals; one is empty."""
    texts = np.empty(_PLAIN, dtype=object)
    for row in range(_PLAIN):
        between, terms = vocabularies[row % len(vocabularies)]
        chosen = rng.integers(0, len(terms), 0 if row == 0 else rng.integers(1, _MOST_TERMS + 1))
        text = between.join(terms[place] for place in chosen)
        texts[row] = text.upper() if row % 3 == 2 else text
    return texts


def _known(estimator: Any, count: int) -> dict[int, Array]:
    """Values by column that the first estimator which the rows meet has learned."""
    found: dict[int, list[Array]] = {}
    for part in _first(estimator):
        for name in _ROWS:
            value: Any = getattr(part, name, None)
            if hasattr(value, "toarray"):
                value = value.toarray()
            if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.shape[-1:] != (count,):
                continue
            for index, column in enumerate(value.reshape(-1, count).T):
                found.setdefault(index, []).append(column[np.isfinite(column)].astype(np.float64))
        _add_spread(part, count, found)
    for index, values in _thresholds(estimator).items():
        found.setdefault(index, []).append(values)
    joined = {index: np.concatenate(values) for index, values in found.items()}
    return {index: values for index, values in joined.items() if values.size}


def _add_spread(part: Any, count: int, found: dict[int, list[Array]]) -> None:
    """Two standard deviations on either side of a mean."""
    mean = getattr(part, "mean_", None)
    if mean is None or np.shape(mean) != (count,):
        return
    for name in _SPREADS:
        spread = getattr(part, name, None)
        if isinstance(spread, np.ndarray) and spread.shape == (count,):
            width = 2 * (np.sqrt(spread) if name == "var_" else spread)
            for index in range(count):
                found.setdefault(index, []).extend([mean[index] + width[index : index + 1]])
                found[index].append(mean[index] - width[index : index + 1])
            return


def _first(estimator: Any) -> Iterator[Any]:
    """The estimators that meet the rows as they come."""
    if hasattr(estimator, "best_estimator_"):
        yield from _first(estimator.best_estimator_)
    elif hasattr(estimator, "steps"):
        working = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
        yield from _first(working[0]) if working else ()
    elif not hasattr(estimator, "transformers_"):
        yield from (part for _, part in parts(estimator) if not hasattr(part, "steps"))


def _thresholds(estimator: Any) -> dict[int, Array]:
    """The splits of trees that meet the rows as they come, by column."""
    found: dict[int, list[float]] = {}
    for part in _first(estimator):
        tree = getattr(part, "tree_", None)
        if tree is not None:
            inner = tree.children_left >= 0
            for feature, threshold in zip(tree.feature[inner], tree.threshold[inner], strict=True):
                found.setdefault(int(feature), []).append(float(threshold))
        for stage in getattr(part, "_predictors", ()):
            for predictor in stage:
                nodes = predictor.nodes[(predictor.nodes["is_leaf"] == 0) & (predictor.nodes["is_categorical"] == 0)]
                for node in nodes:
                    found.setdefault(int(node["feature_idx"]), []).append(float(node["num_threshold"]))
    finite = {index: np.unique(values) for index, values in found.items()}
    return {index: values[np.isfinite(values)] for index, values in finite.items()}


def _thinned(thresholds: Array, rng: np.random.Generator) -> Array:
    if len(thresholds) <= _PROBES:
        return thresholds
    return np.sort(rng.choice(thresholds, _PROBES, replace=False))


def _probed(rows: Array, thresholds: Mapping[int, Array], rng: np.random.Generator) -> Array:
    """The rows, and for each threshold three more that sit at it and one float32 on either side."""
    more = []
    for index, values in thresholds.items():
        at = _thinned(values, rng).astype(np.float32)
        for value in np.concatenate([np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf))]):
            row = rows[rng.integers(len(rows))].copy()
            row[index] = value
            more.append(row)
    return np.concatenate([rows, np.array(more, rows.dtype).reshape(-1, rows.shape[1])])
