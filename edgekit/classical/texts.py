"""What a fitted model knows of the texts in its columns: their categories, and the vectorizers that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.sources.sklearn_columns import _chosen, _fitted_alike, parts
from edgekit.sources.vectorizers import Terms

# Of each column that a step is given: which of the model's columns it is, None where it is none of them any more.
# None as a whole: nobody knows how many there are.
_Places = Sequence[int | None] | None


@dataclass
class _Known:
    """Of one column."""

    texts: dict[str, None] = field(default_factory=dict)
    vectorizers: list[Any] = field(default_factory=list)


def texts_of(estimator: Any, count: int) -> tuple[tuple[str, ...], ...]:
    """Of each of the model's columns, all texts that its encoders and imputers know, in the order in which they stand.

    Args:
        estimator: fitted; columns are followed through pipelines, column transformers, unions and ensembles as far as
            they stay what they are (imputers, ``passthrough``).
        count: how many columns it takes.

    Returns:
        ``count`` tuples; empty for columns of numbers.
    """
    return tuple(tuple(own.texts) for own in _found(estimator, count))


def terms_read(estimator: Any, count: int) -> tuple[Terms | None, ...]:
    """Of each of the model's columns, the terms that vectorizers count in it.

    Args:
        estimator: fitted; columns are followed as :func:`texts_of` follows them.
        count: how many columns it takes.

    Returns:
        ``count`` entries; ``None`` for a column that no vectorizer reads.
    """
    return tuple(Terms(tuple(own.vectorizers)) if own.vectorizers else None for own in _found(estimator, count))


def _found(estimator: Any, count: int) -> list[_Known]:
    found = [_Known() for _ in range(count)]
    _walk(estimator, list(range(count)), found)
    return found


def _walk(part: Any, places: _Places, found: list[_Known]) -> _Places:
    """Gather what a part knows of the columns it is given; gives back which columns it gives."""
    if part is None or part == "passthrough" or _changes_nothing(part):
        return places
    if places is None:
        return None
    for attribute, walk in _WALKS.items():
        if hasattr(part, attribute):
            return walk(part, places, found)
    for path, child in parts(part):
        if path and "." not in path:
            _walk(child, places, found)
    # Each of them may know other texts: those of its own part of the samples.
    for _, child in _fitted_alike(part)[1:]:
        _walk(child, places, found)
    return None


def _changes_nothing(part: Any) -> bool:
    return type(part).__name__ == "FunctionTransformer" and part.func is None


def _steps(part: Any, places: _Places, found: list[_Known]) -> _Places:
    for _, step in part.steps:
        places = _walk(step, places, found)
    return places


def _encoded(part: Any, places: Sequence[int | None], found: list[_Known]) -> _Places:
    for place, categories in zip(places, part.categories_, strict=False):
        _gather(found, place, categories)
    return None


def _columns(part: Any, places: Sequence[int | None], found: list[_Known]) -> _Places:
    """Through a ``ColumnTransformer``, whose own record tells how many columns each of its parts gives."""
    own = getattr(part, "feature_names_in_", None)
    names = [f"x{index}" for index in range(len(places))] if own is None else [str(name) for name in own]
    position = {name: index for index, name in enumerate(names)}
    given: list[Sequence[int | None]] = []
    for name, transformer, chosen in part.transformers_:
        width = part.output_indices_[name]
        if isinstance(transformer, str) and transformer == "drop":
            continue
        taken = [places[position[one]] for one in _chosen(chosen, names)]
        result = _walk(transformer, taken, found)
        given.append(result if result is not None else [None] * (width.stop - width.start))
    return [place for several in given for place in several]


def _union(part: Any, places: Sequence[int | None], found: list[_Known]) -> _Places:
    results = [_walk(step, places, found) for _, step in part.transformer_list if step != "drop"]
    if any(one is None for one in results):
        return None
    return [place for one in results for place in one or ()]


def _imputed(part: Any, places: Sequence[int | None], found: list[_Known]) -> _Places:
    kept: list[int | None] = []
    for place, value in zip(places, part.statistics_, strict=True):
        if isinstance(value, str):
            _gather(found, place, [value, part.missing_values])
        # NaN, which is not itself, is of a column that the imputer drops.
        if part.keep_empty_features or value == value:  # noqa: PLR0124
            kept.append(place)
    shown = len(part.indicator_.features_) if part.add_indicator else 0
    return [*kept, *[None] * shown]


def _read(part: Any, places: Sequence[int | None], found: list[_Known]) -> _Places:
    for place in places:
        if place is not None and all(part is not one for one in found[place].vectorizers):
            found[place].vectorizers.append(part)
    return None


def _gather(found: list[_Known], place: int | None, values: Iterable[Any]) -> None:
    if place is not None:
        found[place].texts |= dict.fromkeys(str(value) for value in values if isinstance(value, str))


# What a part is, by the attribute that only its kind has.
_WALKS: dict[str, Callable[[Any, Sequence[int | None], list[_Known]], _Places]] = {
    "build_analyzer": _read,
    "steps": _steps,
    "transformers_": _columns,
    "transformer_list": _union,
    "categories_": _encoded,
    "statistics_": _imputed,
}
