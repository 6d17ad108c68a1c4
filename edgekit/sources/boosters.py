"""What XGBoost's and LightGBM's models have in common: one matrix of float32 in, NaN for what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, InputError
from edgekit.signature import Array, Signature, TensorSpec, dtype_name
from edgekit.sources.base import LoadRequest, Provenance
from edgekit.sources.classical import ClassicalSource, check_request, codes_of_labels, plain
from edgekit.sources.inputs import renamed
from edgekit.sources.layout import MATRIX, Column, Layout, asked_kind
from edgekit.sources.sklearn_samples import rows_at_splits

# Rows of the trial run that tells the outputs' shapes.
_ROWS = 2


@dataclass(frozen=True)
class Boosted:
    """A fitted model, as its library's source describes it.

    Attributes:
        native: the library's own object.
        features: how many columns it takes.
        names: the columns' names; empty where it was fitted without.
        answers: by the kind of an output (``label``, ``probabilities``, ``prediction``), what computes it of rows.
        categories: of columns whose numbers are positions, what these stand for, where the model says so.
        splits: reads the thresholds of its trees, by column.
        notes: what a reader of the results should know.
    """

    native: Any
    features: int
    names: tuple[str, ...]
    answers: Mapping[str, Callable[[Array], Any]]
    categories: Mapping[str, Sequence[Any]]
    splits: Callable[[], Mapping[int, Sequence[float]]]
    notes: tuple[str, ...] = ()


class BoostedSource(ClassicalSource):
    """A boosted model, called on a matrix, answering in float32, int64 and text.

    Attributes:
        estimator: the library's own object, as the rules of :mod:`edgekit.classical` take it.
        layout: how the model takes its rows; itself it takes a matrix.
        outputs: by output name in the signature, the output's kind: ``label``, ``probabilities`` or ``prediction``.
    """

    accepts_nan = True

    def __init__(self, model: Boosted, request: LoadRequest, provenance: Provenance) -> None:
        self.native = self.estimator = model.native
        self.provenance = provenance
        self.notes = (*model.notes, *_category_notes(model.categories))
        names = model.names or tuple(f"x{index}" for index in range(model.features))
        columns = tuple(Column(name, "float32", 0.0) for name in names)
        self.layout = Layout(asked_kind(request) or "matrix", columns, bool(model.names), own="matrix")
        own = self.layout.inputs
        self.input_of = dict(zip(own, renamed(own, request.input_names, "input"), strict=True))
        kinds = tuple(model.answers)
        self.outputs = dict(zip(renamed(kinds, request.output_names, "output"), kinds, strict=True))
        self.columns = self.layout.column_names(self.input_of)
        self._answers = model.answers
        self._splits = model.splits
        inputs = self.layout.specs(self.input_of)
        self.rows = check_request(inputs, request)
        trial = self.predict(self._named(np.zeros((_ROWS, model.features), np.float32)))
        _require_one_label(type(model.native).__name__, {self.outputs[name]: array for name, array in trial.items()})
        self.codes = codes_of_labels(model.native, self.outputs)
        outputs = tuple(TensorSpec(name, dtype_name(a), (None, *a.shape[1:])) for name, a in trial.items())
        self.signature = Signature(inputs, outputs)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The model's own answers to the rows, in float32 as they are given.

        Raises:
            ExecutionError: the library refused the values.
        """
        own = self.layout.to_own({own: inputs[name] for own, name in self.input_of.items()})
        rows = np.ascontiguousarray(own[MATRIX])
        try:
            with warnings.catch_warnings():
                # The columns' order is the signature's, and a warning on each row would say no more.
                warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
                return {name: plain(self._answers[kind](rows)) for name, kind in self.outputs.items()}
        except Exception as error:
            why = f"{type(error).__name__}: {first_line(error)}"
            raise ExecutionError(f"run the original {type(self.native).__name__}", why) from error

    def own_samples(self, seed: int) -> dict[str, Array] | None:
        """Rows around the trees' thresholds, at some of them, and some with a value missing; ``None`` without trees."""
        splits = {column: np.unique(values) for column, values in self._splits().items()}
        if not splits:
            return None
        named = self._named(rows_at_splits(self.layout.columns, splits, seed))
        try:
            self.predict(named)
        except ExecutionError:  # such as a number that is no category
            return None
        return named

    def _named(self, rows: Array) -> dict[str, Array]:
        """A matrix as the inputs of the signature."""
        return {self.input_of[own]: array for own, array in self.layout.from_own({MATRIX: rows}).items()}


def first_line(error: BaseException) -> str:
    """The first line of an exception's text, without XGBoost's time and place before it."""
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line.rpartition("Check failed: ")[2][:200]


def not_fitted(name: str) -> InputError:
    """The error for a model that knows no trees yet."""
    return InputError(f"convert a {name}", "it is not fitted", "call fit() (or train()) first")


def _require_one_label(name: str, answers: Mapping[str, Array]) -> None:
    asked = f"convert a {name}"
    label = answers.get("label")
    if label is not None and label.ndim != 1:
        raise InputError(asked, "it answers several labels a row", "fit one classifier a label")


def _category_notes(categories: Mapping[str, Sequence[Any]]) -> tuple[str, ...]:
    def listed(values: Sequence[Any]) -> str:
        shown = ", ".join(f"{index} is {value!r}" for index, value in enumerate(values[:8]))
        return f"{shown}, …" if len(values) > 8 else shown

    return tuple(
        f"column {name!r} takes positions among the categories of the training data: {listed(values)}"
        for name, values in categories.items()
    )
