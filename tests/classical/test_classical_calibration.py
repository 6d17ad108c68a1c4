"""Calibrated classifiers against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from edgekit.classical import build
from edgekit.errors import ConversionError

IRIS, WINE, CANCER = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
NAMES = np.array(["zinnia", "aster", "lily"])


def named(value: Any) -> str:
    return "" if isinstance(value, np.ndarray) else str(value)


def around(rows: np.ndarray) -> np.ndarray:
    """The data, noise around them, zeros and large values."""
    noise = rows[:100] + np.random.default_rng(2).normal(0, 1, rows[:100].shape) * rows.std(axis=0)
    edges = np.array([np.zeros(rows.shape[1]), np.full(rows.shape[1], 100.0), -rows.mean(axis=0)])
    return np.concatenate([rows[:200], noise, edges]).astype(np.float32)


DATA = [IRIS, (WINE[0], NAMES[WINE[1]]), (CANCER[0], CANCER[1] * 5 - 3)]
CLASSIFIERS = [
    make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
    make_pipeline(StandardScaler(), LogisticRegression()),
    RandomForestClassifier(10, random_state=0),
    GaussianNB(),
]


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=named)
@pytest.mark.parametrize(("rows", "labels"), DATA, ids=named)
def test_calibrated(classifier: Any, method: str, rows: np.ndarray, labels: np.ndarray) -> None:
    if method == "temperature" and labels.dtype.kind == "i":
        # scikit-learn 1.9 takes integers for positions there, and reads past the end of its arrays with others.
        labels = np.unique(labels, return_inverse=True)[1]
    calibrated = CalibratedClassifierCV(classifier, method=method, cv=3).fit(rows, labels)
    # One row of noise is 4e-11 from a tie of sigmoids that are nearly 1, three rows are 1e-14 from one of a forest's
    # fractions: float32 has them as ties.
    ties = {"sigmoid": 1, "isotonic": 0, "temperature": 3}[method]
    answers = assert_agrees(calibrated, around(rows), ties=ties)
    assert set(answers) == {"label", "probabilities"}


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_one_classifier_for_all_folds(method: str) -> None:
    calibrated = CalibratedClassifierCV(SVC(), method=method, cv=3, ensemble=False)
    assert_agrees(calibrated.fit(*IRIS), around(IRIS[0]))
    frozen = FrozenEstimator(GaussianNB().fit(*CANCER))
    assert_agrees(CalibratedClassifierCV(frozen, method=method).fit(*CANCER), CANCER[0])


def test_pairwise_scores() -> None:
    machine = SVC(decision_function_shape="ovo")
    assert_agrees(CalibratedClassifierCV(machine, cv=3).fit(*IRIS), around(IRIS[0]))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_a_fold_without_a_class(method: str) -> None:
    rows, labels = IRIS
    folds = [(np.flatnonzero(labels != 1), np.arange(0, 150, 3)), (np.arange(0, 150, 2), np.arange(1, 150, 2))]
    calibrated = CalibratedClassifierCV(GaussianNB(), method=method, cv=folds).fit(rows, labels)
    assert_agrees(calibrated, around(rows))


def test_behind_a_scaler() -> None:
    tree = DecisionTreeClassifier(max_depth=4, random_state=0)
    assert_agrees(make_pipeline(StandardScaler(), CalibratedClassifierCV(tree, cv=3)).fit(*WINE), around(WINE[0]))
    linear = make_pipeline(StandardScaler(), CalibratedClassifierCV(LogisticRegression(), cv=3))
    assert_agrees(linear.fit(*WINE), around(WINE[0]))


def test_another_method_is_refused() -> None:
    calibrated = CalibratedClassifierCV(GaussianNB(), cv=3).fit(*IRIS)
    calibrated.calibrated_classifiers_[0].method = "beta"
    with pytest.raises(ConversionError, match="'beta'"):
        build(calibrated)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_exports(method: str, tmp_path: Path) -> None:
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    assert_exports(CalibratedClassifierCV(forest, method=method, cv=2).fit(*WINE), WINE[0][::10], tmp_path)
