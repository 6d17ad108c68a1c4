"""Every layout of trees gives the leaves that a walk by hand comes to, and the layouts reach the files."""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor

import edgekit
from edgekit.classical.trees.forest import forest, lay_out, leaf_values, summed
from edgekit.classical.trees.tree import Tree
from edgekit.runtime.onnx import OnnxEngine

pytest.importorskip("litert_torch.backend.experimental.torch_tfl", reason="litert-torch is not installed")

LAYOUTS: list[tuple[str, dict[str, Any]]] = [
    ("traversal", {}),
    ("operator", {}),
    ("gemm", {}),
    *(("lookup", {"top": top, "by": by}) for top in (1, 2, 4) for by in ("pairs", "nodes")),
]
# Few numbers, so that rows meet thresholds and one another; NaN and what lies beyond every threshold.
THRESHOLDS = [-1e38, -2, -1, -0.0, 0, 0.1, 0.5, 1, 2, 3, 1e38, np.inf]
NUMBERS = np.array([*THRESHOLDS, np.nan, np.finfo(np.float32).max, -np.inf], np.float32)
CANCER, DIGITS = load_breast_cancer(return_X_y=True), load_digits(return_X_y=True)


@st.composite
def trees(draw: Any, features: int, outputs: int) -> Tree:
    """A tree grown by chance: its shape, features, thresholds, ways of NaN and categories."""
    nodes: list[dict[str, Any]] = []

    def grow(depth: int) -> int:
        number = len(nodes)
        nodes.append({})
        splits = depth < 5 and draw(st.booleans())
        node = {
            "feature": draw(st.integers(0, features - 1)) if splits else -1,
            "threshold": draw(st.sampled_from(THRESHOLDS)) if splits else -2.0,
            "missing": draw(st.booleans()) and splits,
            "value": [float(draw(st.integers(-3, 3))) for _ in range(outputs)],
            "categories": frozenset(draw(st.sets(st.integers(0, 4))))
            if splits and draw(st.integers(0, 4)) == 0
            else None,
        }
        node["left"], node["right"] = (grow(depth + 1), grow(depth + 1)) if splits else (-1, -1)
        nodes[number] = node
        return number

    grow(0)
    column = {name: np.array([node[name] for node in nodes]) for name in ("feature", "threshold", "left", "right")}
    return Tree(
        **column,
        value=np.array([node["value"] for node in nodes]),
        missing_left=np.array([node["missing"] for node in nodes]) if draw(st.booleans()) else None,
        categories={n: node["categories"] for n, node in enumerate(nodes) if node["categories"] is not None},
    )


def by_hand(tree: Tree, row: np.ndarray) -> np.ndarray:
    node = 0
    while tree.feature[node] >= 0:
        x = row[tree.feature[node]]
        if np.isnan(x):
            left = tree.missing_left is not None and bool(tree.missing_left[node])
        elif node in tree.categories:
            left = float(x) in {float(member) for member in tree.categories[node]}
        else:
            left = float(x) <= tree.threshold[node]
        node = int(tree.left[node] if left else tree.right[node])
    return tree.value[node]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(1, 3))
def test_layouts_agree_with_a_walk_by_hand(data: Any, features: int, outputs: int) -> None:
    grown = data.draw(st.lists(trees(features, outputs), min_size=1, max_size=4))
    if not any((tree.feature >= 0).any() for tree in grown):
        return
    rows = data.draw(
        st.lists(
            st.lists(st.sampled_from(NUMBERS.tolist()), min_size=features, max_size=features), min_size=1, max_size=6
        )
    )
    given_rows = np.array(rows, np.float32)
    wanted = np.array([[by_hand(tree, row) for tree in grown] for row in given_rows])
    module = forest(grown)
    for name, chosen in LAYOUTS:
        lay_out(module, name, **chosen)
        x = torch.from_numpy(given_rows)
        np.testing.assert_array_equal(leaf_values(module, x).numpy(), wanted, err_msg=f"{name} {chosen}")
        np.testing.assert_array_equal(summed(module, x).numpy(), wanted.sum(axis=1), err_msg=f"{name} {chosen}")


@pytest.mark.parametrize(("name", "chosen"), LAYOUTS, ids=lambda value: "".join(map(str, value)) or "plain")
@pytest.mark.parametrize("groups", [[0, 0, 1, 1], [0, 1, 1, 1]], ids=["even", "uneven"])
def test_trees_add_to_their_groups(name: str, chosen: dict[str, Any], groups: list[int]) -> None:
    stump = Tree(
        np.array([0, -1, -1]), np.zeros(3), np.array([1, -1, -1]), np.array([2, -1, -1]), np.array([[0], [1], [5]])
    )
    module = forest([stump] * 4, groups=groups)
    lay_out(module, name, **chosen)
    sizes = np.bincount(groups)
    sums = summed(module, torch.tensor([[-1.0], [1.0]])).numpy()
    np.testing.assert_array_equal(sums, [sizes * 1.0, sizes * 5.0])


def converted(model: Any, rows: np.ndarray, folder: Path, **options: Any) -> Any:
    result = edgekit.convert(model, samples=rows[:50].astype(np.float32), output=folder / "m.edge", **options)
    assert result, result
    return result


def notes_of(result: Any, target: str) -> str:
    return " ".join(next(row for row in result.artifacts if row["target"] == target)["verdict"]["notes"])


def test_onnx_files_hold_the_operator(tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    holes = np.where(np.random.default_rng(0).random(CANCER[0].shape) < 0.1, np.nan, CANCER[0])
    model = xgboost.XGBClassifier(n_estimators=10).fit(holes, CANCER[1])
    result = converted(model, holes, tmp_path, to="onnx")
    assert "ai.onnx.ml's own operator" in notes_of(result, "onnx")
    bundle = edgekit.Bundle.open(tmp_path / "m.edge")
    content = bytes(bundle.model_bytes(bundle.artifact("onnx")))
    assert "TreeEnsembleRegressor" in {node.op_type for node in onnx.load_from_string(content).graph.node}
    (taken,) = OnnxEngine(content).signature.inputs
    assert taken.shape == (None, CANCER[0].shape[1])


@pytest.mark.parametrize("rows", [None, 32])
@pytest.mark.parametrize(
    "model", [GradientBoostingClassifier(n_estimators=10), RandomForestRegressor(5)], ids=["small", "deep"]
)
def test_tflite_files_are_measured(model: Any, rows: int | None, tmp_path: Path) -> None:
    x, y = DIGITS[0][:400], DIGITS[1][:400]
    shapes = {"X": (rows, 64)} if rows else {}
    result = converted(model.fit(x, y), x, tmp_path, to="tflite", input_shapes=shapes)
    assert "x as long" in notes_of(result, "tflite")
    assert (f"for {rows} rows" if rows else "for a row") in notes_of(result, "tflite")
    session = edgekit.load(tmp_path / "m.edge")
    (name,) = set(session.signature.output_names) & {"label", "prediction"}
    # Fewer rows than a call takes, several calls, and a last one that is not full.
    for count in (1, 31, 32, 70):
        np.testing.assert_allclose(
            session.run({"X": x[:count].astype(np.float32)})[name], model.predict(x[:count]), rtol=1e-5
        )
    assert len(session.bind().inputs["X"]) == (rows or 1)
    # A bound session needs no other: what the file's bytes belong to stays.
    bound = edgekit.load(tmp_path / "m.edge").bind()
    gc.collect()
    garbage = [np.full(size, 0xA5, np.uint8) for size in (1 << 12, 1 << 16, 1 << 18, 1 << 20) for _ in range(50)]
    bound.inputs["X"][...] = x[: rows or 1]
    bound()
    np.testing.assert_allclose(bound.outputs[name], model.predict(x[: rows or 1]), rtol=1e-5)
    assert len(garbage) == 200
