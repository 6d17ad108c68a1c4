"""scikit-learn to ONNX: by skl2onnx where that is exact, else rebuilt in PyTorch from its fitted attributes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert.classical_on_torch import convert_on_torch
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.convert.skl2onnx_export import by_skl2onnx
from edgekit.errors import ConversionError, EdgekitError, MissingDependencyError
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.sklearn import SklearnSource

_ASCII = "the file splits texts itself, as ASCII: text beyond ASCII may be split otherwise than in the original"
_TOLERANCE = Tolerance(sqnr_db=90, label_agreement=1.0)


@converter(
    source="sklearn",
    target="onnx",
    extra="sklearn",
    requires={"sklearn": "scikit-learn", "skl2onnx": "skl2onnx", "onnx": "onnx"},
    tested={"scikit-learn": ">=1.9,<1.10", "skl2onnx": ">=1.20,<1.21", "onnx": ">=1.23,<1.24"},
    tolerance=_TOLERANCE,
    dynamic_batch=True,
    known_gaps=(
        "several labels a row",
        "FunctionTransformer of Python's own functions",
        "NMF, dictionary learning by lasso or lars",
        "text vectorizers that call Python's own functions",
        "text beyond ASCII where the file splits it itself (the verdict says whether)",
        "trees behind what computes new columns (PCA, PolynomialFeatures, tf-idf): rounding can turn a row at a split",
    ),
)
def sklearn_to_onnx(source: SklearnSource, options: ConvertOptions, output: Path) -> None:
    """Convert with skl2onnx, run the result, and convert the torch module instead where it departs or there is none."""
    refusal: ConversionError | None = None
    try:
        by_skl2onnx(source, options, output)
        departs = _departure(source, options, output)
    except ConversionError as error:
        refusal, departs = error, error.why
    if not departs:
        if source.terms:
            options.notes.append(_ASCII)
        return
    try:
        convert_on_torch(source, dataclasses.replace(options, dynamic_batch=True), "onnx", output)
    except (ConversionError, MissingDependencyError) as error:
        if refusal is None:
            # The verification says of skl2onnx's file how far it departs.
            return
        why = f"{refusal.why}; nor as a torch module: {error.why}"
        raise ConversionError(refusal.asked, why, error.next_step or refusal.next_step, error.example) from error
    options.notes.append(f"written from edgekit's torch module, not by skl2onnx: {departs}")


def _departure(source: SklearnSource, options: ConvertOptions, output: Path) -> str:
    """How far skl2onnx's file departs from the original beyond the tolerance; empty where it does not."""
    from edgekit.runtime.loading import executable, open_engine
    from edgekit.verify.compare import compare

    # Numbers are probed by the model's own; which texts a file splits otherwise only texts tell.
    examples = options.samples if source.terms and options.samples else options.example
    runs = [run for run in (examples, source.own_samples(seed=0), options.probes) if run]
    if executable("onnx") or not runs:
        return ""
    wanted, found = [], []
    try:
        engine = open_engine("onnx", output)
        for given in runs:
            wanted.append(source.predict(given))
            answer = engine.run({options.inputs[name]: array for name, array in given.items()})
            found.append({name: answer[options.outputs[name]] for name in source.signature.output_names})
    except EdgekitError as error:
        return error.why
    verdict = compare(wanted, found, _TOLERANCE, executed_by=engine.name, decided_by=source.signature.decided_by)
    return "; ".join(verdict.problems)
