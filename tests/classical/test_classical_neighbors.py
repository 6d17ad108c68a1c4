"""Rules of edgekit/classical/models/neighbors.py, outliers.py's LocalOutlierFactor apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    KNeighborsTransformer,
    NearestCentroid,
    RadiusNeighborsClassifier,
    RadiusNeighborsRegressor,
    RadiusNeighborsTransformer,
)

from edgekit.classical import build
from edgekit.classical.mathematics import distances
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

IRIS = load_iris(return_X_y=True)
WINE = load_wine(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


def _halves(data: Any) -> tuple[Any, Any, Any]:
    rows, targets = data
    edges = np.stack([np.zeros(rows.shape[1]), 3 * rows.max(axis=0), rows[0]])
    return rows[::2], targets[::2], np.concatenate([rows, edges]).astype(np.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_neighbors": 1},
        {"n_neighbors": 15, "weights": "distance"},
        {"p": 1},
        {"p": 3, "weights": "distance"},
        {"p": 1.5},
        {"metric": "cosine", "weights": "distance"},
        {"metric": "minkowski", "p": 2, "metric_params": {"w": [1.0, 0.5, 2.0, 1.0]}},
        {"metric": "sqeuclidean", "weights": "distance", "algorithm": "brute"},
        {"metric": "seuclidean", "metric_params": {"V": [1.0, 0.5, 2.0, 1.0]}, "algorithm": "brute"},
        {"algorithm": "brute", "weights": "distance"},
        {"weights": None},
    ],
    ids=str,
)
def test_k_neighbors_classifier(settings: dict[str, Any]) -> None:
    rows, labels, asked = _halves(IRIS)
    assert_agrees(KNeighborsClassifier(**settings).fit(rows, labels), asked, "label", "probabilities")


@pytest.mark.parametrize("metric", ["chebyshev", "canberra", "braycurtis", "l2", "infinity", "cityblock"])
def test_metrics(metric: str) -> None:
    rows, labels, asked = _halves(CANCER)
    estimator = KNeighborsClassifier(3, metric=metric, algorithm="ball_tree", weights="distance").fit(rows, labels)
    # The last but two row is zero: all rows are equally far from it by some of these.
    assert_agrees(estimator, np.delete(asked, -3, axis=0))


@pytest.mark.parametrize("data", [WINE, CANCER], ids=["wine", "breast cancer"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_k_neighbors_classifier_of_other_labels(data: Any, weights: str) -> None:
    rows, labels, asked = _halves(data)
    assert_agrees(KNeighborsClassifier(weights=weights).fit(rows, labels * 3 + 5), asked)
    assert_agrees(KNeighborsClassifier(weights=weights).fit(rows, np.array(["x", "a", "m"])[labels]), asked)


def test_the_nearest_of_many_rows_are_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "DIFFERENCES", 100)
    rows, labels, asked = _halves(CANCER)
    assert_agrees(KNeighborsClassifier(weights="distance").fit(rows, labels), asked)
    assert_agrees(KNeighborsRegressor().fit(rows, labels), asked)
    assert_agrees(KNeighborsTransformer(n_neighbors=4).fit(rows), asked)


def test_of_equally_near_rows_the_first_counts() -> None:
    rows = np.array([[0.0], [2.0], [2.0], [4.0], [4.0]])
    model = build(KNeighborsClassifier(2, algorithm="brute").fit(rows, [0, 1, 2, 0, 1]))
    import torch

    found = model.answers(torch.tensor([[3.0]]))["probabilities"]
    assert found.tolist() == [[0.0, 0.5, 0.5]]


@pytest.mark.parametrize("settings", [{}, {"weights": "distance"}, {"p": 1, "n_neighbors": 2}], ids=str)
def test_k_neighbors_regressor(settings: dict[str, Any]) -> None:
    rows, targets, asked = _halves(DIABETES)
    assert_agrees(KNeighborsRegressor(**settings).fit(rows, targets), asked)
    two = np.stack([targets, targets**2 - 1e4], axis=1)
    assert_agrees(KNeighborsRegressor(**settings).fit(rows, two), asked)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_transformers(mode: str) -> None:
    rows, _, asked = _halves(DIABETES)
    assert_agrees(KNeighborsTransformer(mode=mode, n_neighbors=4).fit(rows), asked)
    assert_agrees(RadiusNeighborsTransformer(mode=mode, radius=0.1).fit(rows), asked)


@pytest.mark.filterwarnings("ignore:Outlier label:UserWarning")
@pytest.mark.parametrize("outlier", [1, 7, "most_frequent"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_radius_neighbors_classifier(outlier: Any, weights: str) -> None:
    rows, labels, asked = _halves(IRIS)
    estimator = RadiusNeighborsClassifier(0.73, weights=weights, outlier_label=outlier).fit(rows, labels)
    kinds = ("probabilities",) if outlier == 7 else ("label", "probabilities")
    answers = assert_agrees(estimator, asked, *kinds)
    classes = build(estimator).classes
    assert np.array_equal(classes[answers["label"]], estimator.predict(asked.astype(np.float64)))


@pytest.mark.filterwarnings("ignore:One or more samples have no neighbors:UserWarning")
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_radius_neighbors_regressor(weights: str) -> None:
    rows, targets, asked = _halves(DIABETES)
    assert_agrees(RadiusNeighborsRegressor(0.1, weights=weights).fit(rows, targets), asked)
    two = np.stack([targets, -targets], axis=1)
    assert_agrees(RadiusNeighborsRegressor(0.1, weights=weights).fit(rows, two), asked)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shrink_threshold": 0.2},
        {"metric": "manhattan"},
        {"priors": [0.5, 0.3, 0.2]},
        {"priors": "empirical", "metric": "manhattan"},
    ],
    ids=str,
)
def test_nearest_centroid(settings: dict[str, Any]) -> None:
    rows, labels, asked = _halves(WINE)
    assert_agrees(NearestCentroid(**settings).fit(rows, labels), asked)
    if len(settings.get("priors", "")) != 3:
        assert_agrees(NearestCentroid(**settings).fit(rows, np.where(labels == 0, "b", "a")), asked)


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (KNeighborsClassifier(weights=lambda distance: distance), "weights are a Python function"),
        (KNeighborsClassifier(metric=lambda a, b: np.abs(a - b).sum()), "metric is a function"),
        (KNeighborsClassifier(metric="haversine", algorithm="ball_tree"), "haversine"),
    ],
    ids=["weights", "metric", "haversine"],
)
def test_refused_settings(estimator: Any, why: str) -> None:
    rows, labels = IRIS
    with pytest.raises(ConversionError, match=why):
        build(estimator.fit(rows[:, :2], labels))


def test_several_labels_are_refused() -> None:
    rows, labels = IRIS
    with pytest.raises(ConversionError, match="several labels"):
        build(KNeighborsClassifier().fit(rows, np.stack([labels, labels], axis=1)))


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(weights="distance"),
        KNeighborsClassifier(p=3),
        RadiusNeighborsClassifier(0.73, weights="distance", outlier_label="most_frequent"),
        NearestCentroid(priors="empirical"),
    ],
    ids=["k", "minkowski", "radius", "centroid"],
)
def test_exports(estimator: Any, tmp_path: Path) -> None:
    rows, labels, asked = _halves(IRIS)
    assert_exports(estimator.fit(rows, labels), asked[::20], tmp_path)


def test_candidates_export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distances, "DIFFERENCES", 100)
    rows, _, asked = _halves(load_digits(return_X_y=True))
    assert_exports(KNeighborsTransformer(n_neighbors=4).fit(rows[:50]), asked[::300], tmp_path)


@pytest.mark.filterwarnings("ignore:One or more samples have no neighbors:UserWarning")
@pytest.mark.parametrize(
    "estimator",
    [KNeighborsRegressor(metric="cosine", weights="distance"), RadiusNeighborsRegressor(0.1, weights="distance")],
    ids=["cosine", "radius"],
)
def test_regressors_export(estimator: Any, tmp_path: Path) -> None:
    rows, targets, asked = _halves(DIABETES)
    assert_exports(estimator.fit(rows, targets), asked[:200:20], tmp_path)
