"""scikit-learn models through the whole conversion, to every format: executed, compared, loaded, asked again."""

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import edgekit

pytest.importorskip("torch")
TARGETS = ("onnx", "tflite", "coreml")
WINE, KINDS = load_wine(return_X_y=True)
NAMES = np.array(["Barolo", "Grignolino", "Barbera, d'Asti"], dtype=object)


def people() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    count = 300
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, count).astype(float),
            "income": rng.lognormal(10, 1, count),
            "city": rng.choice(["Paris", "Roma", "Köln"], count),
            "tier": rng.choice(["a", "b"], count),
        }
    )
    rich = table.income * (table.city == "Roma") + table.age * 300 > 25000
    return table, np.where(rich, "yes", "no")


def columns() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer([("numbers", numbers, ["age", "income"]), ("texts", texts, ["city", "tier"])])


def passed(result):
    assert result, str(result)
    return {row["target"]: row["verdict"] for row in result.artifacts}


@pytest.mark.parametrize("final", [LogisticRegression(), RandomForestClassifier(10, random_state=0)], ids=repr)
def test_a_table_with_texts_to_every_format(final, tmp_path) -> None:
    table, answers = people()
    model = make_pipeline(columns(), final).fit(table, answers)
    verdicts = passed(edgekit.convert(model, to=TARGETS, output=tmp_path / "model.edge"))
    assert all("own thresholds" in " ".join(verdict["notes"]) for verdict in verdicts.values())
    rows = {name: table[[name]].to_numpy() for name in table}
    rows = {name: rows[name].astype(np.float32 if name in {"age", "income"} else object) for name in rows}
    rows["city"][3] = "a city that it has never met"
    # The original is given the same values in double precision, in which it computes.
    frame = pd.DataFrame({name: column[:, 0] for name, column in rows.items()}).astype({"age": float, "income": float})
    for target in TARGETS:
        session = edgekit.load(tmp_path / "model.edge", target=target)
        assert session.self_test()
        found = session.run(rows)
        assert found["label"].tolist() == model.predict(frame).tolist()
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(frame), atol=1e-5)


def test_texts_of_a_matrix_have_one_table(tmp_path) -> None:
    table, answers = people()
    matrix = table[["city", "tier"]].to_numpy().astype(object)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(matrix, answers)
    passed(edgekit.convert(model, to=TARGETS, output=tmp_path / "model.edge"))
    for target in TARGETS:
        session = edgekit.load(tmp_path / "model.edge", target=target)
        assert session.run({"X": matrix})["label"].tolist() == model.predict(matrix).tolist()


def test_labels_of_text_come_out_as_text_and_can_be_bound(tmp_path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(WINE, NAMES[KINDS])
    passed(edgekit.convert(model, to=TARGETS, output=tmp_path / "model.edge"))
    for target in ("tflite", "coreml"):
        bound = edgekit.load(tmp_path / "model.edge", target=target).bind()
        for row in range(0, len(WINE), 40):
            bound.inputs["X"][...] = WINE[row]
            bound()
            assert bound.outputs["label"].tolist() == model.predict(WINE[row : row + 1]).tolist()


def test_what_skl2onnx_cannot_convert_is_written_from_the_torch_module_and_says_so(tmp_path) -> None:
    model = make_pipeline(StandardScaler(), NearestCentroid()).fit(WINE, KINDS + 3)
    verdicts = passed(edgekit.convert(model, to="onnx", samples=WINE.astype(np.float32), output=tmp_path / "m.edge"))
    assert "torch module" in " ".join(verdicts["onnx"]["notes"])
    assert "NearestCentroid" in " ".join(verdicts["onnx"]["notes"])
    session = edgekit.load(tmp_path / "m.edge")
    assert session.run({"X": WINE.astype(np.float32)})["label"].tolist() == model.predict(WINE).tolist()


def test_what_skl2onnx_gets_wrong_is_written_from_the_torch_module(tmp_path) -> None:
    """Behind a scaler skl2onnx rounds once more than the original: a row at a split turns."""
    model = make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=20, random_state=0))
    model.fit(WINE, KINDS)
    verdicts = passed(edgekit.convert(model, to=TARGETS, output=tmp_path / "m.edge"))
    assert {verdict["label_agreement"] for verdict in verdicts.values()} == {1.0}


def test_halves_too(tmp_path) -> None:
    rows, target = load_diabetes(return_X_y=True)
    model = make_pipeline(StandardScaler(), Ridge()).fit(rows, target)
    result = edgekit.convert(
        model, to=("tflite", "coreml"), quantize="float16", allow_slower=True, output=tmp_path / "m.edge"
    )
    assert result, str(result)
    assert len(result.artifacts) == 4


@pytest.mark.parametrize("labels", [(0, 1), (3, 7), (-1, 1)])
def test_two_labels_that_are_any_integers(labels, tmp_path) -> None:
    ill = np.array(labels)[(KINDS > 0).astype(int)]
    for model in (
        make_pipeline(StandardScaler(), LogisticRegression()),
        StackingClassifier([("t", RandomForestClassifier(5, random_state=0))], LogisticRegression()),
    ):
        rows = WINE.astype(np.float32)
        passed(edgekit.convert(model.fit(WINE, ill), to="tflite", samples=rows, output=tmp_path / "m.edge", force=True))
        session = edgekit.load(tmp_path / "m.edge")
        assert session.run({"X": rows})["label"].tolist() == model.predict(WINE).tolist()


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: CalibratedClassifierCV(inner, cv=2),
        lambda inner: VotingClassifier([("a", inner), ("b", inner)], voting="soft"),
        lambda inner: FixedThresholdClassifier(inner, threshold=0.4),
    ],
    ids=["calibrated", "voting", "threshold"],
)
def test_a_table_behind_what_stands_around_a_pipeline(around, tmp_path) -> None:
    table, answers = people()
    model = around(make_pipeline(columns(), LogisticRegression())).fit(table, (answers == "yes").astype(int))
    passed(edgekit.convert(model, to=("onnx", "coreml"), output=tmp_path / "model.edge"))
