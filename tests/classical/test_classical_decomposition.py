"""Decompositions, projections, sparse codes and embeddings against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import (
    PCA,
    DictionaryLearning,
    FactorAnalysis,
    FastICA,
    IncrementalPCA,
    KernelPCA,
    LatentDirichletAllocation,
    MiniBatchDictionaryLearning,
    MiniBatchSparsePCA,
    SparseCoder,
    SparsePCA,
    TruncatedSVD,
)
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from edgekit.classical import build
from edgekit.errors import ConversionError
from edgekit.signature import Array

WINE = load_wine(return_X_y=True)[0]
CANCER = load_breast_cancer(return_X_y=True)[0]
DIGITS = load_digits(return_X_y=True)[0][:400]
IRIS, SPECIES = load_iris(return_X_y=True)

# What scikit-learn says and does of graphs that fall apart.
unconnected = pytest.mark.filterwarnings("ignore:The number of connected components:UserWarning")
sparsity = pytest.mark.filterwarnings("ignore:Changing the sparsity structure::scipy")


def rows_of(data: Array) -> Array:
    """Rows that were seen, rows between them, zeros and large ones."""
    between = (data[:20] + data[20:40]) * 0.5
    return np.concatenate([data[:40], between, np.zeros((1, data.shape[1])), data[:2] * 100.0])


@pytest.mark.parametrize("data", [WINE, CANCER, DIGITS], ids=["wine", "cancer", "digits"])
@pytest.mark.parametrize(
    "estimator",
    [
        PCA(3),
        PCA(0.9, svd_solver="full"),
        PCA(3, whiten=True),
        IncrementalPCA(4),
        IncrementalPCA(3, whiten=True),
        TruncatedSVD(4),
        FastICA(3, random_state=0, tol=0.1, max_iter=500),
        FastICA(3, random_state=0, tol=0.1, max_iter=500, whiten="arbitrary-variance"),
        FactorAnalysis(3),
        FactorAnalysis(2, rotation="varimax"),
        SparsePCA(3, max_iter=5),
        SparsePCA(2, max_iter=5, ridge_alpha=0.5),
        MiniBatchSparsePCA(3, max_iter=3),
        GaussianRandomProjection(4, random_state=0),
        SparseRandomProjection(5, random_state=0),
        SparseRandomProjection(5, random_state=0, dense_output=True),
    ],
    ids=repr,
)
def test_affine_maps(estimator: Any, data: Array) -> None:
    assert_agrees(estimator.fit(data), rows_of(data), "transformed", sqnr_db=110)


def test_fast_ica_without_whitening() -> None:
    scaled = (WINE - WINE.mean(axis=0)) / WINE.std(axis=0)
    ica = FastICA(whiten=False, random_state=0, tol=1.0).fit(scaled)
    assert_agrees(ica, rows_of(scaled), sqnr_db=110)


def test_neighborhood_components() -> None:
    nca = NeighborhoodComponentsAnalysis(2, max_iter=10, random_state=0).fit(IRIS, SPECIES)
    assert_agrees(nca, rows_of(IRIS), sqnr_db=110)


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid", "cosine"])
@pytest.mark.parametrize("data", [WINE / WINE.max(axis=0), DIGITS / 16.0], ids=["wine", "digits"])
def test_kernel_pca(kernel: str, data: Array) -> None:
    assert_agrees(KernelPCA(4, kernel=kernel).fit(data), rows_of(data))
    assert_agrees(KernelPCA(3, kernel=kernel, gamma=0.3, degree=2, coef0=0.5).fit(data), data[:40])


def test_kernel_pca_of_a_kernel_matrix_and_without_null_space() -> None:
    kernel = WINE @ WINE.T
    assert_agrees(KernelPCA(2, kernel="precomputed").fit(kernel), kernel)
    assert_agrees(KernelPCA(remove_zero_eig=True, kernel="cosine").fit(IRIS[::5]), IRIS[:40])


def test_kernel_pca_refuses_functions() -> None:
    model = KernelPCA(2, kernel=lambda a, b: a @ b).fit(WINE)
    with pytest.raises(ConversionError, match="Python function"):
        build(model)


@pytest.mark.parametrize(
    "coder",
    [
        DictionaryLearning(8, max_iter=3, random_state=0),
        DictionaryLearning(80, max_iter=1, random_state=0, transform_n_nonzero_coefs=10),
        MiniBatchDictionaryLearning(12, max_iter=3, random_state=0, transform_algorithm="threshold", split_sign=True),
        MiniBatchDictionaryLearning(12, max_iter=3, random_state=0, transform_algorithm="threshold", alpha=7.0),
        SparseCoder(DIGITS[:9], transform_algorithm="threshold", transform_alpha=20.0, positive_code=True),
        SparseCoder(DIGITS[:9] / 30.0, transform_algorithm="threshold"),
        SparseCoder(DIGITS[:9] / 30.0, transform_algorithm="omp", transform_n_nonzero_coefs=3, split_sign=True),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Orthogonal matching pursuit ended prematurely:RuntimeWarning")
def test_sparse_codes(coder: Any) -> None:
    assert_agrees(coder.fit(DIGITS[:150]), np.concatenate([DIGITS[150:250], DIGITS[:12], np.zeros((2, 64))]))


@pytest.mark.parametrize("algorithm", ["lasso_lars", "lasso_cd", "lars"])
def test_codes_that_iterate_to_convergence_are_refused(algorithm: str) -> None:
    coder = SparseCoder(DIGITS[:9], transform_algorithm=algorithm).fit(DIGITS)
    with pytest.raises(ConversionError, match=algorithm):
        build(coder)


def test_long_pursuits_are_refused() -> None:
    coder = SparseCoder(DIGITS[:50], transform_algorithm="omp", transform_n_nonzero_coefs=40).fit(DIGITS)
    with pytest.raises(ConversionError, match="transform_n_nonzero_coefs"):
        build(coder)


@pytest.mark.parametrize(
    "topics",
    [
        LatentDirichletAllocation(3, max_iter=3, random_state=0),
        LatentDirichletAllocation(12, max_iter=3, random_state=0, doc_topic_prior=0.01, topic_word_prior=0.001),
        LatentDirichletAllocation(5, max_iter=3, random_state=0, mean_change_tol=0.1, learning_method="online"),
    ],
    ids=repr,
)
def test_topics(topics: Any) -> None:
    rows = np.concatenate([DIGITS[200:], np.zeros((1, 64)), np.eye(64)[10:30], DIGITS[:2] * 50.0])
    assert_agrees(topics.fit(DIGITS[:200]), rows)


def test_long_inference_is_refused() -> None:
    topics = LatentDirichletAllocation(3, max_iter=1, max_doc_update_iter=500).fit(DIGITS[:50])
    with pytest.raises(ConversionError, match="max_doc_update_iter"):
        build(topics)


@pytest.mark.parametrize("data", [WINE, DIGITS[:200]], ids=["wine", "digits"])
@pytest.mark.parametrize(
    "estimator",
    [
        Isomap(n_neighbors=5),
        Isomap(n_neighbors=9, n_components=3, metric="manhattan"),
        Isomap(n_neighbors=9, p=3),
        LocallyLinearEmbedding(n_neighbors=5, random_state=0),
        LocallyLinearEmbedding(n_neighbors=12, n_components=3, reg=1e-2, random_state=0),
        LocallyLinearEmbedding(n_neighbors=12, method="modified", random_state=0),
    ],
    ids=repr,
)
@unconnected
@sparsity
def test_embeddings(estimator: Any, data: Array) -> None:
    noise = np.random.default_rng(0).normal(size=data.shape) * data.std(axis=0) * 0.1
    assert_agrees(estimator.fit(data), np.concatenate([(data + noise)[:50], data[:50], data[:2] * 3.0]))


@pytest.mark.parametrize(
    ("estimator", "setting"),
    [
        (Isomap(n_neighbors=None, radius=90.0), "n_neighbors"),
        (LocallyLinearEmbedding(n_neighbors=40, random_state=0), "n_neighbors"),
        (Isomap(metric=lambda a, b: float(abs(a - b).max())), "metric"),
    ],
    ids=["radius", "neighbors", "metric"],
)
@unconnected
@sparsity
def test_refused_embeddings(estimator: Any, setting: str) -> None:
    with pytest.raises(ConversionError, match=setting):
        build(estimator.fit(WINE[::2]))


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (PCA(3, whiten=True), CANCER),
        (KernelPCA(3, kernel="rbf"), WINE / WINE.max(axis=0)),
        (SparseCoder(DIGITS[:9] / 30.0, transform_algorithm="omp", transform_n_nonzero_coefs=3), DIGITS),
        (Isomap(n_neighbors=5), DIGITS[:100]),
        (LocallyLinearEmbedding(n_neighbors=3, random_state=0), WINE),
        (LatentDirichletAllocation(4, max_iter=2, max_doc_update_iter=4, random_state=0), DIGITS),
    ],
    ids=["pca", "rbf", "omp", "isomap", "lle", "topics"],
)
@unconnected
@sparsity
def test_exports(estimator: Any, data: Array, tmp_path: Path) -> None:
    assert_exports(estimator.fit(data), data[40:46], tmp_path)
