"""Selected and pooled columns against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.cluster import FeatureAgglomeration
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron

from edgekit.classical import Context, build
from edgekit.errors import ConversionError

WINE, CULTIVARS = load_wine(return_X_y=True)
WINE = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
CANCER, GRADES = load_breast_cancer(return_X_y=True)
CANCER = CANCER / CANCER.max(axis=0)
DIABETES, PROGRESS = load_diabetes(return_X_y=True)
DIGITS = load_digits(return_X_y=True)[0][:200]


@pytest.mark.parametrize(
    "selector",
    [
        SelectKBest(k=3),
        SelectPercentile(percentile=20),
        SelectFpr(),
        SelectFdr(),
        SelectFwe(),
        GenericUnivariateSelect(mode="k_best", param=2),
        SelectFromModel(LogisticRegression()),
        SelectFromModel(LogisticRegression().fit(WINE, CULTIVARS), prefit=True, threshold="1.5*mean"),
        SequentialFeatureSelector(LogisticRegression(), n_features_to_select=2, cv=2),
        VarianceThreshold(0.9),
    ],
    ids=repr,
)
def test_selectors(selector: Any) -> None:
    assert_agrees(selector.fit(WINE, CULTIVARS), WINE, "transformed", sqnr_db=1000)


def test_missing_values_pass() -> None:
    rows = WINE.copy()
    rows[::3, ::2] = np.nan
    assert_agrees(VarianceThreshold(0.5).fit(rows), rows, sqnr_db=1000)


def test_selectors_keep_what_columns_stand_for() -> None:
    columns = tuple((str(column),) if column % 2 else None for column in range(WINE.shape[1]))
    selector = SelectKBest(k=3).fit(WINE, CULTIVARS)
    module = build(selector, Context(columns=columns))
    assert module.columns == tuple(columns[index] for index in selector.get_support(indices=True))


def test_nothing_selected_is_refused() -> None:
    selector = SelectFromModel(LogisticRegression(), threshold=1e6).fit(WINE, CULTIVARS)
    with pytest.raises(ConversionError, match="no column"):
        build(selector)


@pytest.mark.parametrize(
    ("eliminator", "data", "targets"),
    [
        (RFE(LogisticRegression(), n_features_to_select=4), WINE, CULTIVARS * 2 + 3),
        (RFE(LogisticRegression(), n_features_to_select=4), CANCER, np.array(["malignant", "benign"])[GRADES]),
        (RFE(Perceptron(), n_features_to_select=5), CANCER, GRADES),
        (RFECV(LogisticRegression(), cv=2, step=3), WINE, CULTIVARS),
        (RFE(LinearRegression(), n_features_to_select=4), DIABETES, PROGRESS),
        (RFE(LinearRegression(), n_features_to_select=4), DIABETES, np.stack([PROGRESS, PROGRESS**2], axis=1)),
    ],
    ids=["integers", "texts", "scores", "cross-validated", "regression", "targets"],
)
def test_recursive_elimination(eliminator: Any, data: Any, targets: Any) -> None:
    answers = assert_agrees(eliminator.fit(data, targets), data)
    assert "transformed" in answers
    assert "prediction" in answers or "label" in answers


@pytest.mark.parametrize("pooling", [np.mean, np.sum, np.max, np.min], ids=["mean", "sum", "max", "min"])
def test_feature_agglomeration(pooling: Any) -> None:
    assert_agrees(FeatureAgglomeration(9, pooling_func=pooling).fit(DIGITS), DIGITS[:50], sqnr_db=130)


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(ConversionError, match="pooling_func median"):
        build(FeatureAgglomeration(3, pooling_func=np.median).fit(WINE))


@pytest.mark.parametrize(
    ("estimator", "data", "targets"),
    [
        (SelectKBest(k=3), WINE, CULTIVARS),
        (RFE(LogisticRegression(), n_features_to_select=4), WINE, CULTIVARS * 2 + 3),
        (FeatureAgglomeration(9, pooling_func=np.max), DIGITS, None),
        (FeatureAgglomeration(9), DIGITS, None),
    ],
    ids=["selector", "rfe", "max", "mean"],
)
def test_exports(estimator: Any, data: Any, targets: Any, tmp_path: Path) -> None:
    assert_exports(estimator.fit(data, targets), data[:6], tmp_path)
