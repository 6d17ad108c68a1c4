"""What the sources of classical models have in common: rows in, numbers, labels and texts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.preprocessing.terms import Vectorizer
from edgekit.signature import Array, TensorSpec
from edgekit.sources.base import LoadRequest, Source
from edgekit.sources.layout import Layout
from edgekit.sources.vectorizers import Terms


class ClassicalSource(Source):
    """A fitted estimator that the rules of :mod:`edgekit.classical` can rebuild.

    Attributes:
        estimator: what the rules are given.
        layout: how the model takes its rows.
        input_of: the inputs' names in the signature by the model's own.
        outputs: by output name in the signature, the output's kind: ``label``, ``probabilities``, ``scores``,
            ``prediction``, ``transformed`` or ``distances``.
        terms: by input name in the signature, the terms that vectorizers count in its texts.
        rows: how many rows a call files of a fixed shape take.
    """

    rows: int = 1
    estimator: Any
    layout: Layout
    input_of: Mapping[str, str]
    outputs: Mapping[str, str]
    terms: Mapping[str, Terms] = MappingProxyType({})

    def vectorizers(self, name: str) -> tuple[Vectorizer, ...]:
        """What counts the terms of an input of texts, without scikit-learn."""
        return self.terms[name].contracts() if name in self.terms else ()


def check_request(inputs: Sequence[TensorSpec], request: LoadRequest) -> int:
    """Refuse names, shapes and dtypes that are not the model's; how many rows a call are asked for, 1 if not said.

    Raises:
        InputError: says what the model takes.
    """
    specs = {spec.name: spec for spec in inputs}
    for name in (*request.shapes, *request.dtypes):
        if name not in specs:
            takes = ", ".join(specs)
            raise InputError(f"input {name!r}", f"the model takes {takes}", "use those names (or --input-name)")
    rows = {shape[0] for shape in request.shapes.values() if shape} - {None}
    for name, shape in request.shapes.items():
        if tuple(shape[1:]) != specs[name].shape[1:] or not shape or len(rows) > 1:
            text = ",".join("N" if size is None else str(size) for size in shape)
            why = f"the model takes {specs[name]}, any number of rows"
            todo = "leave it off, or give the rows that a TFLite or Core ML file takes a call and the shape as it is"
            raise InputError(f"--input-shape {name}={text}", why, todo)
    for name, dtype in request.dtypes.items():
        if dtype != specs[name].dtype:
            raise InputError(f"dtype {dtype} for input {name!r}", f"the model takes {specs[name]}", "leave it off")
    return next((size for size in rows if size is not None), 1)


def plain(value: Any) -> Array:
    """An answer as an array of float32, int64 or text; sparse and DataFrame answers too.

    Raises:
        InputError: it mixes text with numbers.
    """
    array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    if array.dtype.kind in "OU":
        kinds = {isinstance(item, str) for item in array.reshape(-1)}
        if len(kinds) > 1:
            raise InputError(
                "convert a model", "its answer mixes text with numbers", "encode the text inside the model"
            )
        if kinds != {False}:
            return np.array([str(item) for item in array.reshape(-1)], dtype=object).reshape(array.shape)
        return array.astype(np.float32)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)


def codes_of_labels(estimator: Any, outputs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The texts that a classifier's labels may be, by the output that gives them; empty where labels are numbers."""
    classes = getattr(estimator, "classes_", None) if "label" in outputs.values() else None
    if classes is None or np.asarray(classes).dtype.kind not in "OU":
        return {}
    return {name: tuple(map(str, classes)) for name, kind in outputs.items() if kind == "label"}
