"""What a fitted estimator takes: one matrix, or a table of columns by name; read off the fitted transformers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array, dtype_name
from edgekit.sources.base import LoadRequest
from edgekit.sources.layout import MATRIX, Column, Layout, asked_kind, rows_of
from edgekit.sources.vectorizers import is_vectorizer


def parts(estimator: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A fitted estimator and all that it is made of, as (path, estimator), paths by the user's own step names."""
    yield path, estimator
    children: list[tuple[str, Any]] = []
    if hasattr(estimator, "steps"):
        children = list(estimator.steps)
    elif hasattr(estimator, "transformers_"):
        children = [(name, part) for name, part, _ in estimator.transformers_]
    elif hasattr(estimator, "transformer_list"):
        children = list(estimator.transformer_list)
    elif hasattr(estimator, "named_estimators_"):
        final = getattr(estimator, "final_estimator_", None)
        children = [*estimator.named_estimators_.items(), ("final_estimator", final)]
    else:
        several = _fitted_alike(estimator)
        # Beside fitted estimators, `estimator_` is the template that they were cloned from.
        single = ("best_estimator_",) if several else ("best_estimator_", "regressor_", "estimator_")
        children = [(name.rstrip("_"), getattr(estimator, name, None)) for name in single] + several[:1]
    for name, child in children:
        if hasattr(child, "get_params"):
            yield from parts(child, f"{path}.{name}" if path else name)


def _fitted_alike(estimator: Any) -> list[tuple[str, Any]]:
    """The members of an ensemble, all of one kind."""
    calibrated = [
        ("calibrated_classifiers", one.estimator) for one in getattr(estimator, "calibrated_classifiers_", [])
    ]
    members = np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object))
    return calibrated or [("estimators", one) for one in members]


def answering(estimator: Any) -> Iterator[Any]:
    """The estimators whose answer is the model's: last steps of pipelines, bests of searches; the innermost last."""
    while True:
        yield estimator
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return


def final_of(estimator: Any) -> Any:
    """The estimator that gives the answer."""
    return list(answering(estimator))[-1]


def layout_of(estimator: Any, request: LoadRequest) -> Layout:
    """How a fitted estimator takes its rows.

    Raises:
        InputError: it does not tell how many features it takes, a column mixes text with numbers, or ``--columns`` asks
            for what it cannot take.
    """
    first = _first_of(estimator)
    if is_vectorizer(first):
        if request.columns:
            why = f"a {type(first).__name__} takes texts, not columns"
            raise InputError(f"--columns {request.columns}", why, "leave it off")
        column = Column(MATRIX, "string", "text")
        return Layout("texts", _with_texts(estimator, (column,)), named=False, own="texts")
    names, named = _feature_names(estimator, first, request)
    known = _known(first, names)
    by_name = hasattr(first, "transformers_") and _selects_by_name(first)
    dtypes = {known[name].dtype if name in known else "float32" for name in names}
    columns = tuple(known.get(name) or _unknown(name, request, table=by_name or len(dtypes) > 1) for name in names)
    own = "table" if by_name or len({column.dtype for column in columns}) > 1 else "matrix"
    if any(column.dtype == "string" for column in columns):
        columns = _with_texts(estimator, columns)
    if by_name:
        used = {name for _, part, chosen in first.transformers_ if part != "drop" for name in _chosen(chosen, names)}
        columns = tuple(column for column in columns if column.name in used)
    return Layout(asked_kind(request) or own, columns, named, own)


def _with_texts(estimator: Any, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns with the texts and the terms that the model knows of each."""
    from edgekit.classical.texts import terms_read, texts_of

    known = zip(columns, texts_of(estimator, len(columns)), terms_read(estimator, len(columns)), strict=True)
    return tuple(
        replace(column, texts=texts, terms=terms) if column.dtype == "string" else column
        for column, texts, terms in known
    )


def _first_of(estimator: Any) -> Any:
    if hasattr(estimator, "best_estimator_"):
        return _first_of(estimator.best_estimator_)
    if hasattr(estimator, "steps"):
        working = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
        return _first_of(working[0]) if working else estimator
    if hasattr(estimator, "transformer_list"):
        firsts = [_first_of(step) for _, step in estimator.transformer_list if hasattr(step, "get_params")]
        return next((one for one in firsts if is_vectorizer(one)), estimator)
    # Around other estimators, what matters is whether these choose their columns, or read text.
    inside = (_first_of(member) for member in _members(estimator))
    return next((one for one in inside if hasattr(one, "transformers_") or is_vectorizer(one)), estimator)


def _members(estimator: Any) -> list[Any]:
    """What an estimator hands its rows to as they are: one of each kind."""
    single = [getattr(estimator, name, None) for name in ("regressor_", "estimator_", "estimator")]
    several = _fitted_alike(estimator)
    members = [*single, several[0][1] if several else None]
    return [one for one in members if hasattr(one, "get_params")]


def _feature_names(estimator: Any, first: Any, request: LoadRequest) -> tuple[tuple[str, ...], bool]:
    """The columns' names, ``x0``, ``x1`` … as scikit-learn itself calls them where it was fitted on an array."""
    for owner in (estimator, first):
        names = getattr(owner, "feature_names_in_", None)
        if names is not None:
            return tuple(str(name) for name in names), True
    count = getattr(estimator, "n_features_in_", None) or getattr(first, "n_features_in_", None)
    if count is None and hasattr(first, "X_thresholds_"):
        count = 1  # isotonic regression takes one feature, and does not say so
    if count is None:
        shape = next(iter(request.shapes.values()), None)
        example = next(iter(request.example.values()), None) if len(request.example) == 1 else None
        given = shape if shape is not None else example.shape if example is not None else ()
        count = given[1] if len(given) == 2 else None
    if count is None:
        asked = f"convert a {type(final_of(estimator)).__name__}"
        raise InputError(asked, "it does not say how many features it takes", "give --input-shape X=N,4, or --samples")
    return tuple(f"x{index}" for index in range(int(count))), False


def _known(transformer: Any, names: Sequence[str]) -> dict[str, Column]:
    """The columns of which the fitted transformers know the dtype, and one value each."""
    if hasattr(transformer, "transformers_"):
        return _merged(_known(part, _chosen(chosen, names)) for _, part, chosen in transformer.transformers_)
    if hasattr(transformer, "transformer_list"):
        return _merged(_known(part, names) for _, part in transformer.transformer_list)
    if hasattr(transformer, "steps"):
        return next((found for _, step in transformer.steps if (found := _known(step, names))), {})
    if is_vectorizer(transformer):
        return {name: Column(name, "string", "text") for name in names}
    return _listed(transformer, names)


def _merged(several: Iterable[dict[str, Column]]) -> dict[str, Column]:
    """The first that tells of a column is believed."""
    merged: dict[str, Column] = {}
    for found in several:
        merged = found | merged
    return merged


def _listed(transformer: Any, names: Sequence[str]) -> dict[str, Column]:
    """The columns of an encoder, or of an imputer of text."""
    if hasattr(transformer, "categories_"):
        return {name: _category(name, values) for name, values in zip(names, transformer.categories_, strict=False)}
    statistics = getattr(transformer, "statistics_", None)
    if statistics is not None and statistics.dtype.kind in "OU" and any(isinstance(value, str) for value in statistics):
        return {name: _category(name, statistics[i : i + 1]) for i, name in enumerate(names)}
    return {}


def _category(name: str, values: Array) -> Column:
    filled = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - NaN
    kinds = {isinstance(value, str) for value in filled}
    if len(kinds) > 1:
        why = "its categories mix text with numbers"
        raise InputError(f"column {name!r}", why, "make them one or the other, and fit again")
    if kinds == {True}:
        return Column(name, "string", str(filled[0]))
    integers = np.asarray(values).dtype.kind in "iu"
    return Column(name, "int64" if integers else "float32", filled[0] if filled else 1)


def _unknown(name: str, request: LoadRequest, *, table: bool) -> Column:
    """A column that nothing tells of: a number, unless the user (or, in a table, a sample) says otherwise."""
    example = request.example.get(name)
    dtype = request.dtypes.get(name) if table else None
    if dtype is None and table and example is not None and dtype_name(example) == "string":
        dtype = "string"
    value = example.reshape(-1)[0] if example is not None and example.size else ("text" if dtype == "string" else 1)
    return Column(name, dtype or "float32", value)


def _chosen(chosen: Any, names: Sequence[str]) -> list[str]:
    """A column selector, as scikit-learn stores it after fitting, as names."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice) and any(isinstance(end, str) for end in (chosen.start, chosen.stop)):
        start = names.index(chosen.start) if chosen.start is not None else 0
        stop = names.index(chosen.stop) + 1 if chosen.stop is not None else len(names)
        return list(names[start : stop : chosen.step])
    if isinstance(chosen, list | tuple | np.ndarray) and len(chosen) and isinstance(chosen[0], str):
        return [str(name) for name in chosen]
    picked = np.array(names, dtype=object)[chosen]
    return [str(name) for name in np.ravel(picked)]


def chosen_columns(transformer: Any) -> list[tuple[str, Any, list[int]]]:
    """A fitted ``ColumnTransformer``'s parts but those it drops: name, part, the positions of its columns."""
    own = getattr(transformer, "feature_names_in_", None)
    count = int(transformer.n_features_in_)
    names = [f"x{index}" for index in range(count)] if own is None else [str(name) for name in own]
    position = {name: index for index, name in enumerate(names)}
    return [
        (name, part, [position[one] for one in _chosen(chosen, names)])
        for name, part, chosen in transformer.transformers_
        if not (isinstance(part, str) and part == "drop")
    ]


def _selects_by_name(transformer: Any) -> bool:
    def texts(chosen: Any) -> bool:
        if isinstance(chosen, slice):
            return isinstance(chosen.start, str) or isinstance(chosen.stop, str)
        return isinstance(chosen, str) or (
            isinstance(chosen, list | tuple | np.ndarray) and len(chosen) > 0 and isinstance(chosen[0], str)
        )

    return any(texts(chosen) for _, part, chosen in transformer.transformers_ if part != "drop")


def values_of(column: Column, rows: int) -> Array:
    """Rows of a value that the model knows, in the signature's dtype."""
    return np.full(rows, column.value, dtype=object if column.dtype == "string" else column.dtype)


def inputs_of(layout: Layout, rows: int) -> Mapping[str, Array]:
    """Inputs, by the model's own names, that the model can answer."""
    return layout.from_own(rows_of(layout, [values_of(column, rows) for column in layout.columns]))
