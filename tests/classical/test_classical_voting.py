"""Voting and stacking against scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from edgekit.classical import build
from edgekit.errors import ConversionError

IRIS, WINE, CANCER = (load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer))
DIABETES = load_diabetes(return_X_y=True)
NAMES = np.array(["zinnia", "aster", "lily"])


def named(value: Any) -> str:
    return "" if isinstance(value, np.ndarray) else str(value)


def around(rows: np.ndarray) -> np.ndarray:
    """The data, noise around them, zeros and large values."""
    noise = rows[:100] + np.random.default_rng(2).normal(0, 1, rows[:100].shape) * rows.std(axis=0)
    edges = np.array([np.zeros(rows.shape[1]), np.full(rows.shape[1], 100.0), -rows.mean(axis=0)])
    return np.concatenate([rows[:200], noise, edges]).astype(np.float32)


def of_three(**settings: Any) -> VotingClassifier:
    parts = [
        ("linear", make_pipeline(StandardScaler(), LogisticRegression())),
        ("bayes", GaussianNB()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
    ]
    return VotingClassifier(parts, **settings)


def of_trees(depths: tuple[int, ...], **settings: Any) -> VotingClassifier:
    trees = [(f"tree{depth}", DecisionTreeClassifier(max_depth=depth, random_state=0)) for depth in depths]
    return VotingClassifier(trees, **settings)


VOTING = [
    (of_three(voting="hard"), *IRIS),
    (of_three(voting="hard"), IRIS[0], NAMES[IRIS[1]]),
    (of_three(voting="hard", weights=[1, 2, 1.5]), WINE[0], WINE[1] * 10 - 5),
    (of_three(voting="soft"), *WINE),
    (of_three(voting="soft", weights=[0.2, 1, 3]), WINE[0], NAMES[WINE[1]]),
    (of_three(voting="soft", flatten_transform=False), *CANCER),
    (of_three(voting="soft").set_params(bayes="drop"), *CANCER),
    # Two against one of the same weight but for float64's rounding; two against two.
    (of_trees((1, 2, 4), voting="hard", weights=[0.1, 0.2, 0.3]), *WINE),
    (of_trees((1, 2, 3, 5), voting="hard"), *WINE),
]


@pytest.mark.parametrize(("voting", "rows", "labels"), VOTING, ids=named)
def test_voters_agree(voting: Any, rows: np.ndarray, labels: np.ndarray) -> None:
    answers = assert_agrees(voting.fit(rows, labels), around(rows), "label")
    others = [kind for kind in answers if kind != "label"]
    assert ("transformed" in others) == bool(voting.voting == "hard" or voting.flatten_transform)
    assert_agrees(voting, around(rows), *others)


@pytest.mark.parametrize("weights", [None, [1, 0.5, 3]])
def test_the_mean_of_regressors(weights: list[float] | None) -> None:
    parts = [("ridge", Ridge()), ("forest", RandomForestRegressor(10, random_state=0)), ("line", LinearRegression())]
    assert_agrees(VotingRegressor(parts, weights=weights).fit(*DIABETES), around(DIABETES[0]))


STACKS = [
    (StackingClassifier([("a", GaussianNB()), ("b", LinearSVC()), ("c", RidgeClassifier())]), *IRIS),
    (StackingClassifier([("a", GaussianNB()), ("b", LinearDiscriminantAnalysis())]), IRIS[0], NAMES[IRIS[1]]),
    (StackingClassifier([("a", GaussianNB()), ("b", DecisionTreeClassifier(max_depth=3))]), *CANCER),
    (StackingClassifier([("a", GaussianNB()), ("b", RidgeClassifier())], stack_method="predict"), *WINE),
    (
        StackingClassifier(
            [("a", make_pipeline(StandardScaler(), LogisticRegression())), ("b", "drop")],
            final_estimator=RandomForestClassifier(5, random_state=0),
            passthrough=True,
        ),
        WINE[0],
        WINE[1] * 10 - 5,
    ),
]


@pytest.mark.parametrize(("stack", "rows", "labels"), STACKS, ids=named)
def test_stacked_classifiers_agree(stack: Any, rows: np.ndarray, labels: np.ndarray) -> None:
    answers = assert_agrees(stack.fit(rows, labels), rows)
    assert "probabilities" in answers


@pytest.mark.parametrize("passthrough", [False, True])
def test_stacked_regressors_agree(passthrough: bool) -> None:
    parts = [("line", LinearRegression()), ("tree", DecisionTreeRegressor(max_depth=4, random_state=0))]
    stack = StackingRegressor(parts, passthrough=passthrough).fit(*DIABETES)
    assert_agrees(stack, around(DIABETES[0]))


def test_fitted_before() -> None:
    parts = [("a", GaussianNB().fit(*WINE)), ("b", DecisionTreeClassifier(max_depth=3).fit(*WINE))]
    assert_agrees(StackingClassifier(parts, cv="prefit").fit(*WINE), around(WINE[0]))


@pytest.mark.parametrize("passthrough", [False, True])
def test_behind_a_scaler(passthrough: bool) -> None:
    parts = [("a", LogisticRegression()), ("b", DecisionTreeClassifier(random_state=0))]
    stack = make_pipeline(StandardScaler(), StackingClassifier(parts, passthrough=passthrough))
    assert_agrees(stack.fit(*WINE), around(WINE[0]))
    assert_agrees(make_pipeline(StandardScaler(), VotingClassifier(parts, voting="soft")).fit(*WINE), around(WINE[0]))


def test_several_labels_are_refused() -> None:
    labels = np.stack([IRIS[1] == 0, IRIS[1] == 1], axis=1).astype(int)
    stack = StackingClassifier(
        [("tree", DecisionTreeClassifier())], final_estimator=MultiOutputClassifier(LogisticRegression())
    )
    with pytest.raises(ConversionError, match="several labels a row"):
        build(stack.fit(IRIS[0], labels))


def test_labels_of_others_are_refused() -> None:
    parts = [("a", GaussianNB().fit(IRIS[0], NAMES[IRIS[1]]))]
    voting = of_three(voting="hard").fit(*IRIS)
    voting.estimators, voting.estimators_ = parts, [parts[0][1]]
    with pytest.raises(ConversionError, match="positions among its 3 classes"):
        build(voting)


def test_exports(tmp_path: Path) -> None:
    rows = WINE[0][:20]
    assert_exports(of_three(voting="hard", weights=[0.1, 0.2, 0.3]).fit(*WINE), rows, tmp_path)
    assert_exports(of_three(voting="soft").fit(WINE[0], NAMES[WINE[1]]), rows, tmp_path)
    assert_exports(STACKS[2][0].fit(*WINE), rows, tmp_path)


def test_a_part_without_rule_is_named() -> None:
    class Own(KMeans):
        pass

    voting = of_three(voting="hard").fit(*IRIS)
    voting.estimators_ = [*voting.estimators_[:2], Own(2).fit(IRIS[0])]
    with pytest.raises(ConversionError, match="Own"):
        build(voting)
