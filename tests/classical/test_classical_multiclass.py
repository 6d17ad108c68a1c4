"""One estimator a class, a pair, a bit or a target, and classifiers of rows without labels, against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.base import is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from edgekit.classical import build
from edgekit.errors import ConversionError

IRIS, WINE, CANCER = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
DIABETES = load_diabetes(return_X_y=True)
NAMES = np.array(["zinnia", "aster", "lily"])
TARGETS = np.stack([DIABETES[1], DIABETES[0][:, 2] * 1000, DIABETES[1] ** 2 / 100], axis=1)


def named(value: Any) -> str:
    return "" if isinstance(value, np.ndarray) else str(value)


def around(rows: np.ndarray) -> np.ndarray:
    """The data, noise around them, zeros and large values."""
    noise = rows[:100] + np.random.default_rng(2).normal(0, 1, rows[:100].shape) * rows.std(axis=0)
    edges = np.array([np.zeros(rows.shape[1]), np.full(rows.shape[1], 100.0), -rows.mean(axis=0)])
    return np.concatenate([rows[:200], noise, edges]).astype(np.float32)


DATA = [IRIS, (WINE[0], NAMES[WINE[1]]), (CANCER[0], CANCER[1] * 5 - 3)]
MEMBERS = [
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), LinearSVC(random_state=0)),
    DecisionTreeClassifier(max_depth=4, random_state=0),
    RandomForestClassifier(5, random_state=0),
    LinearRegression(),
    DecisionTreeRegressor(max_depth=4, random_state=0),
]


@pytest.mark.parametrize("member", MEMBERS, ids=named)
@pytest.mark.parametrize("around_it", [OneVsRestClassifier, OneVsOneClassifier, OutputCodeClassifier])
@pytest.mark.parametrize(("rows", "labels"), DATA, ids=named)
def test_one_of_several(around_it: Any, member: Any, rows: np.ndarray, labels: np.ndarray) -> None:
    model = around_it(member)
    if around_it is OutputCodeClassifier:
        if is_regressor(member):
            pytest.skip("scikit-learn takes classifiers only")
        model.set_params(code_size=3, random_state=0)
    answers = assert_agrees(model.fit(rows, labels), around(rows))
    methods = {"label": "predict", "probabilities": "predict_proba", "scores": "decision_function"}
    assert set(answers) == {kind for kind, method in methods.items() if hasattr(model, method)}


def test_a_bit_that_all_classes_share() -> None:
    model = OutputCodeClassifier(LogisticRegression(max_iter=3000), code_size=4, random_state=3).fit(*IRIS)
    assert len(np.unique(model.code_book_, axis=1).T) > 1
    assert any(type(one).__name__ == "_ConstantPredictor" for one in model.estimators_)
    assert_agrees(model, around(IRIS[0]))


def test_classes_of_the_same_code() -> None:
    model = OutputCodeClassifier(LogisticRegression(max_iter=3000), code_size=0.7, random_state=0)
    assert_agrees(model.fit(*IRIS), around(IRIS[0]))


def test_a_kernel_between_rows_is_refused() -> None:
    rows, labels = IRIS
    with pytest.raises(ConversionError, match="kernel between rows"):
        build(OneVsOneClassifier(SVC(kernel="precomputed")).fit(rows @ rows.T, labels))


@pytest.mark.parametrize("around_it", [OneVsRestClassifier, OneVsOneClassifier])
@pytest.mark.parametrize("member", [DecisionTreeClassifier(random_state=0), LogisticRegression()], ids=named)
def test_behind_a_scaler(around_it: Any, member: Any) -> None:
    assert_agrees(make_pipeline(StandardScaler(), around_it(member)).fit(*WINE), around(WINE[0]))


@pytest.mark.parametrize("member", [Ridge(), GradientBoostingRegressor(n_estimators=5, random_state=0)], ids=named)
def test_several_targets(member: Any) -> None:
    rows = around(DIABETES[0])
    assert_agrees(MultiOutputRegressor(member).fit(DIABETES[0], TARGETS), rows)
    assert_agrees(make_pipeline(StandardScaler(), MultiOutputRegressor(member)).fit(DIABETES[0], TARGETS), rows)
    assert_agrees(RegressorChain(member, order=[2, 0, 1]).fit(DIABETES[0], TARGETS), rows)


def test_several_labels_are_refused() -> None:
    labels = np.stack([IRIS[1] == 0, IRIS[1] == 1], axis=1).astype(int)
    for around_it in (OneVsRestClassifier, MultiOutputClassifier, ClassifierChain):
        with pytest.raises(ConversionError, match="several labels a row"):
            build(around_it(GaussianNB()).fit(IRIS[0], labels))


def hidden(labels: np.ndarray) -> np.ndarray:
    """Two labels of three left out."""
    return np.where(np.arange(len(labels)) % 3 == 0, labels, -1)


SEMI = [
    (LabelPropagation(max_iter=2000), *IRIS),
    (LabelPropagation(kernel="knn", n_neighbors=9, max_iter=2000), *WINE),
    (LabelSpreading(gamma=5, alpha=0.4), IRIS[0], IRIS[1] * 10 + 7),
    (LabelSpreading(kernel="knn"), *CANCER),
    (LabelSpreading(gamma=0.25), *WINE),
    (SelfTrainingClassifier(GaussianNB()), *WINE),
    (SelfTrainingClassifier(make_pipeline(StandardScaler(), LogisticRegression())), *CANCER),
]


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
@pytest.mark.parametrize(("model", "rows", "labels"), SEMI, ids=named)
def test_rows_without_labels(model: Any, rows: np.ndarray, labels: np.ndarray) -> None:
    assert_agrees(model.fit(rows, hidden(labels)), around(rows))


def test_a_kernel_in_python_is_refused() -> None:
    model = LabelSpreading(kernel=lambda first, second: np.exp(first @ second.T / 100)).fit(IRIS[0], hidden(IRIS[1]))
    with pytest.raises(ConversionError, match="Python function"):
        build(model)


def test_exports(tmp_path: Path) -> None:
    rows = IRIS[0][::15]
    assert_exports(OneVsOneClassifier(LinearSVC(random_state=0)).fit(*IRIS), rows, tmp_path)
    assert_exports(OneVsRestClassifier(LogisticRegression()).fit(IRIS[0], NAMES[IRIS[1]]), rows, tmp_path)
    assert_exports(OutputCodeClassifier(LinearSVC(), code_size=3, random_state=0).fit(*IRIS), rows, tmp_path)
    assert_exports(LabelSpreading().fit(IRIS[0], hidden(IRIS[1])), rows, tmp_path)
    assert_exports(RegressorChain(Ridge()).fit(DIABETES[0], TARGETS), DIABETES[0][:10], tmp_path)
