"""What is committed of how fast classical models are: complete, as the page says it, its limits judged anew."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.naive_bayes import GaussianNB

from edgekit.errors import ConversionError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from classical_speed import peers, sides  # noqa: E402
from classical_speed.limits import LIMITS, limits  # noqa: E402
from classical_speed.models import MATRIX, ROWS, Combination, Fitted  # noqa: E402
from classical_speed.page import write_page  # noqa: E402

CONTENT = json.loads((ROOT / "benchmarks" / "results" / "classical-speed.json").read_text(encoding="utf-8"))
ROW = {row["name"]: row for row in CONTENT["combinations"]}


def test_the_page_is_written_from_the_results() -> None:
    page = (ROOT / "docs" / "classical-speed.md").read_text(encoding="utf-8")
    assert page == write_page(CONTENT), "run: make bench-classical"


def test_every_combination_was_measured() -> None:
    assert list(ROW) == [one.name for one in MATRIX]
    assert CONTENT["limits"] == LIMITS
    assert CONTENT["rows"] == ROWS


@pytest.mark.parametrize("combination", MATRIX, ids=lambda one: one.name)
def test_every_way_was_timed_and_gave_its_labels(combination: Combination) -> None:
    row = ROW[combination.name]
    assert {sides.ONNX, sides.TFLITE, sides.ORIGINAL} == set(row["one_row"]["ratios"])
    wanted = {sides.ONNX, sides.TFLITE_CHOSEN, sides.TFLITE_A_ROW, sides.ORIGINAL}
    if combination.kind != "other":
        # How deep the trees are decides which look-ups there are.
        wanted |= {sides.ONNX_WALKED, sides.layout_name("lookup", {"top": 3}), sides.layout_name("traversal", {})}
        wanted |= {sides.COMPILED} - set(row["absent"])
        assert "trees as" in row["notes"]["tflite"]
    assert wanted <= set(row["rows"]["ratios"])
    assert set(row["labels_differ"]) == {sides.PEER, *row["rows"]["ratios"]} - {sides.ORIGINAL}
    for run in (row["one_row"], row["rows"], row["rows_onnx"]):
        assert run["rounds"] >= 30
        assert all(ratio["low"] <= ratio["value"] <= ratio["high"] for ratio in run["ratios"].values())
    assert all(row["bytes"][name] > 0 for name in ("onnx", "tflite", "tflite_rows", "peer"))


@pytest.mark.parametrize("combination", MATRIX, ids=lambda one: one.name)
def test_limits_are_judged_as_the_code_does(combination: Combination) -> None:
    row = ROW[combination.name]
    assert row["limits"] == limits(row)
    assert CONTENT["kept"] == all(limit["kept"] for one in ROW.values() for limit in one["limits"].values())


@pytest.mark.parametrize("combination", MATRIX, ids=lambda one: one.name)
def test_what_edgekit_makes_gives_the_originals_labels(combination: Combination) -> None:
    # Of models without trees the two best classes may be a near-tie.
    ours = {
        name: n for name, n in ROW[combination.name]["labels_differ"].items() if name.startswith(("ONNX", "TFLite"))
    }
    assert ours
    assert all(n <= (1 if combination.kind == "other" else 0) for n in ours.values()), ours


def test_a_limit_that_is_missed_is_seen() -> None:
    row: dict[str, Any] = json.loads(json.dumps(ROW["spam RandomForest(100)"]))
    row["one_row"]["ratios"][sides.ONNX].update(value=1.1, low=1.06, high=1.2)
    row["bytes"]["tflite"] = 1.2 * row["bytes"]["onnx"]
    found = limits(row)
    assert not found["one_row"]["kept"]
    assert not found["tflite_size"]["kept"]
    row["one_row"]["ratios"][sides.ONNX].update(low=1.05, high=1.2)
    assert limits(row)["one_row"] == {"value": 1.1, "kept": True, "sure": False}


def iris(model: Any) -> Fitted:
    features, species = load_iris(return_X_y=True)
    return Fitted(model.fit(features, species), np.resize(features.astype(np.float32), (ROWS, 4)))


def test_the_peers_file_and_the_original_are_the_same_model() -> None:
    pytest.importorskip("skl2onnx")
    model, rows = iris(GradientBoostingClassifier(n_estimators=3, random_state=0))
    peer = sides.plain(peers.onnx_file(model, "sklearn", rows), rows)
    assert peer.labels().tolist() == sides.original(model, rows).labels().tolist() == model.predict(rows).tolist()


def test_c_of_trees_and_of_a_model_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(peers.FOLDER)])
    pytest.importorskip("tl2cgen", reason="run: make build/peers/installed")
    combination = Combination("iris", "GradientBoosting(3)", "boosting", "sklearn", GradientBoostingClassifier)
    trees = iris(GradientBoostingClassifier(n_estimators=3, random_state=0))
    side = sides.compiled_c(combination, trees, tmp_path)
    assert side.labels().tolist() == trees.model.predict(trees.rows).tolist()
    (kept,) = tmp_path.glob("*.so")
    at = kept.stat().st_mtime_ns
    sides.compiled_c(combination, trees, tmp_path)
    assert kept.stat().st_mtime_ns == at, "compiled again"
    with pytest.raises(ConversionError, match=r"compile as C: .*GaussianNB"):
        peers.compiled(iris(GaussianNB()).model, "sklearn", tmp_path)
