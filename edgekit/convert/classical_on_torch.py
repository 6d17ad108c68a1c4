"""A classical model converted as a PyTorch model: rebuilt from its fitted attributes, exported by the torch route."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.convert import registry
from edgekit.convert.options import ConvertOptions
from edgekit.convert.tree_layouts import convert_laid_out
from edgekit.errors import ConversionError, missing
from edgekit.preprocessing.terms import MOST_COLUMNS, Vectorizer, counts
from edgekit.runtime.codes import encode
from edgekit.signature import Array, TensorSpec

if TYPE_CHECKING:
    from edgekit.sources.classical import ClassicalSource


def convert_on_torch(source: ClassicalSource, options: ConvertOptions, target: str, output: Path) -> None:
    """Convert a classical model by the torch → ``target`` route.

    Raises:
        ConversionError: an estimator has no rule, or the route refuses the module.
        MissingDependencyError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise missing(f"convert a classical model to {target} as a torch module", "torch", "torch")
    from edgekit.classical.assemble import assemble
    from edgekit.sources import torch as torch_source
    from edgekit.sources.base import LoadRequest

    counted = _counted(source, target)
    dtypes = {spec.name: spec.dtype for spec in source.signature.outputs}
    module = assemble(
        source.estimator,
        [(kind, dtypes[name]) for name, kind in source.outputs.items()],
        source.layout.texts,
        table=source.layout.kind == "table",
        terms=tuple(column.terms for column in source.layout.columns) if counted else (),
    )
    signature = source.signature
    rows = 2 if options.dynamic_batch else source.rows
    widths = {name: (sum(one.width for one in vectorizers),) for name, vectorizers in counted.items()}
    shapes = {spec.name: (spec.shape[0], *widths.get(spec.name, spec.shape[1:])) for spec in signature.inputs}
    if rows > 1 and not options.dynamic_batch:
        shapes = {name: (rows, *shape[1:]) for name, shape in shapes.items()}
    request = LoadRequest(
        model="the classical model on torch",
        shapes=shapes,
        dtypes={spec.name: _dtype(spec, counted) for spec in signature.inputs},
        input_names=signature.input_names,
        output_names=signature.output_names,
        dynamic=("batch",) if options.dynamic_batch else (),
    )
    options = dataclasses.replace(options, example=_coded(options.example, source, counted, rows))

    def convert(options: ConvertOptions, output: Path) -> None:
        registry.get("torch", target).convert(torch_source.wrap(module, request), options, output)

    convert_laid_out(module, target, rows, convert, options, output)


def _counted(source: ClassicalSource, target: str) -> dict[str, tuple[Vectorizer, ...]]:
    """What counts the terms of each input of texts that vectorizers read.

    Raises:
        ConversionError: a text is read in another way too, or the counts of a vectorizer cannot be made without it.
    """
    asked = f"convert a text model to {target}"
    if source.layout.kind == "matrix" and any(column.terms for column in source.layout.columns):
        raise ConversionError(asked, "its texts stand in a matrix beside each other", "give --columns named")
    for name in source.terms.keys() & source.codes.keys():
        why = f"{name!r} is read by a vectorizer, and by an encoder as one of several texts"
        raise ConversionError(asked, why, "give the model the column twice, by two names")
    widths = {name: terms.width for name, terms in source.terms.items()}
    if sum(widths.values()) > MOST_COLUMNS:
        why = f"each text would become {sum(widths.values())} numbers, and a file takes {MOST_COLUMNS} at most"
        todo = "fit it with fewer: HashingVectorizer(n_features=2**18), or max_features of the others"
        raise ConversionError(asked, why, todo)
    return {name: source.vectorizers(name) for name in source.terms}


def _dtype(spec: TensorSpec, counted: Mapping[str, Sequence[Vectorizer]]) -> str:
    if spec.name in counted:
        return "float32"
    return "int32" if spec.dtype == "string" else spec.dtype


def _coded(
    example: Mapping[str, Array], source: ClassicalSource, counted: Mapping[str, Sequence[Vectorizer]], rows: int
) -> dict[str, Any]:
    coded: dict[str, Any] = {}
    for name, array in example.items():
        given = array[np.arange(rows) % len(array)]
        if name in counted:
            coded[name] = counts(given, counted[name])
        elif name in source.codes:
            coded[name] = encode(given, source.codes[name]).astype(np.int32)
        else:
            coded[name] = given
    return coded
