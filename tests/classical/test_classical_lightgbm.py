"""LightGBM's models against their torch modules: boostings, objectives, missing values, categories, every threshold."""

from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler

from edgekit.classical import Context, build
from edgekit.classical.trees.lightgbm import parse
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees
from tests.classical.boosted import assert_exported, at_thresholds

CANCER = load_breast_cancer(return_X_y=True)
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
RF = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
BOOSTINGS = [{}, {"boosting_type": "dart"}, RF]
QUICK = {"n_estimators": 12, "n_jobs": 1, "verbose": -1, "random_state": 0}
CLASSES = ("label", "probabilities", "scores")


def _thresholds(booster: Any) -> tuple[list[int], list[float]]:
    trees = parse(booster.model_to_string()).trees
    features = [int(text) for tree in trees for text in tree.get("split_feature", "").split()]
    return features, [float(text) for tree in trees for text in tree.get("threshold", "").split()]


def _with_holes(rows: Any) -> Any:
    return np.where(np.random.default_rng(1).random(rows.shape) < 0.2, np.nan, rows)


@pytest.mark.parametrize("settings", BOOSTINGS, ids=str)
@pytest.mark.parametrize("rows", [CANCER[0], _with_holes(CANCER[0])], ids=["whole", "missing"])
def test_two_classes(settings: dict[str, Any], rows: Any) -> None:
    labels = np.array(["no", "yes"])[CANCER[1]]
    assert_agrees(lgb.LGBMClassifier(**QUICK, **settings).fit(rows, labels), rows, *CLASSES)


@pytest.mark.parametrize("objective", [{}, {"objective": "multiclassova", "sigmoid": 0.7}], ids=str)
@pytest.mark.parametrize("settings", BOOSTINGS, ids=str)
def test_several_classes(settings: dict[str, Any], objective: dict[str, Any]) -> None:
    model = lgb.LGBMClassifier(**QUICK, **settings, **objective).fit(IRIS[0], IRIS[1] * 3 + 1)
    assert_agrees(model, _with_holes(IRIS[0]), *CLASSES)


@pytest.mark.parametrize("settings", BOOSTINGS, ids=str)
def test_regression(settings: dict[str, Any]) -> None:
    assert_agrees(lgb.LGBMRegressor(**QUICK, **settings).fit(*DIABETES), DIABETES[0], "prediction")


@pytest.mark.parametrize(
    "objective", ["regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"]
)
def test_objectives(objective: str) -> None:
    assert_agrees(lgb.LGBMRegressor(**QUICK, objective=objective).fit(*DIABETES), DIABETES[0], "prediction")


@pytest.mark.parametrize("objective", ["cross_entropy", "cross_entropy_lambda"])
def test_shares(objective: str) -> None:
    model = lgb.LGBMRegressor(**QUICK, objective=objective).fit(DIABETES[0], DIABETES[1] / 400)
    assert_agrees(model, DIABETES[0], "prediction")


def test_settings_of_objectives() -> None:
    assert_agrees(lgb.LGBMRegressor(**QUICK, reg_sqrt=True).fit(*DIABETES), DIABETES[0], "prediction")
    assert_agrees(lgb.LGBMClassifier(**QUICK, sigmoid=2.5).fit(*CANCER), CANCER[0], *CLASSES)
    own = lgb.LGBMRegressor(**QUICK, objective=lambda y, score: (score - y, np.ones_like(y)))
    assert_agrees(own.fit(*DIABETES), DIABETES[0], "prediction")
    assert_agrees(lgb.LGBMRanker(**QUICK).fit(*IRIS, group=[15] * 10), IRIS[0], "prediction")


def test_a_tree_that_is_only_a_root() -> None:
    model = lgb.LGBMRegressor(**QUICK, min_child_samples=1000).fit(*DIABETES)
    assert_agrees(model, DIABETES[0][:5], "prediction")


def test_early_stopping_keeps_the_best_iterations() -> None:
    rows, labels = CANCER
    data = lgb.Dataset(rows[:300], labels[:300])
    booster = lgb.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        data,
        300,
        valid_sets=[lgb.Dataset(rows[300:], labels[300:], reference=data)],
        callbacks=[lgb.early_stopping(3, verbose=False)],
        keep_training_booster=True,
    )
    assert booster.best_iteration < booster.num_trees()
    found = build(booster).answers(torch.from_numpy(rows.astype(np.float32)))["prediction"].numpy()
    np.testing.assert_allclose(found, booster.predict(rows.astype(np.float32)), atol=1e-6)


@pytest.mark.parametrize("settings", [{}, {"use_missing": False}, {"zero_as_missing": True}], ids=str)
@pytest.mark.parametrize("holes", [False, True])
def test_every_threshold(settings: dict[str, Any], holes: bool) -> None:
    rows = StandardScaler().fit_transform(CANCER[0])
    rows[::3, ::2] = 0
    rows = _with_holes(rows) if holes else rows
    model = lgb.LGBMClassifier(**{**QUICK, **settings, "n_estimators": 25}).fit(rows, CANCER[1])
    edges = at_thresholds(rows, *_thresholds(model.booster_))
    edges[::7, 1::2] = 1e-36
    edges[1::7, ::2] = -1e-35
    assert_agrees(model, edges, *CLASSES, sqnr_db=130)


@pytest.mark.parametrize("onehot", [1, 100])
@pytest.mark.filterwarnings("ignore:categorical_feature:UserWarning")
def test_categories(onehot: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, 40, 600), rng.random(600) * 3, rng.integers(0, 5, 600)], axis=1)
    rows[::11, 0] = rows[::13, 2] = np.nan
    targets = np.nan_to_num(rows[:, 0]) % 7 + rows[:, 1] * (rows[:, 2] == 3)
    settings = {"max_cat_to_onehot": onehot, "min_data_per_group": 3, "cat_smooth": 1}
    model = lgb.LGBMRegressor(**QUICK, **settings).fit(rows, targets, categorical_feature=[0, 2])
    edges = np.repeat(rows, 3, axis=0)
    edges[::5, 0] = rng.choice([-1, -0.5, 39, 40, 41, 64, 1e6, 3e9, 2.7, np.nan, -0.0], len(edges[::5]))
    assert_agrees(model, edges, "prediction", sqnr_db=120)
    with pytest.raises(ConversionError, match="splits by categories"):
        build(model, Context(before=(StandardScaler().fit(rows),)))


def test_behind_a_scaler_thresholds_are_shifted() -> None:
    scaler = StandardScaler().fit(CANCER[0])
    model = lgb.LGBMClassifier(**QUICK).fit(scaler.transform(CANCER[0]), CANCER[1])
    features, thresholds = _thresholds(model.booster_)
    raw = np.array(thresholds) * scaler.scale_[features] + scaler.mean_[features]
    edges = at_thresholds(CANCER[0], features, raw)
    found = build(model, Context(before=(scaler,))).answers(torch.from_numpy(edges))["probabilities"].numpy()
    np.testing.assert_allclose(found, model.predict_proba(scaler.transform(edges.astype(np.float64))), atol=1e-6)


def test_what_it_refuses() -> None:
    with pytest.raises(ConversionError, match="linear_tree"):
        build(lgb.LGBMRegressor(**QUICK, linear_tree=True).fit(*DIABETES))
    with pytest.raises(ConversionError, match="pred_early_stop"):
        build(lgb.LGBMClassifier(**QUICK, pred_early_stop=True).fit(*CANCER))
    zeros = lgb.LGBMClassifier(**QUICK, zero_as_missing=True).fit(*CANCER)
    with pytest.raises(ConversionError, match="zero_as_missing"):
        build(zeros, Context(before=(StandardScaler().fit(CANCER[0]),)))


@pytest.mark.parametrize("target", ["tflite", "coreml", "onnx"])
def test_exports(tmp_path: Path, target: str) -> None:
    rows = _with_holes(IRIS[0])
    model = lgb.LGBMClassifier(**{**QUICK, "n_estimators": 6, "num_leaves": 5}).fit(rows, IRIS[1] * 3 + 1)
    edges = at_thresholds(rows, *_thresholds(model.booster_), count=30)
    assert_exported(model, edges, tmp_path, target)
