"""Gradient boosting, AdaBoost and bagging against scikit-learn, at every threshold and one step beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from agreement import assert_agrees, assert_exports
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from edgekit.classical import Context, build
from edgekit.classical.trees.boosting import _hist_tree
from edgekit.classical.trees.scikit_learn import tree_of
from edgekit.classical.trees.thresholds import probes
from edgekit.errors import ConversionError

IRIS, WINE, CANCER = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
DIABETES = load_diabetes(return_X_y=True)
COUNTS = (DIABETES[0], np.round(DIABETES[1] / 20))
NAMES = np.array(["zinnia", "aster", "lily"])


def named(value: Any) -> str:
    return "" if isinstance(value, np.ndarray) else str(value)


def with_gaps(rows: np.ndarray, share: float = 0.1) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(rows.shape) < share, np.nan, rows)


def rows_of(estimator: Any, rows: np.ndarray, *, missing: bool = False) -> np.ndarray:
    """The data, rows of noise around them, and every threshold."""
    if hasattr(estimator, "_predictors"):
        trees = [_hist_tree(one) for stage in estimator._predictors for one in stage]
    else:
        parts = np.ravel(estimator.estimators_)
        chosen = getattr(estimator, "estimators_features_", [None] * len(parts))
        trees = [
            tree_of(part, part.tree_.value[:, 0], features, missing=missing)
            for part, features in zip(parts, chosen, strict=True)
            if hasattr(part, "tree_")
        ]
    noise = rows[:200] + np.random.default_rng(2).normal(0, 1, rows[:200].shape) * np.nanstd(rows, axis=0)
    edges = np.array([np.zeros(rows.shape[1]), np.full(rows.shape[1], 1e30), np.full(rows.shape[1], -1e30)])
    asked = [probes(trees, rows, missing=missing)] if trees else []
    return np.concatenate([rows[:300], noise, edges, *asked]).astype(np.float32)


CLASSIFIERS = [
    (GradientBoostingClassifier(n_estimators=30, random_state=0), *CANCER),
    (GradientBoostingClassifier(n_estimators=30, random_state=0, loss="exponential"), *CANCER),
    (GradientBoostingClassifier(n_estimators=20, random_state=0, subsample=0.7), IRIS[0], NAMES[IRIS[1]]),
    (GradientBoostingClassifier(n_estimators=20, random_state=0, init="zero"), WINE[0], WINE[1] * 10 - 5),
    (GradientBoostingClassifier(n_estimators=9, random_state=0, init=LogisticRegression(max_iter=5000)), *CANCER),
    (GradientBoostingClassifier(n_estimators=9, random_state=0, init=RandomForestClassifier(5, max_depth=2)), *WINE),
    (AdaBoostClassifier(n_estimators=30, random_state=0), *CANCER),
    (AdaBoostClassifier(n_estimators=20, random_state=0), IRIS[0], NAMES[IRIS[1]]),
    (AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=20, random_state=0), *WINE),
]
STACKS = [
    (AdaBoostClassifier(LogisticRegression(), n_estimators=4, random_state=0), IRIS[0], NAMES[IRIS[1]]),
    (BaggingClassifier(random_state=0), *CANCER),
    (BaggingClassifier(n_estimators=20, max_features=0.4, random_state=0), WINE[0], NAMES[WINE[1]]),
    (BaggingClassifier(n_estimators=12, max_samples=3, random_state=0), *IRIS),
    (BaggingClassifier(LogisticRegression(max_iter=500), max_features=0.5, n_estimators=4, random_state=0), *IRIS),
    (BaggingClassifier(LinearSVC(), n_estimators=4, random_state=0), *IRIS),
    (BaggingClassifier(RidgeClassifier(), n_estimators=5, random_state=0), CANCER[0], NAMES[CANCER[1]]),
]


@pytest.mark.parametrize(("estimator", "x", "y"), CLASSIFIERS, ids=named)
def test_boosted_classifiers(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    assert_agrees(estimator, rows_of(estimator, x), "label", "probabilities", "scores")


@pytest.mark.parametrize(("estimator", "x", "y"), STACKS, ids=named)
def test_classifiers_of_other_estimators(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    assert_agrees(estimator, np.concatenate([x, x[::3] * 1.5, np.zeros((1, x.shape[1]))]))


REGRESSORS = [
    *((GradientBoostingRegressor(n_estimators=30, random_state=0, loss=loss), *DIABETES)
      for loss in ("squared_error", "absolute_error", "huber", "quantile")),
    (GradientBoostingRegressor(n_estimators=9, random_state=0, init="zero"), *DIABETES),
    (GradientBoostingRegressor(n_estimators=9, random_state=0, init=LinearRegression()), *DIABETES),
    (AdaBoostRegressor(n_estimators=20, random_state=0), *DIABETES),
    (AdaBoostRegressor(n_estimators=20, random_state=0, loss="exponential"), *DIABETES),
    (AdaBoostRegressor(LinearRegression(), n_estimators=5, random_state=0), *DIABETES),
    (BaggingRegressor(random_state=0), *DIABETES),
    (BaggingRegressor(random_state=0, max_features=0.5), *DIABETES),
    (BaggingRegressor(random_state=0), DIABETES[0], np.stack([DIABETES[1]] * 2, 1)),
    (BaggingRegressor(Ridge(), n_estimators=4, random_state=0, max_features=0.5), *DIABETES),
]  # fmt: skip


@pytest.mark.parametrize(("estimator", "x", "y"), REGRESSORS, ids=named)
def test_regressors(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    rows = rows_of(estimator, x)
    assert_agrees(estimator, rows[np.abs(rows).max(axis=1) < 1e20], "prediction", sqnr_db=110)


HIST = [
    (HistGradientBoostingClassifier(max_iter=20), *CANCER),
    (HistGradientBoostingClassifier(max_iter=20), with_gaps(CANCER[0]), CANCER[1]),
    (HistGradientBoostingClassifier(max_iter=10), with_gaps(WINE[0], 0.4), NAMES[WINE[1]]),
    (HistGradientBoostingRegressor(max_iter=20), *DIABETES),
    (HistGradientBoostingRegressor(max_iter=20), with_gaps(DIABETES[0]), DIABETES[1]),
    (HistGradientBoostingRegressor(max_iter=20, loss="poisson"), *COUNTS),
    (HistGradientBoostingRegressor(max_iter=20, loss="gamma"), *DIABETES),
    (HistGradientBoostingRegressor(max_iter=20, loss="quantile", quantile=0.8), *DIABETES),
    (HistGradientBoostingRegressor(max_iter=20, loss="absolute_error", max_depth=3), *DIABETES),
]


@pytest.mark.parametrize(("estimator", "x", "y"), HIST, ids=named)
def test_hist_gradient_boosting(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    infinite = np.where(np.eye(x.shape[1]) > 0, np.inf, x[: x.shape[1]])
    assert_agrees(estimator, np.concatenate([rows_of(estimator, x, missing=True), infinite, -infinite]))


def categorical(*, gaps: bool) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of categories among two of measures; the categories of the second are no small whole numbers."""
    random = np.random.default_rng(3)
    first, second = random.integers(0, 12, 600), random.choice([-4.0, 0.5, 7.0, 300.0], 600)
    x = np.stack([random.normal(size=600), first, random.normal(size=600), second], axis=1)
    y = np.isin(first, [1, 4, 7, 9]) * 2.0 + (second == 7) * x[:, 0] - np.isin(second, [-4, 300]) + 0.1 * x[:, 2]
    return (with_gaps(x) if gaps else x), y


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_hist_gradient_boosting_of_categories(gaps: bool, classes: int) -> None:
    x, y = categorical(gaps=gaps)
    settings: dict[str, Any] = {"categorical_features": [1, 3], "max_iter": 15}
    if classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
        estimator = HistGradientBoostingClassifier(**settings).fit(x, y)
    else:
        estimator = HistGradientBoostingRegressor(**settings).fit(x, y)
    odd = np.tile(x[:40], (8, 1))
    odd[:, 1] = np.repeat([-1, 0, 5, 11, 12, 3.5, np.nan, 1e6], 40)
    odd[:, 3] = np.resize([-4, 0.5, 0.25, 7, 300, 0, np.nan, 6.5], 320)
    assert_agrees(estimator, np.concatenate([x, odd]))


def test_hist_gradient_boosting_of_texts() -> None:
    x, y = categorical(gaps=False)
    texts = ("d", "a", "c", "b")
    table = pd.DataFrame({"a": x[:, 0], "kind": pd.Categorical.from_codes(x[:, 1].astype(int) % 4, list(texts))})
    estimator = HistGradientBoostingRegressor(max_iter=10).fit(table, y)
    module = build(estimator, Context(columns=(None, texts)))
    rows = np.stack([x[:, 0], x[:, 1] % 4], axis=1).astype(np.float32)
    table["a"] = rows[:, 0].astype(np.float64)
    found = module.answers(torch.from_numpy(rows))["prediction"].numpy()
    np.testing.assert_allclose(found, estimator.predict(table), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (GradientBoostingClassifier(n_estimators=9, random_state=0), CANCER[1]),
        (GradientBoostingClassifier(n_estimators=5, random_state=0, init=LogisticRegression()), CANCER[1]),
        (HistGradientBoostingClassifier(max_iter=9), CANCER[1]),
        (AdaBoostClassifier(n_estimators=9, random_state=0), CANCER[1]),
        (AdaBoostClassifier(LogisticRegression(), n_estimators=3, random_state=0), CANCER[1]),
        (BaggingClassifier(n_estimators=5, max_features=0.5, random_state=0), CANCER[1]),
        (BaggingClassifier(RandomForestClassifier(3), n_estimators=2, max_features=0.5, random_state=0), CANCER[1]),
        (BaggingClassifier(LogisticRegression(), n_estimators=3, max_features=0.5, random_state=0), CANCER[1]),
        (AdaBoostRegressor(DecisionTreeRegressor(max_depth=3), n_estimators=9, random_state=0), CANCER[0][:, 0]),
    ],
    ids=named,
)
def test_scalers_before_shift_the_thresholds(estimator: Any, y: np.ndarray) -> None:
    x = CANCER[0]
    scalers = (StandardScaler().fit(x), MinMaxScaler().fit(StandardScaler().fit_transform(x)))
    scaled = scalers[1].transform(scalers[0].transform(x))
    estimator.fit(scaled, y)
    module = build(estimator, Context(before=scalers))
    # The training rows' own numbers and the numbers halfway, where the thresholds are.
    ordered = np.sort(x, axis=0)
    rows = np.concatenate([x, (ordered[1:] + ordered[:-1]) / 2]).astype(np.float32)
    given = scalers[1].transform(scalers[0].transform(rows.astype(np.float64)))
    answers = module.answers(torch.from_numpy(rows))
    for kind, found in answers.items():
        wanted = getattr(estimator, {"label": "predict"}.get(kind, _METHODS.get(kind, "")))(given)
        if kind == "label":
            np.testing.assert_array_equal(found.numpy(), wanted)
        else:
            np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=2e-4, atol=2e-5)


_METHODS = {"probabilities": "predict_proba", "scores": "decision_function", "prediction": "predict"}


def test_categories_behind_a_scaler_are_refused() -> None:
    x, y = categorical(gaps=False)
    scaler = StandardScaler().fit(x)
    estimator = HistGradientBoostingRegressor(categorical_features=[1], max_iter=2).fit(x, y)
    with pytest.raises(ConversionError, match="categories"):
        build(estimator, Context(before=(scaler,)))


@pytest.mark.parametrize(
    ("estimator", "x", "y"),
    [
        (GradientBoostingClassifier(n_estimators=10, random_state=0), *IRIS),
        (HistGradientBoostingClassifier(max_iter=10, categorical_features=[1, 3]), categorical(gaps=True)[0],
         (categorical(gaps=True)[1] > 1).astype(int)),
        (AdaBoostRegressor(n_estimators=10, random_state=0), *DIABETES),
        (BaggingClassifier(LogisticRegression(), max_features=0.5, n_estimators=3, random_state=0), *IRIS),
    ],
    ids=named,
)  # fmt: skip
def test_exports(estimator: Any, x: np.ndarray, y: np.ndarray, tmp_path: Path) -> None:
    estimator.fit(x, y)
    assert_exports(estimator, x[::20], tmp_path)
