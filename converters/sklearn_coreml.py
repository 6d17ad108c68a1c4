"""scikit-learn to Core ML: rebuilt in PyTorch from its fitted attributes, then by the torch route."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.convert.classical_on_torch import convert_on_torch
from edgekit.convert.options import ConvertOptions
from edgekit.convert.registry import converter
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.sources.sklearn import SklearnSource


@converter(
    source="sklearn",
    target="coreml",
    extra="sklearn,torch,coreml",
    requires={"sklearn": "scikit-learn", "torch": "torch", "coremltools": "coremltools"},
    tested={"scikit-learn": ">=1.9,<1.10", "torch": ">=2.13,<2.14", "coremltools": "==9.*"},
    tolerance=Tolerance(sqnr_db=90, label_agreement=1.0),
    known_gaps=(
        "a fixed number of rows a call (one; --input-shape X=256,30 for 256)",
        "text vectorizers that call Python's own functions",
        "terms of text are counted by sessions, not in the file",
        "several labels a row",
        "FunctionTransformer of Python's own functions",
        "NMF, dictionary learning by lasso or lars",
        "trees behind what computes new columns (PCA, PolynomialFeatures, tf-idf): rounding can turn a row at a split",
    ),
    schemes=("float32", "float16"),
    via="torch → coreml",
)
def sklearn_to_coreml(source: SklearnSource, options: ConvertOptions, output: Path) -> None:
    """Convert the module that answers as the estimator does; texts come and go as their codes."""
    convert_on_torch(source, options, "coreml", output)
