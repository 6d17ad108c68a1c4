"""scikit-learn's neural networks as torch modules."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.neural_network import BernoulliRBM, MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

from edgekit.classical import build
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore")

IRIS, CANCER, DIGITS = load_iris(), load_breast_cancer(), load_digits()
CANCER_ROWS = StandardScaler().fit_transform(CANCER.data)
X, Y = load_diabetes(return_X_y=True)
DATA = {
    "binary": (CANCER_ROWS, CANCER.target),
    "two texts": (CANCER_ROWS, CANCER.target_names[CANCER.target]),
    "numbers": (IRIS.data, np.array([7, -2, 40])[IRIS.target]),
    "digits": (DIGITS.data, DIGITS.target),
}
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_classifiers(activation, data):
    rows, labels = DATA[data]
    estimator = MLPClassifier((20, 10), activation=activation, max_iter=15, random_state=0).fit(rows, labels)
    assert_agrees(estimator, np.concatenate([rows, rows[:1] * 0, rows[:1] * 100]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_regressors(activation):
    estimator = MLPRegressor(hidden_layer_sizes=(16,), activation=activation, max_iter=50, random_state=0)
    assert_agrees(estimator.fit(X, Y), X)
    assert_agrees(estimator.fit(X, np.stack([Y, X[:, 2]], axis=1)), X)


def test_regressor_of_counts():
    assert_agrees(MLPRegressor(hidden_layer_sizes=(16,), loss="poisson", max_iter=50, random_state=0).fit(X, Y), X)


def test_no_hidden_layer():
    assert_agrees(MLPClassifier((), max_iter=20, random_state=0).fit(IRIS.data, IRIS.target), IRIS.data)


def test_several_labels_a_row_are_refused():
    several = np.eye(3, dtype=int)[IRIS.target]
    several[:, 0] = 1
    with pytest.raises(ConversionError, match="several labels"):
        build(MLPClassifier((5,), max_iter=5).fit(IRIS.data, several))


def test_restricted_boltzmann_machine():
    rows = DIGITS.data[:300] / 16
    assert_agrees(BernoulliRBM(20, n_iter=3, random_state=0).fit(rows), DIGITS.data / 16)


@pytest.mark.parametrize(("activation", "data"), [("relu", "binary"), ("tanh", "numbers"), ("logistic", "digits")])
def test_classifiers_export(activation, data, tmp_path):
    rows, labels = DATA[data]
    estimator = MLPClassifier((20, 10), activation=activation, max_iter=15, random_state=0).fit(rows, labels)
    assert_exports(estimator, rows[::60][:5], tmp_path)


def test_regressor_exports(tmp_path):
    assert_exports(
        MLPRegressor(hidden_layer_sizes=(16,), loss="poisson", max_iter=50, random_state=0).fit(X, Y), X[:5], tmp_path
    )


def test_restricted_boltzmann_machine_exports(tmp_path):
    rows = DIGITS.data[:300] / 16
    assert_exports(BernoulliRBM(20, n_iter=3, random_state=0).fit(rows), rows[:5], tmp_path)
