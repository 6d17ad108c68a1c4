"""Models of text through the whole conversion, to every format: executed, compared, loaded, asked again."""

import argparse
import collections
import email.message
import inspect
import json
import logging
import sqlite3
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import edgekit
from edgekit.errors import ConversionError, InputError
from edgekit.sources import LoadRequest, wrap_object

pytest.importorskip("torch")
TARGETS = ("onnx", "tflite", "coreml")


def documented() -> tuple[np.ndarray, np.ndarray]:
    """What the standard library says of its own names, and which module says it."""
    texts, modules = [], []
    for module in (argparse, collections, email.message.Message, logging, sqlite3, unittest.TestCase):
        for _, value in inspect.getmembers(module):
            text = inspect.getdoc(value)
            if text and len(text) > 40:
                texts.append(text)
                modules.append(module.__name__)
    return np.array(texts, dtype=object), np.array(modules, dtype=object)


TEXTS, MODULES = documented()
STRANGE = np.array(["", "naïve Ünïcode Loggıng ﬁle", "LOGGING\u00a0Handler", "日本語 the email", "x"], dtype=object)


def converted(model: Any, output: Path, **more: Any) -> dict[str, dict[str, Any]]:
    """The verdicts of a conversion to every format."""
    result = edgekit.convert(model, to=TARGETS, output=output, **more)
    assert result, str(result)
    return {row["target"]: row["verdict"] for row in result.artifacts}


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountVectorizer(), MultinomialNB()),
        make_pipeline(TfidfVectorizer(sublinear_tf=True, stop_words="english"), LogisticRegression()),
        make_pipeline(HashingVectorizer(n_features=2**12), SGDClassifier(random_state=0)),
        make_pipeline(HashingVectorizer(n_features=2**10, norm="l1"), LogisticRegression()),
        make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=2000), LogisticRegression()),
        make_pipeline(CountVectorizer(binary=True, max_features=300), DecisionTreeClassifier(random_state=0)),
        make_pipeline(
            make_union(TfidfVectorizer(max_features=400), CountVectorizer(analyzer="char", max_features=90)),
            TruncatedSVD(20, random_state=0),
            StandardScaler(),
            LogisticRegression(),
        ),
        CalibratedClassifierCV(make_pipeline(TfidfVectorizer(max_features=300), MultinomialNB()), cv=2),
    ],
    ids=["counts", "tf-idf", "hashes", "l1", "characters", "a tree", "a union", "a vocabulary a fold"],
)
def test_text_to_every_format(model: Any, tmp_path: Path) -> None:
    model.fit(TEXTS, MODULES)
    converted(model, tmp_path / "model.edge", samples=TEXTS[::4])
    given = np.concatenate([TEXTS, STRANGE])
    for target in TARGETS:
        session = edgekit.load(tmp_path / "model.edge", target=target)
        assert session.self_test()
        # What the file of skl2onnx splits itself, it splits as ASCII, and it multiplies in its own order.
        itself = session._engine.signature.inputs[0].dtype == "string"
        rows = TEXTS if itself else given
        found = session.run({"X": rows})
        assert found["label"].tolist() == model.predict(rows).tolist()
        if "probabilities" in found:
            np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-4 if itself else 1e-5)


@pytest.mark.parametrize("final", [TfidfVectorizer(max_features=200), HashingVectorizer(n_features=128)])
def test_a_vectorizer_alone(final: Any, tmp_path: Path) -> None:
    final.fit(TEXTS)
    converted(final, tmp_path / "model.edge", samples=TEXTS[:20])
    wanted = final.transform(STRANGE).toarray()
    for target in ("tflite", "coreml"):
        found = edgekit.load(tmp_path / "model.edge", target=target).run({"X": STRANGE})["transformed"]
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_without_samples_texts_are_made_of_the_terms_that_the_model_knows(tmp_path: Path) -> None:
    model = make_pipeline(CountVectorizer(max_features=500), MultinomialNB()).fit(TEXTS, MODULES)
    verdicts = converted(model, tmp_path / "model.edge")
    assert verdicts["tflite"]["samples"] == 64
    assert "terms; give yours" in " ".join(verdicts["tflite"]["notes"])
    own = wrap_object(model, LoadRequest("live")).own_samples(seed=0)["X"]
    assert (model[0].transform(own).sum(axis=1) > 0).sum() == 63


def test_a_hash_tells_no_terms_to_make_samples_of(tmp_path: Path) -> None:
    model = make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()).fit(TEXTS, MODULES)
    with pytest.raises(InputError, match="give --samples"):
        edgekit.convert(model, to="tflite", output=tmp_path / "model.edge")


def test_onnx_splits_ascii_itself_and_says_so(tmp_path: Path) -> None:
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, MODULES)
    verdicts = converted(model, tmp_path / "model.edge", samples=TEXTS)
    assert "beyond ASCII may be split otherwise" in " ".join(verdicts["onnx"]["notes"])
    assert edgekit.load(tmp_path / "model.edge", target="onnx", native=True).signature.inputs[0].dtype == "string"


@pytest.mark.parametrize(
    ("vocabulary", "samples", "pattern"),
    [
        (["Die Straße ist naß", "le café est fermé"], ["die straße"], r"(?u)\b\w\w+\b"),
        (["the street is wet", "the café is closed"], [*["a wet street"] * 40, "wet cafés"], r"(?u)\b\w\w+\b"),
        (["a-b c", "c_d e"], ["a-b"], r"(?<=\S)[a-z]|[a-e](?=-)"),
    ],
    ids=["words that the model knows", "the 41st sample", "a pattern that skl2onnx does not know"],
)
def test_onnx_takes_counts_where_its_own_splitting_departs(
    vocabulary: list[str], samples: list[str], pattern: str, tmp_path: Path
) -> None:
    model = make_pipeline(CountVectorizer(token_pattern=pattern), LogisticRegression())
    model.fit([*vocabulary, "wet caf"], [0, 1, 1])
    texts = np.array(samples, dtype=object)
    verdicts = converted(model, tmp_path / "model.edge", samples=texts)
    assert "not by skl2onnx" in " ".join(verdicts["onnx"]["notes"])
    session = edgekit.load(tmp_path / "model.edge", target="onnx")
    np.testing.assert_allclose(session.run({"X": texts})["probabilities"], model.predict_proba(texts), atol=1e-6)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "note": TEXTS,
            "stars": rng.integers(1, 6, len(TEXTS)).astype(float),
            "unused": rng.standard_normal(len(TEXTS)),
            "kind": rng.choice(["a", "b", "ä"], len(TEXTS)),
        }
    )


def columns(*more: Any, **settings: Any) -> ColumnTransformer:
    parts = [
        ("numbers", StandardScaler(), ["stars"]),
        ("words", TfidfVectorizer(max_features=200), "note"),
        ("kind", OneHotEncoder(), ["kind"]),
        ("letters", HashingVectorizer(analyzer="char_wb", ngram_range=(2, 2), n_features=64), "note"),
    ]
    return ColumnTransformer([*parts, *more], **settings)


@pytest.mark.parametrize("final", [LogisticRegression(max_iter=1000), DecisionTreeClassifier(random_state=0)], ids=repr)
def test_text_beside_other_columns(final: Any, tmp_path: Path) -> None:
    frame = table()
    model = make_pipeline(columns(), final).fit(frame, MODULES)
    converted(model, tmp_path / "model.edge", samples=frame[::4])
    rows = {name: frame[[name]].to_numpy() for name in ("stars", "note", "kind")}
    rows["stars"] = rows["stars"].astype(np.float32)
    for target in TARGETS:
        session = edgekit.load(tmp_path / "model.edge", target=target)
        assert session.self_test()
        assert session.run(rows)["label"].tolist() == model.predict(frame).tolist()


def test_columns_of_text_by_place(tmp_path: Path) -> None:
    """A matrix of texts is taken apart: a vectorizer's column is as wide as it has terms."""
    matrix = np.stack([TEXTS, TEXTS[::-1]], axis=1)
    parts = [("first", CountVectorizer(max_features=50), 0), ("second", CountVectorizer(max_features=60), 1)]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=1000)).fit(matrix, MODULES)
    failed = edgekit.convert(model, to="tflite", samples=matrix, output=tmp_path / "model.edge").failed
    assert "--columns named" in str(failed[0].error)
    converted(model, tmp_path / "model.edge", samples={"x0": matrix[:, :1], "x1": matrix[:, 1:]}, columns="named")
    given = {"x0": matrix[:, :1], "x1": matrix[:, 1:]}
    found = edgekit.load(tmp_path / "model.edge", target="tflite").run(given)
    assert found["label"].tolist() == model.predict(matrix).tolist()


@pytest.mark.parametrize("given", ["texts", "categories", "columns"])
def test_xgboost_takes_the_zeros_of_a_sparse_matrix_for_missing_values(given: str, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    frame, about = table(), (MODULES == "argparse").astype(int)
    counted = CountVectorizer(max_features=300)
    first = {
        "texts": counted,
        "categories": OneHotEncoder(handle_unknown="ignore"),
        "columns": ColumnTransformer([("note", counted, "note"), ("kind", OneHotEncoder(), ["kind"])]),
    }
    rows = {"texts": TEXTS, "categories": frame[["kind", "stars"]], "columns": frame}[given]
    model = make_pipeline(first[given], MaxAbsScaler(), xgboost.XGBClassifier(n_estimators=10)).fit(rows, about)
    verdicts = converted(model, tmp_path / "model.edge", samples=rows[::3])
    assert all(verdict["label_agreement"] == 1 for verdict in verdicts.values())


def shouted(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (
            make_pipeline(CountVectorizer(preprocessor=shouted), MultinomialNB()),
            r"its preprocessor is a function of Python's \(shouted\)",
        ),
        (
            make_pipeline(HashingVectorizer(n_features=2**23), MultinomialNB()),
            r"8388608 numbers.*n_features=2\*\*18",
        ),
        (
            make_pipeline(columns(("again", OneHotEncoder(handle_unknown="ignore"), ["note"])), LogisticRegression()),
            "'note' is read by a vectorizer, and by an encoder",
        ),
    ],
    ids=["a function", "a very wide hash", "a text that is a category too"],
)
def test_what_cannot_be_counted(model: Any, why: str, tmp_path: Path) -> None:
    rows = table() if hasattr(model[0], "transformers") else np.array(TEXTS)
    if isinstance(model[0], HashingVectorizer):
        model[0].alternate_sign = False
    model.fit(rows[::9], MODULES[::9])
    result = edgekit.convert(model, to="tflite", samples=rows[:4], output=tmp_path / "model.edge")
    assert isinstance(result.failed[0].error, ConversionError)
    with pytest.raises(ConversionError, match=why):
        raise result.failed[0].error


def test_rows_are_counted_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pipeline(HashingVectorizer(n_features=2**12), LogisticRegression()).fit(TEXTS, MODULES)
    converted(model, tmp_path / "model.edge", samples=TEXTS[:10])
    monkeypatch.setattr("edgekit.runtime.session._MOST_COUNTED_BYTES", 3 * 4 * 2**12)
    session = edgekit.load(tmp_path / "model.edge", target="onnx")
    for count in (1, 3, 4, 11):
        assert session.run({"X": TEXTS[:count]})["label"].tolist() == model.predict(TEXTS[:count]).tolist()
    with pytest.raises(InputError, match="a float stands for a text"):
        session.run({"X": np.array([1.5], dtype=object)})


def test_bound_texts_are_counted_at_each_call(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, MODULES)
    converted(model, tmp_path / "model.edge", samples=TEXTS[:10])
    for target in ("tflite", "coreml"):
        bound = edgekit.load(tmp_path / "model.edge", target=target).bind()
        assert bound.inputs["X"].shape == (1,)
        for text in TEXTS[::60]:
            bound.inputs["X"][0] = text
            bound()
            assert bound.outputs["label"].tolist() == model.predict([text]).tolist()


def test_a_file_that_takes_several_texts_a_call(tmp_path: Path) -> None:
    model = make_pipeline(CountVectorizer(max_features=100), MultinomialNB()).fit(TEXTS, MODULES)
    shapes = {"X": (5,)}
    result = edgekit.convert(
        model, to="tflite", samples=TEXTS[:10], input_shapes=shapes, output=tmp_path / "model.edge"
    )
    assert result, str(result)
    assert result.bundle
    session = edgekit.load(result.bundle)
    assert session._engine.signature.inputs[0].shape == (5, 100)
    assert session.run({"X": TEXTS[:7]})["label"].tolist() == model.predict(TEXTS[:7]).tolist()


def test_a_vocabulary_stands_once_in_a_bundle(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(analyzer="char", max_features=50), LogisticRegression()).fit(TEXTS, MODULES)
    converted(model, tmp_path / "model.edge", samples=TEXTS[:10], quantize="float16", allow_slower=True)
    data = json.loads(edgekit.Bundle.open(tmp_path / "model.edge").manifest.to_bytes())
    assert len(data["artifacts"]) == 6
    assert [len(one["vocabulary"]) for one in data["vectorizers"]] == [50]
