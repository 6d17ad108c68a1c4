"""XGBoost's models against their torch modules: boosters, objectives, missing values, categories, every threshold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xgboost as xgb
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.preprocessing import StandardScaler

from edgekit.classical import Context, build
from edgekit.classical.trees.xgboost import _dump
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees
from tests.classical.boosted import assert_exported, at_thresholds

CANCER = load_breast_cancer(return_X_y=True)
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
TWO_TARGETS = np.stack([DIABETES[1], DIABETES[1] % 7], axis=1)
BOOSTERS = [{}, {"booster": "dart", "rate_drop": 0.3, "skip_drop": 0.2}, {"booster": "gblinear"}]
QUICK = {"n_estimators": 12, "n_jobs": 1, "random_state": 0}
CLASSES = ("label", "probabilities")


def _thresholds(booster: Any) -> tuple[list[int], list[float]]:
    machine = _dump(booster)["gradient_booster"]
    trees = machine.get("gbtree", machine)["model"]["trees"]
    splits = [
        (feature, condition)
        for tree in trees
        for left, feature, condition in zip(
            tree["left_children"], tree["split_indices"], tree["split_conditions"], strict=True
        )
        if left >= 0
    ]
    return [feature for feature, _ in splits], [condition for _, condition in splits]


def _with_holes(rows: Any, share: float = 0.2) -> Any:
    return np.where(np.random.default_rng(1).random(rows.shape) < share, np.nan, rows)


@pytest.mark.parametrize("settings", BOOSTERS, ids=str)
@pytest.mark.parametrize("rows", [CANCER[0], _with_holes(CANCER[0])], ids=["whole", "missing"])
def test_two_classes(settings: dict[str, Any], rows: Any) -> None:
    assert_agrees(xgb.XGBClassifier(**QUICK, **settings).fit(rows, CANCER[1]), rows, *CLASSES)


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
@pytest.mark.parametrize("settings", BOOSTERS, ids=str)
def test_several_classes(settings: dict[str, Any], objective: str) -> None:
    model = xgb.XGBClassifier(**QUICK, **settings, objective=objective).fit(*IRIS)
    assert_agrees(model, _with_holes(IRIS[0]), *CLASSES)


@pytest.mark.parametrize("settings", BOOSTERS, ids=str)
@pytest.mark.parametrize("targets", [DIABETES[1], TWO_TARGETS], ids=["one", "two"])
def test_regression(settings: dict[str, Any], targets: Any) -> None:
    assert_agrees(xgb.XGBRegressor(**QUICK, **settings).fit(DIABETES[0], targets), DIABETES[0], "prediction")


@pytest.mark.parametrize(
    "objective",
    ["count:poisson", "reg:gamma", "reg:tweedie", "reg:absoluteerror", "reg:squaredlogerror", "survival:cox"],
)
def test_objectives(objective: str) -> None:
    assert_agrees(xgb.XGBRegressor(**QUICK, objective=objective).fit(*DIABETES), DIABETES[0], "prediction")


def test_logistic_regression_and_quantiles() -> None:
    share = xgb.XGBRegressor(**QUICK, objective="reg:logistic", base_score=0.3).fit(DIABETES[0], DIABETES[1] / 400)
    assert_agrees(share, DIABETES[0], "prediction")
    three = xgb.XGBRegressor(**QUICK, objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]).fit(*DIABETES)
    assert assert_agrees(three, DIABETES[0], "prediction")["prediction"].shape == (442, 3)


@pytest.mark.parametrize("kind", [xgb.XGBClassifier, xgb.XGBRegressor])
def test_trees_of_several_outputs(kind: Any) -> None:
    settings = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
    rows, targets = IRIS if kind is xgb.XGBClassifier else (DIABETES[0], TWO_TARGETS)
    kinds = CLASSES if kind is xgb.XGBClassifier else ("prediction",)
    assert_agrees(kind(**QUICK, **settings).fit(rows, targets), rows, *kinds)


def test_random_forests_rankers_and_hinges() -> None:
    assert_agrees(xgb.XGBRFClassifier(**QUICK).fit(*IRIS), IRIS[0], *CLASSES)
    assert_agrees(xgb.XGBRFRegressor(**QUICK).fit(*DIABETES), DIABETES[0], "prediction")
    assert_agrees(xgb.XGBRanker(**QUICK).fit(*IRIS, qid=np.arange(150) // 15), IRIS[0], "prediction")
    assert_agrees(xgb.XGBClassifier(**QUICK, objective="binary:hinge").fit(*CANCER), CANCER[0], *CLASSES)


def test_early_stopping_keeps_the_best_rounds() -> None:
    rows, labels = CANCER
    model = xgb.XGBClassifier(n_estimators=200, early_stopping_rounds=5, n_jobs=1)
    model.fit(rows[:300], labels[:300], eval_set=[(rows[300:], labels[300:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    assert_agrees(model, rows, *CLASSES)
    # A Booster answers by all of them.
    whole = model.get_booster()
    found = build(whole).answers(torch.from_numpy(rows.astype(np.float32)))["prediction"].numpy()
    np.testing.assert_allclose(found, whole.predict(xgb.DMatrix(rows)), rtol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "binary:logistic"},
        {"objective": "binary:logitraw"},
        {"objective": "multi:softmax", "num_class": 3},
        {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear", "base_score": 0.7},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*logitraw.*:UserWarning")
def test_boosters(settings: dict[str, Any]) -> None:
    rows, labels = IRIS if "num_class" in settings else CANCER
    booster = xgb.train({**settings, "nthread": 1}, xgb.DMatrix(rows, labels), 8)
    found = build(booster).answers(torch.from_numpy(rows.astype(np.float32)))["prediction"].numpy()
    wanted = booster.predict(xgb.DMatrix(rows))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("missing", [np.nan, -999.0])
@pytest.mark.parametrize("holes", [0, 0.2])
def test_every_threshold(missing: float, holes: float) -> None:
    rows = StandardScaler().fit_transform(CANCER[0])
    # Many zeros, so that some trees split at zero.
    rows[::3, ::2] = 0
    rows = np.where(np.isnan(_with_holes(rows, holes)), missing, rows)
    model = xgb.XGBClassifier(n_estimators=25, n_jobs=1, missing=missing).fit(rows, CANCER[1])
    edges = at_thresholds(rows, *_thresholds(model.get_booster()))
    assert_agrees(model, edges, *CLASSES, sqnr_db=130)


@pytest.mark.parametrize("onehot", [1, 100])
def test_categories(onehot: int) -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, 40, 600), rng.random(600) * 3, rng.integers(0, 5, 600)], axis=1)
    rows[::11, 0] = rows[::13, 2] = np.nan
    targets = np.nan_to_num(rows[:, 0]) % 7 + rows[:, 1] * (rows[:, 2] == 3)
    settings = {"enable_categorical": True, "feature_types": ["c", "q", "c"], "max_cat_to_onehot": onehot}
    model = xgb.XGBRegressor(**QUICK, **settings).fit(rows, targets)
    edges = np.repeat(rows, 3, axis=0)
    edges[::5, 0] = rng.choice([-1, -0.5, 39, 40, 41, 64, 1e6, 2.7, np.nan, -0.0], len(edges[::5]))
    assert_agrees(model, edges, "prediction", sqnr_db=120)
    with pytest.raises(ConversionError, match="splits by categories"):
        build(model, Context(before=(StandardScaler().fit(rows),)))


def test_behind_a_scaler_thresholds_are_shifted() -> None:
    scaler = StandardScaler().fit(CANCER[0])
    model = xgb.XGBClassifier(**QUICK).fit(scaler.transform(CANCER[0]), CANCER[1])
    features, thresholds = _thresholds(model.get_booster())
    raw = np.array(thresholds) * scaler.scale_[features] + scaler.mean_[features]
    edges = at_thresholds(CANCER[0], features, raw)
    found = build(model, Context(before=(scaler,))).answers(torch.from_numpy(edges))["probabilities"].numpy()
    np.testing.assert_allclose(found, model.predict_proba(scaler.transform(edges.astype(np.float64))), atol=1e-6)
    linear = xgb.XGBRegressor(**QUICK, booster="gblinear").fit(scaler.transform(CANCER[0]), CANCER[1])
    found = build(linear, Context(before=(scaler,))).answers(torch.from_numpy(edges))["prediction"].numpy()
    np.testing.assert_allclose(found, linear.predict(scaler.transform(edges.astype(np.float64))), atol=1e-4)


@pytest.mark.parametrize("targets", [("tflite",), ("coreml",), ("onnx",)], ids=str)
def test_exports(tmp_path: Path, targets: tuple[str]) -> None:
    rows = _with_holes(IRIS[0])
    model = xgb.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1).fit(rows, IRIS[1])
    edges = at_thresholds(rows, *_thresholds(model.get_booster()), count=30)
    assert_exported(model, edges, tmp_path, *targets)


def test_linear_export(tmp_path: Path) -> None:
    model = xgb.XGBRegressor(**QUICK, booster="gblinear").fit(*DIABETES)
    assert_exported(model, _with_holes(DIABETES[0][:20]), tmp_path, "tflite", "coreml", "onnx")
