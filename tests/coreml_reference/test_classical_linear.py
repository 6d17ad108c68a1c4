from __future__ import annotations

import math
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from classical_models import classifier_of, model_of, opened
from hypothesis import given
from hypothesis import strategies as st

from edgekit.coreml_reference.classical.svm import pairwise
from edgekit.errors import InputError, UnsupportedError


def linear(model: Any, weights: list[list[float]], offset: list[float]) -> None:
    for row in weights:
        model.weights.add().value.extend(row)
    model.offset.extend(offset)


@pytest.mark.parametrize(
    ("how", "expected"), [(0, 0.3), (1, 1 / (1 + math.exp(-0.3))), (2, NormalDist().cdf(0.3))], ids=["as is", "l", "p"]
)
def test_regressors(how: int, expected: float, tmp_path: Any) -> None:
    model = model_of({"a": "double", "b": "int64"}, {"y": "double"}, "y")
    linear(model.glmRegressor, [[0.5, -0.1]], [0.1])
    model.glmRegressor.postEvaluationTransform = how
    result = opened(model, tmp_path).predict({"a": 1.0, "b": 3})["y"]
    assert isinstance(result, float)
    assert result == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("how", [0, 1])
@pytest.mark.parametrize("encoding", [0, 1])
def test_two_classes(how: int, encoding: int, tmp_path: Any) -> None:
    model = classifier_of({"x": 2}, words=True)
    linear(model.glmClassifier, [[1.0, 2.0]], [-0.5])
    model.glmClassifier.postEvaluationTransform, model.glmClassifier.classEncoding = how, encoding
    model.glmClassifier.stringClassLabels.vector.extend(["Foo", "Bar"])
    share = NormalDist().cdf(0.7) if how else 1 / (1 + math.exp(-0.7))
    result = opened(model, tmp_path).predict({"x": [0.2, 0.5]})
    assert result["label"] == "Bar"
    assert result["shares"] == pytest.approx({"Foo": 1 - share, "Bar": share}, rel=1e-12)


def test_many_classes(tmp_path: Any) -> None:
    model = classifier_of({"x": 1})
    linear(model.glmClassifier, [[1.0], [2.0]], [0.0, 0.0])
    model.glmClassifier.int64ClassLabels.vector.extend([3, 4, 5])
    powers = np.exp([0.0, 1.0, 2.0])
    result = opened(model, tmp_path).predict({"x": [1.0]})
    assert result["label"] == 5
    assert list(result["shares"].values()) == pytest.approx((powers / powers.sum()).tolist(), rel=1e-12)


def test_one_versus_rest_is_scikit_learns(tmp_path: Any) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    multiclass = pytest.importorskip("sklearn.multiclass")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 3)), rng.integers(0, 4, 80)
    rest = multiclass.OneVsRestClassifier(linear_model.LogisticRegression()).fit(x, y)
    model = classifier_of({"x": 3})
    linear(
        model.glmClassifier,
        [one.coef_[0].tolist() for one in rest.estimators_],
        [float(one.intercept_[0]) for one in rest.estimators_],
    )
    model.glmClassifier.classEncoding = 1
    model.glmClassifier.int64ClassLabels.vector.extend([0, 1, 2, 3])
    rows = opened(model, tmp_path).predict_rows([{"x": row} for row in x])
    np.testing.assert_allclose([list(row["shares"].values()) for row in rows], rest.predict_proba(x), atol=1e-12)
    assert [row["label"] for row in rows] == rest.predict(x).tolist()


def test_what_does_not_fit_is_refused(tmp_path: Any) -> None:
    model = classifier_of({"x": 1})
    linear(model.glmClassifier, [[1.0], [2.0]], [0.0, 0.0])
    model.glmClassifier.int64ClassLabels.vector.extend([3, 4])
    with pytest.raises(InputError, match="2 weight vectors do not fit 2 classes"):
        opened(model, tmp_path)
    model.glmClassifier.int64ClassLabels.vector.append(5)
    model.glmClassifier.postEvaluationTransform = 1
    with pytest.raises(UnsupportedError, match="probit"):
        opened(model, tmp_path)


KERNELS = {
    "linear": ("linearKernel", {}),
    "rbf": ("rbfKernel", {"gamma": 0.7}),
    "poly": ("polyKernel", {"gamma": 0.7, "c": 0.5, "degree": 3}),
    "sigmoid": ("sigmoidKernel", {"gamma": 0.1, "c": 0.5}),
}


def kernel(model: Any, name: str) -> None:
    field, values = KERNELS[name]
    getattr(model.kernel, field).SetInParent()
    for key, value in values.items():
        setattr(getattr(model.kernel, field), key, value)


def vectors(model: Any, rows: Any, *, sparse: bool) -> None:
    for row in rows:
        if not sparse:
            model.denseSupportVectors.vectors.add().values.extend(row)
            continue
        one = model.sparseSupportVectors.vectors.add()
        for place in np.flatnonzero(row):
            one.nodes.add(index=int(place) + 1, value=row[place])


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("sparse", [False, True])
def test_machines_are_scikit_learns(name: str, sparse: bool, tmp_path: Any) -> None:
    svm = pytest.importorskip("sklearn.svm")
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 3)), rng.integers(0, 3, 60)
    x[:, 2] *= x[:, 2] > 0
    options = {"coef0" if key == "c" else key: value for key, value in KERNELS[name][1].items()}
    trained = svm.SVC(kernel=name, **options).fit(x, y)
    model = model_of({"x": 3}, {"label": "int64"}, "label")
    machine = model.supportVectorClassifier
    kernel(machine, name)
    machine.numberOfSupportVectorsPerClass.extend(trained.n_support_.tolist())
    vectors(machine, trained.support_vectors_, sparse=sparse)
    machine.rho.extend((-trained.intercept_).tolist())
    for row in trained.dual_coef_:
        machine.coefficients.add().alpha.extend(row)
    machine.int64ClassLabels.vector.extend([0, 1, 2])
    rows = opened(model, tmp_path).predict_rows([{"x": row} for row in x])
    assert [row["label"] for row in rows] == trained.predict(x).tolist()

    fitted = svm.SVR(kernel=name, **options).fit(x, x[:, 0])
    model = model_of({"x": 3}, {"y": "double"}, "y")
    machine = model.supportVectorRegressor
    kernel(machine, name)
    vectors(machine, fitted.support_vectors_, sparse=sparse)
    machine.coefficients.alpha.extend(fitted.dual_coef_[0])
    machine.rho = -fitted.intercept_[0]
    rows = opened(model, tmp_path).predict_rows([{"x": row} for row in x])
    np.testing.assert_allclose([row["y"] for row in rows], fitted.predict(x), rtol=1e-10, atol=1e-10)


@given(st.lists(st.floats(0.01, 1.0), min_size=3, max_size=6))
def test_coupling_finds_the_shares_that_pairs_came_from(weights: list[float]) -> None:
    shares = np.array(weights) / sum(weights)
    pairs = np.array([[shares[a] / (shares[a] + shares[b]) for a, b in combinations(range(len(shares)), 2)]])
    found = pairwise(pairs, len(shares))[0]
    assert found.sum() == pytest.approx(1.0)
    # libsvm stops early: at 0.005 / classes.
    np.testing.assert_allclose(found, shares, atol=0.05)


def test_pairs_of_two_classes_are_their_shares() -> None:
    assert pairwise(np.array([[0.2], [0.0], [math.nan]]), 2).tolist() == [
        [0.2, 0.8],
        [1e-7, 1 - 1e-7],
        [1e-7, 1 - 1e-7],
    ]


def test_probabilities_without_their_parameters_are_refused(tmp_path: Any) -> None:
    model = classifier_of({"x": 1})
    machine = model.supportVectorClassifier
    kernel(machine, "linear")
    machine.numberOfSupportVectorsPerClass.extend([1, 1])
    vectors(machine, [[1.0], [2.0]], sparse=False)
    machine.coefficients.add().alpha.extend([1.0, -1.0])
    machine.rho.append(0.0)
    machine.int64ClassLabels.vector.extend([0, 1])
    with pytest.raises(InputError, match="nothing to compute probabilities from"):
        opened(model, tmp_path).predict({"x": [1.0]})
    machine.probA.append(-2.0)
    machine.probB.append(0.5)
    # The decision is 1 * (1 - 2) = -1, so 1 / (1 + exp(2 + 0.5)).
    result = opened(model, tmp_path).predict({"x": [1.0]})
    assert result["shares"][0] == pytest.approx(1 / (1 + math.exp(2.5)))
    assert result["label"] == 1
