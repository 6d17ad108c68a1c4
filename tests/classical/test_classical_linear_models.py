"""Linear regressors, linear classifiers and partial least squares as torch modules."""

import numpy as np
import pytest
import torch
from sklearn import cross_decomposition, linear_model, svm
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from edgekit.classical import build
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore")

X, Y = load_diabetes(return_X_y=True)
TARGETS = np.stack([Y, Y[::-1], X @ np.arange(10.0)], axis=1)
# Beside the training rows: nothing, much of everything, one feature alone.
ROWS = np.concatenate([X, np.zeros((1, 10)), np.full((1, 10), 1e3), -np.eye(10)])

REGRESSORS = [
    linear_model.ARDRegression(),
    linear_model.BayesianRidge(),
    linear_model.ElasticNet(alpha=0.01),
    linear_model.ElasticNetCV(alphas=5, cv=3),
    linear_model.HuberRegressor(),
    linear_model.Lars(),
    linear_model.LarsCV(cv=3),
    linear_model.Lasso(alpha=0.5),
    linear_model.LassoCV(cv=3, fit_intercept=False),
    linear_model.LassoLars(alpha=0.1),
    linear_model.LassoLarsCV(cv=3),
    linear_model.LassoLarsIC(),
    linear_model.LinearRegression(),
    linear_model.LinearRegression(fit_intercept=False),
    linear_model.LinearRegression(positive=True),
    linear_model.OrthogonalMatchingPursuit(),
    linear_model.OrthogonalMatchingPursuitCV(cv=3),
    linear_model.QuantileRegressor(alpha=0.01),
    linear_model.RANSACRegressor(random_state=0),
    linear_model.RANSACRegressor(linear_model.Ridge(), random_state=0, min_samples=20),
    linear_model.Ridge(),
    linear_model.Ridge(solver="sag", fit_intercept=False),
    linear_model.RidgeCV(),
    linear_model.SGDRegressor(),
    linear_model.SGDRegressor(loss="epsilon_insensitive", average=True),
    linear_model.TheilSenRegressor(max_subpopulation=200, random_state=0),
    linear_model.GammaRegressor(),
    linear_model.PoissonRegressor(alpha=0.01),
    linear_model.PoissonRegressor(solver="newton-cholesky", fit_intercept=False),
    linear_model.TweedieRegressor(power=0),
    linear_model.TweedieRegressor(power=1.5, alpha=0.1),
    linear_model.TweedieRegressor(power=0, link="log"),
    linear_model.TweedieRegressor(power=3, link="identity", alpha=0.1),
    svm.LinearSVR(),
    svm.LinearSVR(loss="squared_epsilon_insensitive", fit_intercept=False, dual=True),
]


def named(estimator):
    settings = [f"{key}={value}" for key, value in estimator.get_params(deep=False).items() if value is not None]
    default = {f"{key}={value}" for key, value in type(estimator)().get_params(deep=False).items()}
    return "-".join([type(estimator).__name__, *(one for one in settings if one not in default)])


@pytest.mark.parametrize("estimator", REGRESSORS, ids=named)
def test_regressors(estimator):
    # The exponential of much of everything would hide all else.
    exponential = type(estimator).__module__.endswith("glm")
    assert_agrees(estimator.fit(X, Y), np.delete(ROWS, len(X) + 1, axis=0) if exponential else ROWS)


@pytest.mark.parametrize(
    "estimator",
    [
        linear_model.LinearRegression(),
        linear_model.Ridge(fit_intercept=False),
        linear_model.RidgeCV(),
        linear_model.Lars(),
        linear_model.Lasso(alpha=0.1),
        linear_model.OrthogonalMatchingPursuit(),
        linear_model.MultiTaskElasticNet(),
        linear_model.MultiTaskElasticNetCV(alphas=5, cv=3),
        linear_model.MultiTaskLasso(alpha=0.1),
        linear_model.MultiTaskLassoCV(alphas=5, cv=3),
        linear_model.RANSACRegressor(random_state=0),
        cross_decomposition.PLSRegression(3),
        cross_decomposition.PLSRegression(2, scale=False),
        cross_decomposition.PLSCanonical(2),
        cross_decomposition.CCA(2),
        cross_decomposition.PLSSVD(2),
    ],
    ids=named,
)
def test_several_targets(estimator):
    assert_agrees(estimator.fit(X, TARGETS), ROWS)


def test_one_target_given_as_a_column():
    for estimator in linear_model.LinearRegression(), linear_model.Ridge(), cross_decomposition.PLSRegression(2):
        assert_agrees(estimator.fit(X, Y[:, None]), ROWS)
    assert_agrees(cross_decomposition.PLSRegression(2).fit(X, Y), ROWS)


def test_features_far_from_zero():
    data = load_wine().data
    for estimator in linear_model.LinearRegression(), cross_decomposition.PLSRegression(4):
        assert_agrees(estimator.fit(data[:, 1:], data[:, 0]), data[:, 1:])


IRIS = load_iris()
CANCER = load_breast_cancer()
DATA = {
    "binary": (StandardScaler().fit_transform(CANCER.data), CANCER.target),
    "texts": (IRIS.data, IRIS.target_names[IRIS.target]),
    "numbers": (IRIS.data, np.array([7, -2, 40])[IRIS.target]),
}
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    linear_model.LogisticRegression(C=100, fit_intercept=False, solver="newton-cg"),
    linear_model.LogisticRegressionCV(Cs=3, cv=3),
    linear_model.Perceptron(),
    linear_model.RidgeClassifier(),
    linear_model.RidgeClassifierCV(),
    linear_model.SGDClassifier(random_state=0),
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    linear_model.SGDClassifier(loss="squared_hinge", random_state=0),
    linear_model.SGDClassifier(loss="perceptron", fit_intercept=False),
    linear_model.SGDClassifier(loss="huber", average=True),
    svm.LinearSVC(),
    svm.LinearSVC(multi_class="crammer_singer", fit_intercept=False),
]


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=named)
def test_classifiers(estimator, data):
    rows, labels = DATA[data]
    edges = [np.zeros((1, rows.shape[1])), np.full((1, rows.shape[1]), -30.0), 30 * np.eye(rows.shape[1])]
    answers = assert_agrees(estimator.fit(rows, labels), np.concatenate([rows, *edges]))
    assert ("probabilities" in answers) == hasattr(estimator, "predict_proba")
    assert "scores" in answers


def test_passive_aggressive():
    # Deprecated: they warn when they are made.
    assert_agrees(linear_model.PassiveAggressiveRegressor().fit(X, Y), ROWS)
    for rows, labels in DATA.values():
        assert_agrees(linear_model.PassiveAggressiveClassifier().fit(rows, labels), rows)


def test_unscaled_features():
    for estimator in (
        linear_model.LogisticRegression(max_iter=500),
        linear_model.SGDClassifier(loss="log_loss", random_state=0),
    ):
        for found in load_wine(), load_digits(), CANCER:
            assert_agrees(estimator.fit(found.data, found.target), found.data)


def test_coefficients_that_are_sparse():
    rows, labels = DATA["texts"]
    assert_agrees(linear_model.LogisticRegression(C=0.1, l1_ratio=1, solver="saga").fit(rows, labels).sparsify(), rows)


def test_probabilities_of_the_setting_multi_class():
    # Before scikit-learn 1.8 an estimator could carry it.
    rows, labels = DATA["binary"]
    estimator = linear_model.LogisticRegression().fit(rows, labels)
    estimator.multi_class = "multinomial"
    x = torch.from_numpy(rows[:20].astype(np.float32))
    score = estimator.decision_function(rows[:20])
    found = build(estimator).answers(x)["probabilities"][:, 1].numpy()
    assert np.allclose(found, np.exp(score) / (np.exp(score) + np.exp(-score)), atol=1e-5)
    rows, labels = DATA["texts"]
    estimator = linear_model.LogisticRegression().fit(rows, labels)
    estimator.multi_class = "ovr"
    found = build(estimator).answers(torch.from_numpy(rows.astype(np.float32)))["probabilities"].numpy()
    assert np.allclose(found, estimator._predict_proba_lr(rows), atol=1e-5)


def test_no_class_has_a_probability():
    estimator = linear_model.SGDClassifier(loss="log_loss", random_state=0).fit(*DATA["texts"])
    estimator.coef_, estimator.intercept_ = np.ones((3, 4)), np.array([0.0, -1, -2])
    rows = np.array([[-1000.0] * 4, [-100] * 4, [-30] * 4, [-180, -180, -180, -175]])
    assert_agrees(estimator, rows)


def test_outliers():
    estimator = linear_model.SGDOneClassSVM(nu=0.2, random_state=0).fit(IRIS.data)
    assert_agrees(estimator, np.concatenate([IRIS.data, np.zeros((1, 4))]))


def test_several_labels_a_row_are_refused():
    several = np.eye(3, dtype=int)[IRIS.target]
    several[:, 0] = 1
    for estimator in linear_model.RidgeClassifier(), linear_model.RidgeClassifierCV():
        with pytest.raises(ConversionError, match="several labels"):
            build(estimator.fit(IRIS.data, several))


@pytest.mark.parametrize(
    "estimator",
    [linear_model.Ridge(), linear_model.TweedieRegressor(power=1.5), cross_decomposition.PLSRegression(2)],
    ids=named,
)
def test_regressors_export(estimator, tmp_path):
    assert_exports(estimator.fit(X, Y), X[:5], tmp_path)


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (linear_model.LogisticRegression(), "binary"),
        (linear_model.SGDClassifier(loss="log_loss", random_state=0), "numbers"),
        (linear_model.SGDClassifier(loss="modified_huber", random_state=0), "numbers"),
        (linear_model.RidgeClassifier(), "numbers"),
    ],
)
def test_classifiers_export(estimator, data, tmp_path):
    rows, labels = DATA[data]
    assert_exports(estimator.fit(rows, labels), rows[::37], tmp_path)


def test_outliers_export(tmp_path):
    estimator = linear_model.SGDOneClassSVM(nu=0.2, random_state=0).fit(IRIS.data)
    assert_exports(estimator, IRIS.data[::30], tmp_path)
