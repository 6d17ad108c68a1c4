from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
import pytest
from classical_models import classifier_of, model_of, opened
from hypothesis import given
from hypothesis import strategies as st

from edgekit.coreml_reference.classical.trees import read_forest
from edgekit.coreml_reference.messages import parse_model
from edgekit.errors import InputError

LEAF = 6
BEHAVIOURS = (operator.le, operator.lt, operator.ge, operator.gt, operator.eq, operator.ne)


def branch(trees: Any, tree: int, node: int, test: int, where: int, value: float, *, missing: bool = False) -> None:
    trees.nodes.add(
        treeId=tree,
        nodeId=node,
        nodeBehavior=test,
        branchFeatureIndex=where,
        branchFeatureValue=value,
        trueChildNodeId=2 * node + 1,
        falseChildNodeId=2 * node + 2,
        missingValueTracksTrueChild=missing,
    )


def leaf(trees: Any, tree: int, node: int, **values: float) -> None:
    one = trees.nodes.add(treeId=tree, nodeId=node, nodeBehavior=LEAF)
    for index, value in values.items():
        one.evaluationInfo.add(evaluationIndex=int(index[1:]), evaluationValue=value)


def stump(test: int, value: float, *, missing: bool) -> Any:
    trees = parse_model(b"").treeEnsembleRegressor.treeEnsemble
    trees.numPredictionDimensions = 1
    branch(trees, 0, 0, test, 0, value, missing=missing)
    leaf(trees, 0, 1, d0=1.0)
    leaf(trees, 0, 2, d0=0.0)
    return read_forest(trees)


@given(
    test=st.sampled_from(range(6)),
    value=st.floats(allow_nan=False, width=64),
    threshold=st.floats(allow_nan=False, width=64),
    same=st.booleans(),
    missing=st.booleans(),
)
def test_every_behaviour_goes_where_the_comparison_says(
    test: int, value: float, threshold: float, same: bool, missing: bool
) -> None:
    value = threshold if same else value
    with np.errstate(over="ignore"):
        # A threshold that is a float32 is compared as one.
        exact = np.float32 if float(np.float32(threshold)) == threshold else np.float64
        expected = BEHAVIOURS[test](exact(value), exact(threshold))
    forest = stump(test, threshold, missing=missing)
    assert forest.evaluate(np.array([[value], [math.nan]])).tolist() == [[float(expected)], [float(missing)]]


def test_thresholds_that_are_no_float32_are_compared_in_double() -> None:
    assert stump(0, 0.1, missing=False).evaluate(np.array([[np.float64(np.float32(0.1))]])).item() == 0.0
    assert stump(0, float(np.float32(0.1)), missing=False).evaluate(np.array([[0.1000000016]])).item() == 1.0


def test_leaves_add_up_over_trees_and_dimensions(tmp_path: Any) -> None:
    model = model_of({"a": "double", "b": "double"}, {"y": 2}, "y")
    trees = model.treeEnsembleRegressor.treeEnsemble
    trees.numPredictionDimensions = 2
    trees.basePredictionValue.extend([10.0, 20.0])
    branch(trees, 7, 0, 1, 1, 0.5)
    leaf(trees, 7, 1, d0=1.0, d1=2.0)
    leaf(trees, 7, 2, d1=4.0)
    leaf(trees, 3, 0, d0=100.0)
    rows = opened(model, tmp_path).predict_rows([{"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 1}])
    assert [row["y"].tolist() for row in rows] == [[111.0, 22.0], [110.0, 24.0]]


@pytest.mark.parametrize(
    ("how", "leaves", "expected"),
    [
        (0, {"d0": 0.25}, [0.75, 0.25]),
        (2, {"d0": math.log(3)}, [0.25, 0.75]),
        (1, {"d0": math.log(3), "d1": 0.0}, [0.75, 0.25]),
        (3, {"d0": math.log(3)}, [0.25, 0.75]),
    ],
)
def test_transforms_of_two_classes(how: int, leaves: dict[str, float], expected: list[float], tmp_path: Any) -> None:
    model = classifier_of({"a": "double"}, words=True)
    classifier = model.treeEnsembleClassifier
    classifier.postEvaluationTransform = how
    classifier.stringClassLabels.vector.extend(["no", "yes"])
    classifier.treeEnsemble.numPredictionDimensions = len(leaves)
    leaf(classifier.treeEnsemble, 0, 0, **leaves)
    result = opened(model, tmp_path).predict({"a": 1.0})
    assert result["label"] == ["no", "yes"][int(np.argmax(expected))]
    assert result["shares"] == pytest.approx(dict(zip(["no", "yes"], expected, strict=True)), rel=1e-12)


def test_a_half_is_the_first_class(tmp_path: Any) -> None:
    model = classifier_of({"a": "double"})
    classifier = model.treeEnsembleClassifier
    classifier.int64ClassLabels.vector.extend([5, 9])
    classifier.treeEnsemble.numPredictionDimensions = 1
    leaf(classifier.treeEnsemble, 0, 0, d0=0.5)
    assert opened(model, tmp_path).predict({"a": 1}) == {"label": 5, "shares": {5: 0.5, 9: 0.5}}


def test_a_forest_of_scikit_learn(tmp_path: Any) -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 4)).astype(np.float32), rng.integers(0, 3, 200)
    forest = ensemble.RandomForestClassifier(7, max_depth=5, random_state=0).fit(x, y)
    model = classifier_of({"x": 4})
    classifier = model.treeEnsembleClassifier
    classifier.int64ClassLabels.vector.extend([0, 1, 2])
    classifier.treeEnsemble.numPredictionDimensions = 3
    for number, one in enumerate(forest.estimators_):
        tree = one.tree_
        for node in range(tree.node_count):
            if tree.children_left[node] < 0:
                shares = tree.value[node][0] / tree.value[node][0].sum() / len(forest.estimators_)
                leaf(classifier.treeEnsemble, number, node, **{f"d{i}": v for i, v in enumerate(shares)})
            else:
                classifier.treeEnsemble.nodes.add(
                    treeId=number,
                    nodeId=node,
                    branchFeatureIndex=int(tree.feature[node]),
                    branchFeatureValue=tree.threshold[node],
                    trueChildNodeId=int(tree.children_left[node]),
                    falseChildNodeId=int(tree.children_right[node]),
                )
    rows = opened(model, tmp_path).predict_rows([{"x": row} for row in x])
    np.testing.assert_allclose([list(row["shares"].values()) for row in rows], forest.predict_proba(x), atol=1e-12)


@pytest.mark.parametrize(
    "fault", ["same number", "no child", "two parents", "loop", "two roots", "no value", "outside"]
)
def test_what_is_no_tree_is_refused(fault: str) -> None:
    trees = parse_model(b"").treeEnsembleRegressor.treeEnsemble
    trees.numPredictionDimensions = 1
    branch(trees, 0, 0, 0, 0, 1.0)
    leaf(trees, 0, 1, d0=1.0)
    if fault != "no child":
        leaf(trees, 0, 2, **({} if fault == "no value" else {"d1" if fault == "outside" else "d0": 1.0}))
    if fault == "same number":
        leaf(trees, 0, 2, d0=1.0)
    elif fault == "two parents":
        trees.nodes[0].falseChildNodeId = 1
    elif fault == "loop":
        trees.nodes[0].falseChildNodeId = 0
    elif fault == "two roots":
        leaf(trees, 0, 9, d0=1.0)
    with pytest.raises(InputError, match="read the tree ensemble"):
        read_forest(trees)


def test_too_few_features(tmp_path: Any) -> None:
    forest = stump(0, 1.0, missing=False)
    object.__setattr__(forest, "feature", forest.feature + 3)
    with pytest.raises(InputError, match="look at feature 3"):
        forest.evaluate(np.zeros((1, 1)))
