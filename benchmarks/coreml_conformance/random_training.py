"""Why two XGBoost tests stand apart: the errors that they demand belong to one random training, not to Core ML.

Each trains on half of the rows, drawn at random, converts with double-precision thresholds, and demands the error that
Core ML then had against xgboost (0.09 and 0.81): rows that lie on a threshold take another branch in double precision
than in xgboost's single precision. How many lie there depends on the draw. This trains the same models with several
seeds and walks xgboost's own JSON dump in double precision, in ten lines that share nothing with the evaluator. Shown
are the evaluator's greatest distance from that walk, and the error at each seed. Where the distance is rounding and
the error differs from seed to seed, the demanded number is not a property that an evaluator could have.

``python -m coreml_conformance.random_training`` in the second environment prints that as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

# As the tests are named in the results, with the largest error that each demands.
_FILE = "test/xgboost_tests/test_boosted_trees_regression_numeric.py"
_FUNCTION = "test_boston_housing_simple_random_forest_regression"
BOOSTER = f"{_FILE}::XgboostBoosterBostonHousingNumericTest::{_FUNCTION}"
REGRESSOR = f"{_FILE}::XGboostRegressorBostonHousingNumericTest::{_FUNCTION}"
STATED = {BOOSTER: 0.09, REGRESSOR: 0.81}
# The tests' own tolerance of what they state.
_TOLERANCE = 0.01
# Sums of a hundred leaves, in another order.
_ROUNDING = 1e-5
_SEEDS = 16


def holds(proof: Mapping[str, Any]) -> bool:
    """Whether the evaluator follows the trees, and the demanded error depends on the draw."""
    return proof["distance_from_plain_walk"] < _ROUNDING and np.ptp(proof["max_error_by_seed"]) > 2 * _TOLERANCE


def measure() -> list[dict[str, Any]]:
    """Train, convert and evaluate both tests' models with every seed."""
    import xgboost
    from coremltools.test.utils import load_boston

    warnings.simplefilter("ignore")
    boston = load_boston()
    rows, target, names = boston["data"], boston["target"], [str(name) for name in boston["feature_names"]]
    matrix = xgboost.DMatrix(rows, label=target, feature_names=names)
    # The booster's test hands rows over that single precision can hold; the other one does not.
    rounded = rows.astype(np.float32).astype(np.float64)
    found: dict[str, dict[str, Any]] = {
        test: {"test": test, "stated_max_error": stated, "distance_from_plain_walk": 0.0, "max_error_by_seed": []}
        for test, stated in STATED.items()
    }
    for seed in range(_SEEDS):
        booster = xgboost.train({"subsample": 0.5, "seed": seed}, matrix)
        _compare(found[BOOSTER], booster, booster.predict(matrix), rounded, names)
        regressor = xgboost.XGBRegressor(subsample=0.5, random_state=seed).fit(rows, target)
        _compare(found[REGRESSOR], regressor.get_booster(), regressor.predict(rows), rows, names)
    return list(found.values())


def _compare(
    proof: dict[str, Any], booster: Any, original: np.ndarray[Any, Any], rows: np.ndarray[Any, Any], names: list[str]
) -> None:
    from coremltools.converters import xgboost as converter

    from edgekit.coreml_reference import open_model

    booster.feature_names = names
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.mlmodel"
        file.write_bytes(
            converter.convert(booster, names, "target", force_32bit_float=False).get_spec().SerializeToString()
        )
        model = open_model(file)
    answers = np.array([model.predict(dict(zip(names, map(float, row), strict=True)))["target"] for row in rows])
    trees = [json.loads(text) for text in booster.get_dump(dump_format="json")]
    plain = np.array([0.5 + sum(_leaf(tree, dict(zip(names, row, strict=True))) for tree in trees) for row in rows])
    distance = float(np.abs(answers.ravel() - plain).max())
    proof["distance_from_plain_walk"] = max(proof["distance_from_plain_walk"], distance)
    proof["max_error_by_seed"].append(round(float(np.abs(answers.ravel() - original).max()), 4))


def _leaf(node: Mapping[str, Any], row: Mapping[str, float]) -> float:
    while "leaf" not in node:
        follow = node["yes"] if row[node["split"]] < node["split_condition"] else node["no"]
        node = next(child for child in node["children"] if child["nodeid"] == follow)
    return float(node["leaf"])


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
