"""Every estimator of scikit-learn: its module against the original, and what the committed coverage says of it.

`make coverage-classical` converts them all; here their modules run in torch, which takes a minute instead of ten.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit.classical.assemble import assemble
from edgekit.errors import ConversionError
from edgekit.sources import wrap_object
from edgekit.sources.base import LoadRequest
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from classical_coverage.fixtures import estimators, fitted, left_out  # noqa: E402

warnings.filterwarnings("ignore", category=FutureWarning, module="sklearn")
RESULT = json.loads((ROOT / "benchmarks" / "results" / "classical-coverage.json").read_text(encoding="utf-8"))
ROWS = {row["name"]: row for row in RESULT["estimators"]}
TARGETS = ("onnx", "tflite", "coreml")


# What the originals warn of (deprecation, convergence) is theirs.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_module_answers_as_the_coverage_says(name: str) -> None:
    fixture = fitted(estimators()[name])
    source = wrap_object(fixture.estimator, LoadRequest(model="live", example={"X": fixture.rows}))
    dtypes = {spec.name: spec.dtype for spec in source.signature.outputs}
    expected = ROWS[name]["targets"]["coreml"]
    try:
        outputs = [(kind, dtypes[one]) for one, kind in source.outputs.items()]
        module = assemble(source.estimator, outputs, (), table=False)
    except ConversionError:
        assert expected == "unsupported"
        return
    with torch.no_grad():
        answers = module(torch.tensor(fixture.rows))
    given = dict(zip(source.outputs, answers if isinstance(answers, tuple) else (answers,), strict=True))
    verdict = compare(
        [source.predict({"X": fixture.rows})],
        [{one: value.numpy() for one, value in given.items()}],
        Tolerance(sqnr_db=90, label_agreement=1.0),
        executed_by="torch",
        decided_by=source.signature.decided_by,
    )
    assert bool(verdict) is (expected == "verified"), (expected, verdict.problems)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_result_file_counts_every_estimator_and_reaches_its_goals() -> None:
    outside = {name for name, cls in estimators().items() if left_out(cls)}
    assert set(ROWS) | set(RESULT["not_counted"]) == set(estimators())
    assert set(RESULT["not_counted"]) == outside
    for target, goal in (("onnx", 0.90), ("tflite", 0.85), ("coreml", 0.85)):
        verified = [row for row in ROWS.values() if row["targets"][target] == "verified"]
        assert len(verified) / len(ROWS) >= goal
        assert RESULT["totals"][target]["verified"] == len(verified)
    for row in ROWS.values():
        assert set(row["targets"]) == set(TARGETS)
        assert set(row["targets"].values()) <= {"verified", "failed", "unsupported"}
        assert row["reason"] or set(row["targets"].values()) == {"verified"}


def test_rows_that_no_model_was_fitted_on_differ_from_those() -> None:
    fixture = fitted(estimators()["Ridge"])
    assert fixture.rows.dtype == np.float32
    assert len(fixture.rows) == 30
