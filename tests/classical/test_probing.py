"""Models asked at their splits: rows that arrive there, and verdicts that fail where a file turns them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, PowerTransformer, QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from test_tree_layouts import trees

import edgekit
from edgekit.classical.probing import probed
from edgekit.classical.probing.members import Member
from edgekit.classical.probing.rows import _Grown

IRIS, CANCER = (load(return_X_y=True) for load in (load_iris, load_breast_cancer))
ROWS = IRIS[0].astype(np.float32)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(1, 3))
def test_rows_are_brought_to_their_node(data: Any, features: int) -> None:
    tree = data.draw(trees(features, 1))
    grown = _Grown(Member(tree))
    values = st.sampled_from([-2.0, 0.0, 0.5, 1.0, 3.0, np.nan, np.inf])
    start = np.array(data.draw(st.lists(values, min_size=features, max_size=features)), np.float32)
    for wanted in np.flatnonzero(grown.asks):
        row = start.copy()
        if not grown.bring(row, int(wanted)):
            continue
        node = 0
        while node != wanted:
            x = float(row[tree.feature[node]])
            left = x in tree.categories[node] if node in tree.categories else x <= tree.threshold[node]
            node = int(tree.left[node] if left else tree.right[node])
            assert tree.feature[node] >= 0, "the row went past the split"


@pytest.mark.parametrize(
    ("model", "splits"),
    [
        (DecisionTreeClassifier(random_state=0), lambda m: m.get_n_leaves() - 1),
        (RandomForestClassifier(5, random_state=0), lambda m: sum(t.get_n_leaves() - 1 for t in m.estimators_)),
        (BaggingClassifier(max_features=0.5, n_estimators=3, random_state=0), None),
        (GradientBoostingClassifier(n_estimators=3), None),
        (IsolationForest(n_estimators=3, random_state=0), None),
        (make_pipeline(StandardScaler(), PowerTransformer(), DecisionTreeClassifier(random_state=0)), None),
        (VotingClassifier([("a", DecisionTreeClassifier()), ("b", LogisticRegression(max_iter=1000))]), None),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_splits_are_found(model: Any, splits: Any) -> None:
    model.fit(*IRIS)
    found = probed(model, ROWS, missing=False, seed=0)
    assert found is not None
    assert found.splits == found.of > 0
    assert len(found.rows) <= 3 * found.of
    if splits is not None:
        assert found.of == splits(model)
    assert len(np.unique(model.predict(found.rows))) > 1


def test_models_without_splits_of_their_rows() -> None:
    linear = LogisticRegression(max_iter=1000).fit(*IRIS)
    behind = make_pipeline(PolynomialFeatures(2), DecisionTreeClassifier()).fit(*IRIS)
    assert probed(linear, ROWS, missing=False, seed=0) is None
    assert probed(behind, ROWS, missing=False, seed=0) is None


def test_a_bound_on_the_rows() -> None:
    forest = RandomForestClassifier(300, random_state=0).fit(*IRIS)
    wide = np.zeros((2, 4096), np.float32)
    found = probed(forest, wide, missing=False, seed=0)
    assert found is not None
    assert found.rows.nbytes <= 4 << 23
    assert found.splits < found.of


def notes_of(result: Any) -> list[str]:
    return [note for row in result.artifacts for note in row["verdict"]["notes"] if "splits" in note]


@pytest.mark.parametrize("scaler", [StandardScaler(), PowerTransformer(), QuantileTransformer(n_quantiles=50)])
def test_labels_agree_at_splits_behind_scalers(scaler: Any, tmp_path: Path) -> None:
    model = make_pipeline(scaler, DecisionTreeClassifier(random_state=0)).fit(*CANCER)
    result = edgekit.convert(
        model, ["onnx", "tflite", "coreml"], samples=CANCER[0][:50].astype(np.float32), output=tmp_path / "m.edge"
    )
    assert result
    assert len(notes_of(result)) == 3
    assert all("as the original" in note for note in notes_of(result))


def test_a_turned_row_fails_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds rounded to the nearest float32, as other converters write them."""
    model = DecisionTreeClassifier(random_state=0).fit(*CANCER)
    monkeypatch.setattr(
        "edgekit.classical.trees.tree.pulled_back", lambda _, thresholds, *__, **___: np.float32(thresholds)
    )
    samples = CANCER[0][:50].astype(np.float32)
    result = edgekit.convert(model, "tflite", samples=samples, output=tmp_path / "m.edge")
    assert not result
    (row,) = result.artifacts
    assert row["verdict"]["label_agreement"] < 1
    assert row["verdict"]["tolerance_that_passes"]["label_agreement"] < 1
    (problem,) = row["verdict"]["outputs"]["label"]["problems"]
    assert "splits (at the threshold" in problem


def test_infinity_goes_where_the_original_sends_it(tmp_path: Path) -> None:
    """A split into "a number" and "missing" sends infinity with the numbers."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.15] = np.nan
    model = HistGradientBoostingRegressor(max_iter=5).fit(rows, np.isnan(rows[:, 0]) * 1.0)
    assert np.isinf(model._predictors[0][0].nodes["num_threshold"]).any()
    assert edgekit.convert(model, ["onnx", "tflite", "coreml"], samples=rows[:100], output=tmp_path / "m.edge")
    asked = np.zeros((4, 3), np.float32)
    asked[:, 0] = [np.inf, -np.inf, np.nan, np.finfo(np.float32).max]
    for target in ("onnx", "tflite", "coreml"):
        answer = edgekit.load(tmp_path / "m.edge", target=target).run({"X": asked})["prediction"]
        np.testing.assert_allclose(answer, model.predict(asked), rtol=1e-5, err_msg=target)


def test_trees_that_cannot_be_asked_are_named(tmp_path: Path) -> None:
    model = make_pipeline(PolynomialFeatures(2), DecisionTreeClassifier(random_state=0)).fit(*IRIS)
    result = edgekit.convert(model, "onnx", samples=ROWS, output=tmp_path / "m.edge")
    assert not notes_of(result)
    assert any("not asked at their splits" in note for note in result.notes)
    linear = LogisticRegression(max_iter=1000).fit(*IRIS)
    assert not edgekit.convert(linear, "onnx", samples=ROWS, output=tmp_path / "linear.edge").notes
