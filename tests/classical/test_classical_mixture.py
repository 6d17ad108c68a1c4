"""Rules of edgekit/classical/models/mixture.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
COVARIANCES = ["full", "tied", "diag", "spherical"]


def _edged(rows: Any) -> Any:
    return np.concatenate([rows, np.zeros((1, rows.shape[1])), 2 * rows[:1]]).astype(np.float32)


@pytest.mark.parametrize("covariance", COVARIANCES)
@pytest.mark.parametrize("load", [load_iris, load_wine, load_diabetes, load_breast_cancer])
@pytest.mark.parametrize(
    "kind",
    [
        GaussianMixture,
        lambda n, **settings: BayesianGaussianMixture(n_components=n, **settings),
        lambda n, **settings: BayesianGaussianMixture(
            n_components=n, weight_concentration_prior_type="dirichlet_distribution", **settings
        ),
    ],
    ids=["mixture", "process", "distribution"],
)
def test_mixtures(kind: Any, load: Any, covariance: str) -> None:
    rows = load().data
    answers = assert_agrees(kind(3, covariance_type=covariance, random_state=0).fit(rows), _edged(rows))
    assert set(answers) == {"label", "probabilities"}


@pytest.mark.parametrize("covariance", ["full", "tied", "diag"])
def test_exports(covariance: str, tmp_path: Path) -> None:
    rows = load_wine().data
    assert_exports(
        GaussianMixture(3, covariance_type=covariance, random_state=0).fit(rows), _edged(rows)[::20], tmp_path
    )
