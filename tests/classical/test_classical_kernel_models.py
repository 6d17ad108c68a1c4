"""Kernel ridge regression, Gaussian processes and isotonic regression as torch modules."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    PairwiseKernel,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.preprocessing import StandardScaler

from edgekit.classical import build, fitted
from edgekit.classical.mathematics.kernels import kernel_constants, pairwise
from edgekit.errors import ConversionError
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore")

X, Y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
TARGETS = np.stack([Y, Y[::-1]], axis=1)
ROWS = np.concatenate([X, np.zeros((1, 10)), X[:3] * 2])
IRIS, CANCER, DIGITS = load_iris(), load_breast_cancer(), load_digits()
CANCER_ROWS = StandardScaler().fit_transform(CANCER.data)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid", "laplacian", "cosine"])
@pytest.mark.parametrize("settings", [{}, {"alpha": 0.3, "gamma": 0.02, "coef0": 0.5, "degree": 2}], ids=str)
def test_kernel_ridge(kernel, settings):
    assert_agrees(KernelRidge(kernel=kernel, **settings).fit(X, Y), ROWS)
    assert_agrees(KernelRidge(kernel=kernel, **settings).fit(X, TARGETS), ROWS)


def test_kernel_ridge_of_counts():
    rows, labels = DIGITS.data[:300], DIGITS.target[:300]
    assert_agrees(KernelRidge(kernel="chi2", gamma=1e-3).fit(rows, labels), DIGITS.data[:600])
    # The weights of this one are large and cancel: what float32 keeps.
    assert_agrees(KernelRidge(kernel="additive_chi2").fit(rows, labels), DIGITS.data[:600], sqnr_db=75)


def test_kernel_ridge_of_high_degrees_and_fractions():
    assert_agrees(KernelRidge(kernel="poly", degree=5, gamma=0.01).fit(X[:100], Y[:100]), X, sqnr_db=85)
    assert_agrees(KernelRidge(kernel="poly", degree=2.5, gamma=0.001, coef0=3).fit(X[:100], Y[:100]), X)
    wide = DIGITS.data[:100] / 16
    assert_agrees(KernelRidge(kernel="poly", degree=3).fit(wide, DIGITS.target[:100]), wide)


def test_kernel_ridge_of_a_kernel_matrix():
    matrix = np.exp(-0.05 * ((X[:, None] - X[None]) ** 2).sum(axis=2))
    assert_agrees(KernelRidge(kernel="precomputed").fit(matrix, Y), matrix)


def test_a_kernel_that_is_a_function_is_refused():
    estimator = KernelRidge(kernel=lambda a, b: float(a @ b)).fit(X[:20], Y[:20])
    with pytest.raises(ConversionError, match="Python function"):
        build(estimator)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid", "laplacian", "cosine", "chi2", "additive_chi2"])
def test_kernels_between_rows_and_points(kernel):
    rows = IRIS.data.astype(np.float32)
    rows[3] = 0
    model = fitted(lambda *_: {}, **kernel_constants(KernelRidge(kernel=kernel), rows[:20]))
    found = pairwise(torch.from_numpy(rows), model.points, model.kernel, model.gamma, model.coef0, model.degree)
    wanted = pairwise_kernels(rows.astype(float), rows[:20].astype(float), metric=kernel)
    assert np.allclose(found.numpy(), wanted, rtol=2e-6, atol=1e-6)


KERNELS = [
    None,
    RBF(2.0) + WhiteKernel(),
    RBF(np.arange(1.0, 11)) + WhiteKernel(),
    ConstantKernel(2.0) * Matern(2.0, nu=0.5) + WhiteKernel(),
    Matern(2.0, nu=1.5) + WhiteKernel(),
    Matern(np.full(10, 3.0), nu=2.5) + WhiteKernel(),
    Matern(2.0, nu=3.5) + WhiteKernel(),
    Matern(2.0, nu=np.inf) + WhiteKernel(),
    RationalQuadratic(2.0, alpha=0.5) + WhiteKernel(),
    RationalQuadratic(2.0, alpha=500) + WhiteKernel(),
    ExpSineSquared(10.0, 12.0) + WhiteKernel(),
    DotProduct() + WhiteKernel(),
    3.0 * DotProduct(2.0) ** 2 + WhiteKernel(),
    RBF(3.0) * DotProduct() + WhiteKernel(10.0),
    (RBF(3.0) + ConstantKernel(0.5)) ** 2 + WhiteKernel(),
    PairwiseKernel(metric="laplacian", gamma=0.1) + WhiteKernel(),
]


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_gaussian_process_regressor(kernel):
    estimator = GaussianProcessRegressor(kernel, optimizer=None)
    assert_agrees(estimator.fit(X[:150], Y[:150]), X)
    assert_agrees(estimator.set_params(normalize_y=True).fit(X[:150], TARGETS[:150]), X)


def test_fitted_kernels_of_a_gaussian_process():
    for kernel in 1.0 * RBF() + WhiteKernel(), RationalQuadratic() + WhiteKernel():
        assert_agrees(GaussianProcessRegressor(kernel, normalize_y=True).fit(X[:100], Y[:100]), X)


def test_a_gaussian_process_without_noise_keeps_what_float32_can():
    # Its weights are in the ten thousands and cancel.
    column = np.linspace(0, 5, 12)[:, None].astype(np.float32)
    estimator = GaussianProcessRegressor(RBF(2.2), optimizer=None).fit(column, np.sin(column[:, 0]))
    assert_agrees(estimator, np.linspace(0, 5, 50)[:, None], sqnr_db=45)


def test_kernels_that_no_runtime_has_are_refused():
    for kernel, match in (
        (Matern(nu=0.7), "Bessel"),
        (PairwiseKernel(metric="rbf", pairwise_kernels_kwargs={"a": 1}), ""),
    ):
        estimator = GaussianProcessRegressor(RBF(), optimizer=None).fit(X[:20], Y[:20])
        estimator.kernel_ = kernel
        with pytest.raises(ConversionError, match=match):
            build(estimator)


@pytest.mark.parametrize("way", ["one_vs_rest", "one_vs_one"])
@pytest.mark.parametrize(
    "kernel",
    [
        None,
        ConstantKernel(30.0) * RBF(np.ones(4)),
        Matern(2.0, nu=1.5) + WhiteKernel(0.1),
        DotProduct(),
        RBF() + PairwiseKernel(metric="poly", gamma=0.01),
    ],
    ids=str,
)
def test_gaussian_process_classifier(kernel, way):
    # Far from every point all classes are as likely.
    rows = np.concatenate([IRIS.data, np.zeros((1, 4)), np.full((1, 4), 60.0)])
    estimator = GaussianProcessClassifier(kernel, multi_class=way, optimizer=None)
    answers = assert_agrees(estimator.fit(IRIS.data, IRIS.target_names[IRIS.target]), rows)
    assert ("probabilities" in answers) == (way == "one_vs_rest")
    assert_agrees(estimator.fit(IRIS.data[50:], IRIS.target[50:] * 3), rows)


def test_gaussian_process_classifier_of_many_features():
    estimator = GaussianProcessClassifier(1.0 * RBF(5.0), optimizer=None).fit(CANCER_ROWS[:200], CANCER.target[:200])
    assert_agrees(estimator, CANCER_ROWS)


@pytest.mark.parametrize("out_of_bounds", ["nan", "clip", "raise"])
@pytest.mark.parametrize("increasing", [True, False])
def test_isotonic(increasing, out_of_bounds):
    column = CANCER.data[:, 0].astype(np.float32).astype(np.float64)
    estimator = IsotonicRegression(increasing=increasing, out_of_bounds=out_of_bounds).fit(column, CANCER.data[:, 3])
    knots = estimator.X_thresholds_
    rows = np.concatenate([column, (knots[1:] + knots[:-1]) / 2])
    if out_of_bounds != "raise":
        rows = np.concatenate([rows, [0, -5, 1e3, knots[0] - 1e-3, knots[-1] + 1e-3]])
    assert_agrees(estimator, rows[:, None])


def test_isotonic_between_float32_numbers():
    # Thresholds that float32 cannot tell apart from their neighbours.
    column = np.array([1.0, 1.0 + 1e-9, 1.1, 1.1 + 1e-7, 2.0])
    estimator = IsotonicRegression(out_of_bounds="clip").fit(column, [0.0, 1, 2, 3, 4])
    assert_agrees(estimator, np.array([[0.5], [1.0], [1.05], [1.1], [1.5], [2.0], [3.0]]))


def test_isotonic_of_one_threshold():
    estimator = IsotonicRegression().fit([1.0, 1.0], [2.0, 4.0])
    assert_agrees(estimator, np.array([[0.0], [1.0], [2.0]]))


# Every kind of computation at once: conversions take seconds.
EVERYTHING = (
    RBF(np.arange(1.0, 11)) * RationalQuadratic(2.0)
    + Matern(2.0, nu=2.5)
    + ExpSineSquared(10.0, 12.0)
    + PairwiseKernel(metric="cosine")
    + DotProduct() ** 2
    + WhiteKernel(50.0)
)


@pytest.mark.parametrize(
    "estimator",
    [
        KernelRidge(kernel="poly"),
        KernelRidge(kernel="laplacian"),
        GaussianProcessRegressor(EVERYTHING, optimizer=None),
    ],
    ids=["poly", "laplacian", "everything"],
)
def test_regressors_export(estimator, tmp_path):
    assert_exports(estimator.fit(X[:60], Y[:60]), X[:4], tmp_path)


def test_gaussian_process_classifier_exports(tmp_path):
    kernel = 2.0 * RBF() + WhiteKernel(0.1)
    estimator = GaussianProcessClassifier(kernel, optimizer=None).fit(IRIS.data[::3], IRIS.target[::3])
    assert_exports(estimator, IRIS.data[::40], tmp_path)


def test_isotonic_exports(tmp_path):
    estimator = IsotonicRegression(out_of_bounds="clip").fit(CANCER.data[:, :1], CANCER.data[:, 3])
    # It does not say itself how many columns it takes.
    estimator.n_features_in_ = 1
    assert_exports(estimator, np.array([[5.0], [10], [15], [20], [40]]), tmp_path)
