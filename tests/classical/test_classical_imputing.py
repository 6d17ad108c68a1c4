"""Rules of imputing.py and imputing_neighbors.py in edgekit/classical."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the next import possible
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from edgekit.classical import Context, build
from edgekit.errors import ConversionError
from edgekit.signature import Array
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = [
    pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Early stopping criterion not reached"),
]


def with_holes(rows: Array, share: float = 0.15) -> Array:
    return np.where(np.random.default_rng(0).random(rows.shape) < share, np.nan, rows)


IRIS = with_holes(load_iris().data.astype(np.float32).astype(np.float64))
EMPTY = np.where(np.arange(4) == 2, np.nan, IRIS)
# Not on iris' grid of tenths, where many rows are equally near, and which of them count is numpy's secret.
WINE = with_holes(StandardScaler().fit_transform(load_wine().data))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strategy": "median", "add_indicator": True},
        {"strategy": "most_frequent"},
        {"strategy": "constant", "fill_value": 3.5},
        {"strategy": "constant", "fill_value": 1, "keep_empty_features": True, "add_indicator": True},
        {"strategy": np.max},
    ],
    ids=lambda one: str(one).partition(" at 0x")[0],
)
def test_simple_imputer(settings: dict[str, Any]) -> None:
    assert_agrees(SimpleImputer(**settings).fit(IRIS), IRIS, sqnr_db=140)
    if settings.get("strategy") is not np.max:
        assert_agrees(SimpleImputer(**settings).fit(EMPTY), IRIS, sqnr_db=140)


def test_numbers_that_stand_for_missing_values() -> None:
    marked = np.nan_to_num(IRIS, nan=-1)
    assert_agrees(SimpleImputer(missing_values=-1, add_indicator=True).fit(marked), marked, sqnr_db=140)
    digits = load_digits().data
    assert_agrees(SimpleImputer(missing_values=0, strategy="most_frequent").fit(digits.astype(int)), digits)
    assert_agrees(MissingIndicator(missing_values=0).fit(digits), digits)
    assert_agrees(KNNImputer(missing_values=-9).fit(np.nan_to_num(WINE, nan=-9)), np.nan_to_num(WINE, nan=-9))


def test_texts_pass_and_marked_texts_are_imputed() -> None:
    words = np.array([["red", "S"], ["?", "M"], ["blue", "?"], ["red", "M"]], object)
    texts = (("blue", "red", "?"), ("S", "M", "?"))
    codes = torch.tensor([[1.0, 0], [2, 1], [0, 2], [1, 1], [-1, -1]])
    module = build(SimpleImputer(missing_values="?", strategy="most_frequent").fit(words), Context(columns=texts))
    np.testing.assert_array_equal(module.answers(codes)["transformed"], [[1, 0], [1, 1], [0, 1], [1, 1], [-1, -1]])
    assert module.columns == texts
    plain = SimpleImputer(strategy="most_frequent", add_indicator=True).fit(np.where(words == "?", np.nan, words))
    module = build(plain, Context(columns=texts))
    np.testing.assert_array_equal(module.answers(codes)["transformed"][:, :2], codes)
    assert module.columns == (*texts, None, None)


@pytest.mark.parametrize("features", ["all", "missing-only"])
def test_indicator(features: str) -> None:
    rows = np.where(np.arange(4) == 1, 0.0, IRIS)
    assert_agrees(MissingIndicator(features=features).fit(rows), rows)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_neighbors": 3, "weights": "distance"},
        {"n_neighbors": 500},
        {"add_indicator": True},
        {"keep_empty_features": True},
    ],
    ids=str,
)
def test_knn_imputer(settings: dict[str, Any]) -> None:
    imputer = KNNImputer(**settings)
    nothing = np.where(np.arange(5)[:, None] == 2, np.nan, WINE[:5])
    assert_agrees(imputer.fit(WINE[::2]), np.concatenate([WINE[1::2], nothing]), sqnr_db=120)
    assert_agrees(imputer.fit(WINE), WINE, sqnr_db=120)
    assert_agrees(imputer.fit(np.where(np.arange(13) == 4, np.nan, WINE)), WINE, sqnr_db=120)


def test_knn_imputer_of_few_values() -> None:
    noise = np.random.default_rng(1).normal(size=WINE.shape)
    sparse = with_holes(noise, 0.7)
    assert_agrees(KNNImputer().fit(sparse), with_holes(noise, 0.7), sqnr_db=120)
    cancer = with_holes(load_breast_cancer().data)
    assert_agrees(KNNImputer().fit(cancer), cancer[:50], sqnr_db=120)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_nearest_features": 2, "random_state": 0, "imputation_order": "random"},
        {"min_value": 0, "max_value": [6, 4, 5, 2], "add_indicator": True},
        {"max_iter": 0},
        {"initial_strategy": "median", "skip_complete": True},
    ],
    ids=str,
)
def test_iterative_imputer(settings: dict[str, Any]) -> None:
    imputer = IterativeImputer(LinearRegression(), **settings)
    assert_agrees(imputer.fit(IRIS), IRIS, sqnr_db=110)
    for keep in (False, True):
        imputer.set_params(keep_empty_features=keep, max_value=np.inf).fit(EMPTY)
        assert_agrees(imputer, IRIS, sqnr_db=110)


@pytest.mark.parametrize(
    ("imputer", "message"),
    [
        (KNNImputer(weights=lambda distances: distances), "weights="),
        (KNNImputer(metric=lambda a, b, missing_values: 0.0), "metric="),
        (IterativeImputer(sample_posterior=True, max_iter=1), "sample_posterior=True"),
    ],
)
def test_what_cannot_be_done_is_refused(imputer: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        build(imputer.fit(IRIS))


@pytest.mark.parametrize(
    "imputer",
    [
        SimpleImputer(add_indicator=True),
        KNNImputer(n_neighbors=3, weights="distance"),
        IterativeImputer(LinearRegression(), max_iter=2, max_value=6),
    ],
    ids=str,
)
def test_exports(imputer: Any, tmp_path: Path) -> None:
    rows = WINE[:, :5] if isinstance(imputer, KNNImputer) else IRIS
    assert_exports(imputer.fit(rows[:60]), rows[40:70:3], tmp_path)
