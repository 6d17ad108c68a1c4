"""A classical model converted as a PyTorch model: rebuilt from its fitted attributes, exported by the torch route."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.convert import registry
from edgekit.convert.options import ConvertOptions
from edgekit.convert.tree_layouts import convert_laid_out
from edgekit.errors import ConversionError, missing
from edgekit.runtime.codes import encode
from edgekit.signature import Array

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

    if source.layout.kind == "texts":
        why = f"{target} has no operators for text"
        raise ConversionError(f"convert a text model to {target}", why, "convert it to onnx")
    dtypes = {spec.name: spec.dtype for spec in source.signature.outputs}
    module = assemble(
        source.estimator,
        [(kind, dtypes[name]) for name, kind in source.outputs.items()],
        source.layout.texts,
        table=source.layout.kind == "table",
    )
    signature = source.signature
    rows = 2 if options.dynamic_batch else source.rows
    shapes = {spec.name: spec.shape for spec in signature.inputs}
    if rows > 1 and not options.dynamic_batch:
        shapes = {name: (rows, *shape[1:]) for name, shape in shapes.items()}
    request = LoadRequest(
        model="the classical model on torch",
        shapes=shapes,
        dtypes={spec.name: "int32" if spec.dtype == "string" else spec.dtype for spec in signature.inputs},
        input_names=signature.input_names,
        output_names=signature.output_names,
        dynamic=("batch",) if options.dynamic_batch else (),
    )
    options = dataclasses.replace(options, example=_coded(options.example, source, rows))

    def convert(options: ConvertOptions, output: Path) -> None:
        registry.get("torch", target).convert(torch_source.wrap(module, request), options, output)

    convert_laid_out(module, target, rows, convert, options, output)


def _coded(example: Mapping[str, Array], source: ClassicalSource, rows: int) -> dict[str, Any]:
    given = {name: array[np.arange(rows) % len(array)] for name, array in example.items()}
    return {
        name: encode(array, source.codes[name]).astype(np.int32) if name in source.codes else array
        for name, array in given.items()
    }
