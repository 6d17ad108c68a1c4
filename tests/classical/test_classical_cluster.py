"""Rules of edgekit/classical/models/cluster.py and outliers.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import AffinityPropagation, Birch, BisectingKMeans, KMeans, MeanShift, MiniBatchKMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.neighbors import LocalOutlierFactor

from edgekit.classical import build
from edgekit.classical.mathematics import distances
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

ROWS = {
    "diabetes": load_diabetes().data,
    "iris": load_iris().data,
    "wine": load_wine().data,
    "cancer": load_breast_cancer().data,
    "digits": load_digits().data,
}


def _edged(rows: Any) -> Any:
    return np.concatenate([rows, np.zeros((1, rows.shape[1])), 3 * rows[:1]]).astype(np.float32)


@pytest.mark.filterwarnings("ignore:Number of subclusters found:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["iris", "wine", "cancer", "digits"])
@pytest.mark.parametrize(
    "estimator",
    [
        KMeans(5, random_state=0, n_init=1),
        MiniBatchKMeans(7, random_state=0, n_init=1),
        BisectingKMeans(9, random_state=0),
        BisectingKMeans(6, random_state=0, bisecting_strategy="largest_cluster"),
        BisectingKMeans(1),
        Birch(threshold=2.0, n_clusters=4),
        Birch(threshold=5.0, n_clusters=None),
    ],
    ids=str,
)
def test_clusters(estimator: Any, name: str) -> None:
    rows = ROWS[name]
    answers = assert_agrees(estimator.fit(rows[::2]), _edged(rows))
    assert list(answers) == ["label", "distances"]


@pytest.mark.parametrize("estimator", [MeanShift(), AffinityPropagation(random_state=0)], ids=str)
def test_clusters_without_distances(estimator: Any) -> None:
    for rows in (ROWS["iris"], ROWS["wine"]):
        assert_agrees(estimator.fit(rows), _edged(rows), "label")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_affinity_propagation_without_centres() -> None:
    estimator = AffinityPropagation(max_iter=2, random_state=0).fit(ROWS["iris"])
    estimator.cluster_centers_ = estimator.cluster_centers_[:0]
    assert_agrees(estimator, _edged(ROWS["iris"]))


def test_many_centres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "DIFFERENCES", 10)
    for rows in ROWS.values():
        assert_agrees(KMeans(5, random_state=0, n_init=1).fit(rows), _edged(rows))


def test_affinities_are_refused() -> None:
    rows = ROWS["iris"]
    estimator = AffinityPropagation(affinity="precomputed", random_state=0).fit(-np.abs(rows[:, :1] - rows[:, 0]))
    with pytest.raises(ConversionError, match="precomputed"):
        build(estimator)


@pytest.mark.parametrize("settings", [{}, {"n_neighbors": 5, "p": 1}, {"contamination": 0.1}], ids=str)
@pytest.mark.parametrize("name", ["cancer", "diabetes"])
def test_local_outlier_factor(settings: dict[str, Any], name: str) -> None:
    rows = ROWS[name]
    assert_agrees(LocalOutlierFactor(**settings, novelty=True).fit(rows[::2]), _edged(rows))


def test_a_local_outlier_factor_without_novelty_is_refused() -> None:
    with pytest.raises(ConversionError, match="novelty=True"):
        build(LocalOutlierFactor().fit(ROWS["iris"]))


@pytest.mark.parametrize("settings", [{}, {"assume_centered": True}, {"contamination": 0.3}], ids=str)
@pytest.mark.parametrize("name", ["iris", "wine", "diabetes"])
def test_elliptic_envelope(settings: dict[str, Any], name: str) -> None:
    rows = ROWS[name]
    assert_agrees(EllipticEnvelope(**settings, random_state=0).fit(rows), _edged(rows))


@pytest.mark.parametrize(
    "estimator",
    [
        KMeans(5, random_state=0, n_init=1),
        BisectingKMeans(6, random_state=0),
        Birch(),
        LocalOutlierFactor(5, novelty=True),
        EllipticEnvelope(random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_exports(estimator: Any, tmp_path: Path) -> None:
    assert_exports(estimator.fit(ROWS["wine"]), _edged(ROWS["wine"])[::20], tmp_path)
