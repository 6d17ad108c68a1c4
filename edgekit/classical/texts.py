"""The texts that a fitted model knows, column by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgekit.sources.sklearn_columns import _chosen, parts

# Of each column that a step is given: which of the model's columns it is, None where it is none of them any more.
# None as a whole: nobody knows how many there are.
_Places = Sequence[int | None] | None


def texts_of(estimator: Any, count: int) -> tuple[tuple[str, ...], ...]:
    """Of each of the model's columns, all texts that its encoders and imputers know, in the order in which they stand.

    Args:
        estimator: fitted; columns are followed through pipelines, column transformers, unions and ensembles as far as
            they stay what they are (imputers, ``passthrough``).
        count: how many columns it takes.

    Returns:
        ``count`` tuples; empty for columns of numbers.
    """
    found: list[dict[str, None]] = [{} for _ in range(count)]
    _walk(estimator, list(range(count)), found)
    return tuple(tuple(own) for own in found)


def _walk(part: Any, places: _Places, found: list[dict[str, None]]) -> _Places:
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
    return None


def _changes_nothing(part: Any) -> bool:
    return type(part).__name__ == "FunctionTransformer" and part.func is None


def _steps(part: Any, places: _Places, found: list[dict[str, None]]) -> _Places:
    for _, step in part.steps:
        places = _walk(step, places, found)
    return places


def _encoded(part: Any, places: Sequence[int | None], found: list[dict[str, None]]) -> _Places:
    for place, categories in zip(places, part.categories_, strict=False):
        _gather(found, place, categories)
    return None


def _columns(part: Any, places: Sequence[int | None], found: list[dict[str, None]]) -> _Places:
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


def _union(part: Any, places: Sequence[int | None], found: list[dict[str, None]]) -> _Places:
    results = [_walk(step, places, found) for _, step in part.transformer_list if step != "drop"]
    if any(one is None for one in results):
        return None
    return [place for one in results for place in one or ()]


def _imputed(part: Any, places: Sequence[int | None], found: list[dict[str, None]]) -> _Places:
    kept: list[int | None] = []
    for place, value in zip(places, part.statistics_, strict=True):
        if isinstance(value, str):
            _gather(found, place, [value, part.missing_values])
        # NaN, which is not itself, is of a column that the imputer drops.
        if part.keep_empty_features or value == value:  # noqa: PLR0124
            kept.append(place)
    shown = len(part.indicator_.features_) if part.add_indicator else 0
    return [*kept, *[None] * shown]


def _gather(found: list[dict[str, None]], place: int | None, values: Iterable[Any]) -> None:
    if place is not None:
        found[place] |= dict.fromkeys(str(value) for value in values if isinstance(value, str))


# What a part is, by the attribute that only its kind has.
_WALKS: dict[str, Callable[[Any, Sequence[int | None], list[dict[str, None]]], _Places]] = {
    "steps": _steps,
    "transformers_": _columns,
    "transformer_list": _union,
    "categories_": _encoded,
    "statistics_": _imputed,
}
