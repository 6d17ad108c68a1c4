"""Rules of expansion.py and splines.py in edgekit/classical."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

from edgekit.classical import build
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

IRIS = load_iris().data.astype(np.float32).astype(np.float64)
DIABETES = load_diabetes().data.astype(np.float32).astype(np.float64)
SPLINES = ["constant", "linear", "continue", "periodic", "error"]


@pytest.mark.parametrize("interaction_only", [False, True])
@pytest.mark.parametrize("degree", [1, 2, 3, 5, (2, 3), (0, 2), (2, 2), 0])
def test_products(degree: Any, interaction_only: bool) -> None:
    rows = np.concatenate([IRIS, -IRIS[:2], IRIS[:1] * 100, np.zeros((1, 4))])
    for bias in (True, False) if degree != 0 else (True,):
        features = PolynomialFeatures(degree, interaction_only=interaction_only, include_bias=bias)
        assert_agrees(features.fit(IRIS), rows, sqnr_db=120)


@pytest.mark.parametrize("knots", ["uniform", "quantile"])
@pytest.mark.parametrize("extrapolation", SPLINES)
@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_splines(degree: int, extrapolation: str, knots: str) -> None:
    splines = SplineTransformer(7, degree, extrapolation=extrapolation, knots=knots, include_bias=degree != 2)
    rows = IRIS if extrapolation == "error" else np.concatenate([IRIS, IRIS - 2, IRIS + 3])
    assert_agrees(splines.fit(IRIS), rows, sqnr_db=115)


@pytest.mark.parametrize("extrapolation", ["linear", "continue", "error"])
def test_steps(extrapolation: str) -> None:
    rows = IRIS if extrapolation == "error" else np.concatenate([IRIS, IRIS - 2, IRIS + 3])
    assert_agrees(SplineTransformer(degree=0, extrapolation=extrapolation).fit(IRIS), rows)


def test_steps_that_repeat() -> None:
    # Between the knots: where a row of the next period meets one exactly, float64's rounding decides.
    rows = np.random.default_rng(0).normal(size=(200, 3))
    assert_agrees(SplineTransformer(degree=0, extrapolation="periodic").fit(rows), rows * 3)


@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic"])
def test_missing_values_are_zeros(extrapolation: str) -> None:
    holes = np.where(np.random.default_rng(0).random(IRIS.shape) < 0.2, np.nan, IRIS)
    splines = SplineTransformer(handle_missing="zeros", extrapolation=extrapolation, sparse_output=False)
    assert_agrees(splines.fit(holes), holes, sqnr_db=120)


def test_own_knots_and_sparse_output() -> None:
    splines = SplineTransformer(knots=np.linspace([-0.1] * 10, [0.1] * 10, 4), degree=2, sparse_output=True)
    assert_agrees(splines.fit(DIABETES), DIABETES, sqnr_db=120)


def test_a_constant_column_has_no_period() -> None:
    splines = SplineTransformer(extrapolation="periodic").fit(np.ones((10, 1)))
    with pytest.raises(ConversionError, match="column 0 was constant"):
        build(splines)


@pytest.mark.parametrize(
    "transformer",
    [
        PolynomialFeatures(3),
        SplineTransformer(extrapolation="linear", handle_missing="zeros"),
        SplineTransformer(degree=2, extrapolation="periodic"),
    ],
    ids=str,
)
def test_exports(transformer: Any, tmp_path: Path) -> None:
    rows = np.concatenate([IRIS[::15], IRIS[:1] - 2, IRIS[:1] + 5])
    if "zeros" in str(transformer):
        rows[3, 1] = np.nan
    assert_exports(transformer.fit(IRIS), rows, tmp_path, sqnr_db=90)
