"""Apple's own tests: a slice of those that `make conformance` runs, a case of every function, from the wheel."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("torch")
pytest.importorskip("coremltools")


def test_a_case_of_every_operation_predicts_what_apple_expects() -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    done = subprocess.run(
        [sys.executable, "-m", "coreml_conformance", "--slice"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_result_file_says_that_every_gate_was_reached() -> None:
    content = json.loads((ROOT / "benchmarks" / "results" / "coreml-conformance.json").read_text(encoding="utf-8"))
    assert {one["gate"]: one["reached"] for one in content["gates"]} == {"ops": True, "torch": True, "classical": True}
    assert content["passed"] >= 7000
    assert all(one["reason"] for one in content["failures"] if one["precision"] == "float32")
    by_file = [one for one in content["files"] if one["precision"] == "float32" and not one["random"]]
    assert sum(one["passed"] for one in by_file) == content["passed"]


def test_the_tests_kept_apart_as_one_random_training_are_proven_so() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from coreml_conformance.random_training import STATED, holds

    content = json.loads((ROOT / "benchmarks" / "results" / "coreml-conformance.json").read_text(encoding="utf-8"))
    assert {proof["test"] for proof in content["random_training"]} == set(STATED)
    assert all(holds(proof) for proof in content["random_training"])
    # An evaluator that departs from the trees, or an error that every draw has, is no proof.
    first = content["random_training"][0]
    assert not holds(first | {"distance_from_plain_walk": 0.1})
    assert not holds(first | {"max_error_by_seed": [0.09, 0.09]})
