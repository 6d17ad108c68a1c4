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
    results = json.loads((ROOT / "benchmarks" / "results" / "coreml-conformance.json").read_text(encoding="utf-8"))
    assert {gate["gate"]: gate["reached"] for gate in results["gates"]} == {
        "ops": True,
        "torch": True,
        "classical": True,
    }
    assert results["passed"] > 0
    unexplained = [one["id"] for one in results["failures"] if one["precision"] == "float32" and not one["reason"]]
    assert unexplained == []
