"""How a classical model takes its rows: one matrix, a list of texts, or an input a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array, Shape, TensorSpec
from edgekit.sources.base import LoadRequest
from edgekit.sources.vectorizers import Terms

MATRIX = "X"
# What ``--columns`` says → the layout's kind.
_KINDS = {"named": "table", "matrix": "matrix"}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its name.
        dtype: its dtype.
        value: a value that the model knows.
        texts: of text, all values that the model knows, in a fixed order.
        terms: of text that vectorizers read, the terms that they count; ``None`` elsewhere.
    """

    name: str
    dtype: str
    value: Any
    texts: tuple[str, ...] = ()
    terms: Terms | None = None


@dataclass(frozen=True)
class Layout:
    """How a model takes its rows.

    Attributes:
        kind: ``matrix`` (one input of rank 2), ``texts`` (one input of rank 1), or ``table`` (one input a column).
        columns: in the model's order; of a model that selects columns by name, those that it uses.
        named: whether the columns' names are the model's own (it was fitted on a DataFrame).
        own: the kind in which the model itself takes its rows; another than ``kind`` only where ``--columns`` asks.

    Raises:
        InputError: a matrix of columns of several dtypes.
    """

    kind: str
    columns: tuple[Column, ...]
    named: bool
    own: str

    def __post_init__(self) -> None:
        names: dict[str, list[str]] = {}
        for column in self.columns:
            names.setdefault(column.dtype, []).append(column.name)
        if self.kind == "matrix" and len(names) > 1:
            kinds = "; ".join(f"{dtype}: {', '.join(those)}" for dtype, those in names.items())
            why = f"a matrix holds one dtype, and the columns have several ({kinds})"
            raise InputError("--columns matrix", why, "use --columns named, which makes every column an input")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs by the model's own names."""
        return tuple(column.name for column in self.columns) if self.kind == "table" else (MATRIX,)

    @property
    def texts(self) -> tuple[tuple[str, ...] | None, ...]:
        """Of each column, the texts that integers stand for; the columns of a matrix have one table together."""
        own = [column.texts for column in self.columns]
        if self.kind == "matrix":
            own = [tuple(dict.fromkeys(text for texts in own for text in texts))] * len(own)
        return tuple(texts or None for texts in own)

    def specs(self, input_of: Mapping[str, str]) -> tuple[TensorSpec, ...]:
        """The inputs' specifications, any number of rows.

        Args:
            input_of: the user's names by the model's own.
        """
        shapes: dict[str, Shape] = {"matrix": (None, len(self.columns)), "texts": (None,), "table": (None, 1)}
        return tuple(
            TensorSpec(input_of[own], column.dtype, shapes[self.kind])
            for own, column in zip(self.inputs, self.columns, strict=False)
        )

    def column_names(self, input_of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
        """The columns of tables that each input takes; empty where the model knows no names and nor does the user.

        Args:
            input_of: the user's names by the model's own.
        """
        if self.kind == "table":
            return {name: (own if self.named else name,) for own, name in input_of.items()}
        return {input_of[MATRIX]: tuple(column.name for column in self.columns)} if self.named else {}

    def to_own(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs as the model itself takes its rows: one matrix :data:`MATRIX`, or [n, 1] a column."""
        return self._arranged(inputs, self.kind, self.own)

    def from_own(self, rows: Mapping[str, Array]) -> dict[str, Array]:
        """The inputs that :meth:`to_own` makes these rows of."""
        return self._arranged(rows, self.own, self.kind)

    def _arranged(self, rows: Mapping[str, Array], have: str, want: str) -> dict[str, Array]:
        if have == want:
            return dict(rows)
        if want == "table":
            return {column.name: rows[MATRIX][:, i : i + 1] for i, column in enumerate(self.columns)}
        return {MATRIX: np.concatenate([rows[column.name] for column in self.columns], axis=1)}


def asked_kind(request: LoadRequest) -> str | None:
    """The layout that ``--columns`` asks for; ``None`` leaves it to the model."""
    return _KINDS[request.columns] if request.columns else None


def rows_of(layout: Layout, values: Sequence[Array]) -> dict[str, Array]:
    """Columns, each an array of one dimension, as the model itself takes its rows."""
    if layout.own == "texts":
        return {MATRIX: values[0]}
    if layout.own == "matrix":
        return {MATRIX: np.stack(values, axis=1)}
    return {column.name: own[:, None] for column, own in zip(layout.columns, values, strict=True)}
