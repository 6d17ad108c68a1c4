"""Rules of edgekit/classical/models/svm.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.preprocessing import scale
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from edgekit.classical import build
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
DIGITS = load_digits(return_X_y=True)
KERNELS = [
    {},
    {"kernel": "linear"},
    {"kernel": "poly", "degree": 2, "coef0": 1.0},
    {"kernel": "poly", "gamma": "auto"},
    {"kernel": "sigmoid", "gamma": 0.01, "coef0": -0.5},
]


def _edged(rows: Any) -> Any:
    return np.concatenate([rows, np.zeros((1, rows.shape[1])), 2 * rows[:1]]).astype(np.float32)


@pytest.mark.parametrize("settings", KERNELS, ids=str)
@pytest.mark.parametrize("kind", [SVC, NuSVC])
def test_two_classes(kind: Any, settings: dict[str, Any]) -> None:
    rows, labels = scale(CANCER[0]), np.array(["no", "yes"])[CANCER[1]]
    assert_agrees(kind(**settings).fit(rows[::2], labels[::2]), _edged(rows), "label", "scores")
    plain = kind(**settings, probability=True, random_state=0).fit(rows[::2], labels[::2])
    assert_agrees(plain, _edged(rows))


@pytest.mark.parametrize("settings", KERNELS, ids=str)
@pytest.mark.parametrize("shape", ["ovr", "ovo"])
def test_three_classes(shape: str, settings: dict[str, Any]) -> None:
    rows, labels = load_wine(return_X_y=True)
    rows = scale(rows)
    estimator = SVC(**settings, decision_function_shape=shape, probability=True, random_state=0)
    assert_agrees(estimator.fit(rows[::2], labels[::2] * 2 - 1), _edged(rows))


@pytest.mark.parametrize("kind", [SVC, NuSVC])
def test_ten_classes(kind: Any) -> None:
    rows, labels = DIGITS
    estimator = kind(probability=True, random_state=0).fit(rows[::4], labels[::4])
    assert_agrees(estimator, _edged(rows))
    assert_agrees(kind(break_ties=True).fit(rows[::4], labels[::4]), _edged(rows))


def test_a_linear_one_on_unscaled_columns() -> None:
    rows, labels = load_wine(return_X_y=True)
    assert_agrees(SVC(kernel="linear").fit(rows, labels), _edged(rows))


def test_fitted_on_sparse_rows() -> None:
    rows, labels = DIGITS
    for kernel in ("linear", "rbf"):
        assert_agrees(SVC(kernel=kernel).fit(csr_matrix(rows[:200]), labels[:200]), _edged(rows))
        assert_agrees(SVR(kernel=kernel).fit(csr_matrix(rows[:200]), labels[:200]), _edged(rows))


@pytest.mark.parametrize("settings", KERNELS, ids=str)
def test_regression(settings: dict[str, Any]) -> None:
    rows, targets = scale(DIABETES[0]), DIABETES[1]
    assert_agrees(SVR(**settings).fit(rows[::2], targets[::2]), _edged(rows))
    assert_agrees(NuSVR(**settings, C=100).fit(rows[::2], targets[::2]), _edged(rows))


@pytest.mark.parametrize("settings", KERNELS, ids=str)
def test_one_class(settings: dict[str, Any]) -> None:
    rows = scale(DIABETES[0])
    assert_agrees(OneClassSVM(**settings, nu=0.2).fit(rows[::2]), _edged(rows))


@pytest.mark.parametrize("kernel", ["precomputed", lambda a, b: a @ b.T], ids=["precomputed", "function"])
def test_refused_kernels(kernel: Any) -> None:
    rows = IRIS[0] @ IRIS[0].T
    with pytest.raises(ConversionError, match="its kernel is"):
        build(SVC(kernel=kernel).fit(rows, IRIS[1]))


@pytest.mark.parametrize(
    "estimator",
    [SVC(), SVC(probability=True, random_state=0), SVC(kernel="linear", break_ties=True)],
    ids=["rbf", "probabilities", "linear"],
)
def test_exports(estimator: Any, tmp_path: Path) -> None:
    assert_exports(estimator.fit(*IRIS), _edged(IRIS[0])[::15], tmp_path)


def test_one_class_exports(tmp_path: Path) -> None:
    assert_exports(OneClassSVM(kernel="poly").fit(IRIS[0]), _edged(IRIS[0])[::15], tmp_path)
