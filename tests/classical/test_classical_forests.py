"""Trees and forests against scikit-learn, at every threshold and one step beside it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from agreement import assert_agrees, assert_exports, original
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

from edgekit.classical import Context, build
from edgekit.classical.trees.forest import forest, leaf_values, summed
from edgekit.classical.trees.scikit_learn import accepts_nan, tree_of
from edgekit.classical.trees.thresholds import probes
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError

IRIS, WINE, CANCER = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
DIABETES, DIGITS = load_diabetes(return_X_y=True), load_digits(return_X_y=True)
NAMES = np.array(["zinnia", "aster", "lily"])
RANDOM = np.random.default_rng(0)


def named(value: Any) -> str:
    return "" if isinstance(value, np.ndarray) else str(value)


def with_gaps(rows: np.ndarray, share: float = 0.1) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(rows.shape) < share, np.nan, rows)


def rows_of(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """The data, rows of noise around them, and every threshold."""
    missing = accepts_nan(estimator)
    parts = list(getattr(estimator, "estimators_", [estimator]))
    chosen = getattr(estimator, "estimators_features_", [None] * len(parts))
    trees = [tree_of(part, None, features, missing=missing) for part, features in zip(parts, chosen, strict=True)]
    noise = rows[:200] + np.random.default_rng(2).normal(0, 1, rows[:200].shape) * np.nanstd(rows, axis=0)
    edges = np.array([np.zeros(rows.shape[1]), np.full(rows.shape[1], 1e30), np.full(rows.shape[1], -1e30)])
    return np.concatenate([rows[:300], noise, edges, probes(trees, rows, missing=missing)]).astype(np.float32)


CLASSIFIERS = [
    (DecisionTreeClassifier(random_state=0), *IRIS),
    (DecisionTreeClassifier(random_state=0, max_depth=2), IRIS[0], NAMES[IRIS[1]]),
    (DecisionTreeClassifier(random_state=0, ccp_alpha=0.02), *CANCER),
    (DecisionTreeClassifier(random_state=0, monotonic_cst=[1] + [0] * 29), *CANCER),
    (DecisionTreeClassifier(random_state=0), with_gaps(WINE[0]), WINE[1] * 10 - 5),
    (ExtraTreeClassifier(random_state=0, class_weight="balanced"), *WINE),
    (ExtraTreeClassifier(random_state=0), with_gaps(WINE[0]), WINE[1]),
    (RandomForestClassifier(10, random_state=0), *CANCER),
    (RandomForestClassifier(20, random_state=0), *DIGITS),
    (RandomForestClassifier(10, random_state=0, max_depth=3, class_weight="balanced"), *WINE),
    (RandomForestClassifier(10, random_state=0), with_gaps(CANCER[0]), CANCER[1]),
    (ExtraTreesClassifier(10, random_state=0, bootstrap=True), IRIS[0], NAMES[IRIS[1]]),
    (ExtraTreesClassifier(10, random_state=0), with_gaps(IRIS[0], 0.3), IRIS[1]),
]


@pytest.mark.parametrize(("estimator", "x", "y"), CLASSIFIERS, ids=named)
def test_classifiers(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    assert_agrees(estimator, rows_of(estimator, x), "label", "probabilities")


REGRESSORS = [
    (DecisionTreeRegressor(random_state=0), *DIABETES),
    (DecisionTreeRegressor(random_state=0, max_depth=4), DIABETES[0], np.stack([DIABETES[1], -(DIABETES[1] ** 2)], 1)),
    (DecisionTreeRegressor(random_state=0, criterion="absolute_error", max_depth=3), *DIABETES),
    (DecisionTreeRegressor(random_state=0), with_gaps(DIABETES[0]), DIABETES[1]),
    (ExtraTreeRegressor(random_state=0), *DIABETES),
    (RandomForestRegressor(10, random_state=0), *DIABETES),
    (RandomForestRegressor(10, random_state=0), with_gaps(DIABETES[0]), DIABETES[1]),
    (ExtraTreesRegressor(10, random_state=0, max_depth=6), DIABETES[0], np.stack([DIABETES[1]] * 3, 1)),
]


@pytest.mark.parametrize(("estimator", "x", "y"), REGRESSORS, ids=named)
def test_regressors(estimator: Any, x: np.ndarray, y: np.ndarray) -> None:
    estimator.fit(x, y)
    assert_agrees(estimator, rows_of(estimator, x), "prediction", sqnr_db=110)


@pytest.mark.parametrize("settings", [{}, {"max_depth": 2, "n_estimators": 7}, {"max_leaf_nodes": 6}], ids=named)
def test_random_trees_embedding(settings: dict[str, Any]) -> None:
    estimator = RandomTreesEmbedding(**{"n_estimators": 20, "random_state": 0, **settings}).fit(WINE[0])
    assert_agrees(estimator, rows_of(estimator, WINE[0]), "transformed", sqnr_db=300)


@pytest.mark.parametrize(
    "settings",
    [{}, {"contamination": 0.1}, {"max_features": 0.5, "max_samples": 50}, {"contamination": 0.25, "bootstrap": True}],
    ids=named,
)
def test_isolation_forest(settings: dict[str, Any]) -> None:
    estimator = IsolationForest(**{"n_estimators": 40, "random_state": 0, **settings}).fit(WINE[0])
    assert_agrees(estimator, rows_of(estimator, WINE[0]), "label", "scores")


def test_isolation_forest_with_gaps() -> None:
    estimator = IsolationForest(n_estimators=20, random_state=0).fit(with_gaps(WINE[0]))
    assert_agrees(estimator, rows_of(estimator, with_gaps(WINE[0])), "label", "scores")


def test_isolation_forest_of_single_samples() -> None:
    estimator = IsolationForest(n_estimators=5, max_samples=1, random_state=0).fit(WINE[0])
    assert_agrees(estimator, WINE[0], "label", "scores")


def test_rows_on_the_offset_are_inliers() -> None:
    # 151 rows: the tenth percentile is one row's own score.
    x = RANDOM.normal(size=(151, 3)).astype(np.float32)
    for seed in range(5):
        estimator = IsolationForest(n_estimators=30, contamination=0.1, random_state=seed).fit(x)
        assert (estimator.decision_function(x) == 0).any()
        assert_agrees(estimator, x, "label")


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(clip=True), RobustScaler()], ids=named)
def test_a_scaler_before_a_forest_shifts_its_thresholds(scaler: Any) -> None:
    x, y = CANCER
    scaler.fit(x)
    estimator = RandomForestClassifier(10, random_state=0).fit(scaler.transform(x), y)
    module = build(estimator, Context(before=(scaler,)))
    raw = probes_before(module, estimator, x)
    labels = module.answers(torch.from_numpy(raw))["label"].numpy()
    np.testing.assert_array_equal(labels, original(estimator, "label", scaler.transform(raw.astype(np.float64))))


def probes_before(module: Any, estimator: Any, x: np.ndarray) -> np.ndarray:
    """Rows at the shifted thresholds, as the module holds them."""
    table = module.trees.tables.table.numpy().astype(np.float64)
    splits = table[:, 0] < x.shape[1]
    tree = Tree(np.where(splits, table[:, 0], -1).astype(np.int64), table[:, 2], *np.zeros((3, len(table))))
    return np.concatenate([x.astype(np.float32), probes([tree], x)])


def test_every_row_falls_into_its_leaf() -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(*DIGITS)
    # Of each leaf its number in its tree.
    numbers = [np.arange(part.tree_.node_count)[:, None] for part in estimator.estimators_]
    module = forest(
        [tree_of(part, value, missing=False) for part, value in zip(estimator.estimators_, numbers, strict=True)]
    )
    rows = rows_of(estimator, DIGITS[0])[:500]
    rows = rows[~np.isnan(rows).any(axis=1)]
    x = torch.from_numpy(rows)
    np.testing.assert_array_equal(leaf_values(module, x)[:, :, 0].numpy(), estimator.apply(rows))
    torch.testing.assert_close(leaf_values(module, x).sum(dim=1), summed(module, x))


def test_categories_go_left_and_all_else_right() -> None:
    # The root splits by category, NaN to the left; its left child by another set, NaN to the right.
    tree = Tree(
        np.array([1, 1, -1, -1, -1]),
        np.zeros(5),
        np.array([1, 2, -1, -1, -1]),
        np.array([4, 3, -1, -1, -1]),
        np.array([[0], [0], [1], [2], [3]]),
        np.array([True, False, False, False, False]),
        {0: frozenset({0, 3, 5}), 1: frozenset({5})},
    )
    numbers = np.array([0, 1, 3, 5, 6, -1, 1000, 2.5, np.nan], np.float32)
    rows = torch.from_numpy(np.stack([np.full_like(numbers, np.nan), numbers], axis=1))
    expected = [2, 3, 2, 1, 3, 3, 3, 3, 2]
    assert summed(forest([tree]), rows)[:, 0].tolist() == expected


def test_classifiers_of_several_labels_are_refused() -> None:
    labels = np.stack([IRIS[1], IRIS[1]], axis=1)
    for estimator in (DecisionTreeClassifier(), RandomForestClassifier(2)):
        with pytest.raises(ConversionError, match="2 labels a row"):
            build(estimator.fit(IRIS[0], labels))


@pytest.mark.parametrize(
    ("estimator", "x", "y"),
    [
        (RandomForestClassifier(10, random_state=0, max_depth=6), with_gaps(WINE[0]), WINE[1] * 10 - 5),
        (RandomForestRegressor(10, random_state=0, max_depth=5), *DIABETES),
        (RandomTreesEmbedding(5, max_depth=3, random_state=0), *WINE),
        (IsolationForest(n_estimators=20, random_state=0, contamination=0.1), *WINE),
    ],
    ids=named,
)
def test_exports(estimator: Any, x: np.ndarray, y: np.ndarray, tmp_path: Path) -> None:
    estimator.fit(x, y)
    rows = rows_of(estimator, x)
    assert_exports(estimator, rows[:: len(rows) // 30], tmp_path)
