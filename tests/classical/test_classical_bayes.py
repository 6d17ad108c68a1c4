"""Naive Bayes and discriminant analysis as torch modules."""

import numpy as np
import pytest
from sklearn import discriminant_analysis, naive_bayes
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore")

LDA = discriminant_analysis.LinearDiscriminantAnalysis
QDA = discriminant_analysis.QuadraticDiscriminantAnalysis
IRIS, WINE, CANCER, DIGITS = load_iris(), load_wine(), load_breast_cancer(), load_digits()
DATA = {
    "iris": (IRIS.data, IRIS.target_names[IRIS.target]),
    "wine": (WINE.data, np.array([3, -1, 20])[WINE.target]),
    "cancer": (CANCER.data, CANCER.target),
}
COUNTS = {
    "digits": (DIGITS.data, DIGITS.target),
    "two digits": (DIGITS.data[DIGITS.target < 2], np.array(["zero", "one"])[DIGITS.target[DIGITS.target < 2]]),
    "iris": (IRIS.data, IRIS.target * 5 + 2),
}


def named(estimator):
    return str(estimator).replace("DiscriminantAnalysis", "").replace("\n", "")


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "estimator",
    [
        LDA(),
        LDA(n_components=1),
        LDA(solver="lsqr", shrinkage="auto"),
        LDA(solver="eigen"),
        LDA(solver="eigen", shrinkage=0.3),
        QDA(tol=1e-12),
        QDA(reg_param=0.1),
        QDA(solver="eigen", shrinkage=0.2),
        naive_bayes.GaussianNB(),
        naive_bayes.GaussianNB(var_smoothing=1e-3),
    ],
    ids=named,
)
def test_gaussian_classes(estimator, data):
    rows, labels = DATA[data]
    answers = assert_agrees(estimator.fit(rows, labels), np.concatenate([rows, rows[:3] * 0, rows[:3] * 2]))
    assert ("transformed" in answers) == (isinstance(estimator, LDA) and estimator.solver != "lsqr")


def test_given_priors():
    rows, labels = DATA["iris"]
    for estimator in (
        LDA(priors=[0.7, 0.2, 0.1]),
        QDA(priors=[0.7, 0.2, 0.1]),
        naive_bayes.GaussianNB(priors=[0.7, 0.2, 0.1]),
    ):
        assert_agrees(estimator.fit(rows, labels), rows)


@pytest.mark.parametrize("data", COUNTS)
@pytest.mark.parametrize(
    "estimator",
    [
        naive_bayes.MultinomialNB(),
        naive_bayes.MultinomialNB(alpha=0.01, fit_prior=False),
        naive_bayes.ComplementNB(),
        naive_bayes.ComplementNB(norm=True),
        naive_bayes.BernoulliNB(),
        naive_bayes.BernoulliNB(binarize=4.9),
        naive_bayes.CategoricalNB(),
        naive_bayes.CategoricalNB(min_categories=20, alpha=0.1),
    ],
    ids=named,
)
def test_discrete_features(estimator, data):
    rows, labels = COUNTS[data]
    assert_agrees(estimator.fit(rows, labels), np.concatenate([rows, rows[:1] * 0]))


def test_bernoulli_of_zeros_and_ones():
    rows = (DIGITS.data > 7).astype(float)
    assert_agrees(naive_bayes.BernoulliNB(binarize=None).fit(rows, DIGITS.target), rows)


def test_bernoulli_cuts_where_the_original_does():
    # 0.1 lies below the nearest float32 and 0.3 above it.
    rows = np.array([[0.1, 0.3], [0.3, 0.1], [0.2, 0.2], [0.1, 0.1], [0.3, 0.3]], np.float32)
    for threshold in 0.1, 0.3:
        assert_agrees(naive_bayes.BernoulliNB(binarize=threshold).fit(rows, [0, 1, 0, 1, 1]), rows)


def test_one_class():
    assert_agrees(naive_bayes.GaussianNB().fit(IRIS.data, np.full(150, 4)), IRIS.data)
    assert_agrees(naive_bayes.ComplementNB().fit(IRIS.data, np.full(150, 4)), IRIS.data)


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (LDA(), "wine"),
        (LDA(), "cancer"),
        (QDA(), "wine"),
        (QDA(tol=1e-12), "cancer"),
        (naive_bayes.GaussianNB(), "wine"),
    ],
    ids=lambda value: value if isinstance(value, str) else named(value),
)
def test_gaussian_classes_export(estimator, data, tmp_path):
    rows, labels = DATA[data]
    assert_exports(estimator.fit(rows, labels), rows[::40], tmp_path)


@pytest.mark.parametrize(
    "estimator",
    [naive_bayes.MultinomialNB(), naive_bayes.BernoulliNB(binarize=4.9), naive_bayes.CategoricalNB(min_categories=17)],
    ids=named,
)
def test_discrete_features_export(estimator, tmp_path):
    rows, labels = COUNTS["digits"]
    assert_exports(estimator.fit(rows, labels), rows[::400], tmp_path)
