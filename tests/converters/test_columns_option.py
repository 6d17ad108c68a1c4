"""`--columns named|matrix`: the same model with an input a column or with one input, executed and asked again."""

import joblib
import lightgbm as lgb
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import edgekit
from edgekit.bundle import Bundle
from edgekit.convert.options import ConvertOptions, legal_names
from edgekit.convert.skl2onnx_export import by_skl2onnx
from edgekit.errors import InputError
from edgekit.sources import wrap_object
from edgekit.sources.base import LoadRequest

TARGETS = ("onnx", "tflite", "coreml")
FLOWERS, KINDS = load_iris(return_X_y=True, as_frame=True)
FLOWERS.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ALL = tuple(FLOWERS)
# In the original's order, whatever the order in which they are selected.
SELECTED = ("sepal_length", "petal_width")
PLACES = pd.DataFrame({"city": ["Paris", "Roma", "Köln"] * 20, "age": np.arange(60.0), "tier": ["a", "b"] * 30})


def forest():
    return RandomForestClassifier(3, max_depth=4, random_state=0).fit(FLOWERS, KINDS)


def linear():
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(FLOWERS, KINDS)


def selecting():
    table = ColumnTransformer([("numbers", StandardScaler(), list(reversed(SELECTED)))])
    return make_pipeline(table, LogisticRegression()).fit(FLOWERS, KINDS)


def xgboosted():
    return xgb.XGBClassifier(n_estimators=3, max_depth=3, n_jobs=1).fit(FLOWERS, KINDS)


def lightgbm():
    return lgb.LGBMClassifier(n_estimators=3, num_leaves=5, n_jobs=1, verbose=-1).fit(FLOWERS, KINDS)


def texts():
    table = ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore"), ["tier", "city"])])
    return make_pipeline(table, LogisticRegression()).fit(PLACES, PLACES.city + PLACES.tier)


def inputs(frame, setting, dtype=np.float32):
    if setting == "matrix":
        return {"X": frame.to_numpy(dtype)}
    return {name: frame[[name]].to_numpy(dtype) for name in frame}


def names(setting, columns):
    return {"X": columns} if setting == "matrix" else {name: (name,) for name in columns}


@pytest.mark.parametrize(
    ("fitted", "setting", "columns", "targets"),
    [
        (forest, "named", ALL, ("onnx", "coreml")),
        (xgboosted, "named", ALL, ("onnx", "tflite")),
        (lightgbm, "named", ALL, ("onnx",)),
        (selecting, "named", SELECTED, ("onnx",)),
        (selecting, "matrix", SELECTED, TARGETS),
        (linear, "named", ALL, TARGETS),
    ],
)
def test_every_format_takes_the_columns_as_asked(fitted, setting, columns, targets, tmp_path):
    pytest.importorskip("torch")
    model, path = fitted(), tmp_path / "model.edge"
    result = edgekit.convert(model, targets, columns=setting, output=path)
    assert result, str(result)
    manifest = Bundle.open(path).manifest
    wanted = ["X: float32[N, 2]"] if setting == "matrix" else [f"{name}: float32[N, 1]" for name in columns]
    assert [str(spec) for spec in manifest.signature.inputs] == wanted
    assert manifest.columns == names(setting, columns)
    # The original is asked about the same float32 values.
    rows = FLOWERS.astype(np.float32).astype(float)
    for target in targets:
        session = edgekit.load(path, target=target)
        assert session.self_test()
        found = session.run(inputs(FLOWERS[list(columns)], setting))
        assert found["label"].tolist() == model.predict(rows).tolist()
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize("setting", ["named", "matrix"])
@pytest.mark.parametrize("fitted", [forest, linear, selecting, xgboosted, lightgbm])
def test_the_original_answers_alike_whichever_way_it_is_asked(fitted, setting):
    model = fitted()
    plain, source = (wrap_object(model, LoadRequest("live", columns=columns)) for columns in (None, setting))
    columns = SELECTED if fitted is selecting else ALL
    assert source.columns == names(setting, columns)
    by_default = "named" if fitted is selecting else "matrix"
    frame = FLOWERS[list(columns)]
    expected, found = plain.predict(inputs(frame, by_default)), source.predict(inputs(frame, setting))
    assert expected.keys() == found.keys()
    for name, answer in expected.items():
        np.testing.assert_array_equal(found[name], answer)
    own, default = source.own_samples(1), plain.own_samples(1)
    assert (own is None) == (default is None) == (fitted is selecting)
    if own is not None:
        assert list(own) == list(source.signature.input_names)
        matrix = np.concatenate(list(own.values()), axis=1)
        np.testing.assert_array_equal(matrix, default["X"])


@pytest.mark.parametrize("setting", ["named", "matrix"])
def test_texts_too(setting, tmp_path):
    pytest.importorskip("torch")
    model, path = texts(), tmp_path / "model.edge"
    result = edgekit.convert(model, TARGETS, columns=setting, output=path)
    assert result, str(result)
    rows = PLACES[["city", "tier"]].copy()
    rows.loc[3, "city"] = "a city that it has never met"
    for target in TARGETS:
        found = edgekit.load(path, target=target).run(inputs(rows, setting, object))
        # Of the unknown city two labels are as likely.
        assert np.delete(found["label"], 3).tolist() == np.delete(model.predict(rows), 3).tolist()
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(rows), atol=1e-5)


@pytest.mark.parametrize(("fitted", "setting", "op"), [(linear, "named", "Concat"), (selecting, "matrix", "Split")])
def test_skl2onnx_still_writes_the_model(fitted, setting, op, tmp_path):
    source = wrap_object(fitted(), LoadRequest("live", columns=setting))
    taken, given = legal_names(source.signature, "onnx")
    by_skl2onnx(source, ConvertOptions(taken, given, {}), tmp_path / "model.onnx")
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [value.name for value in graph.input] == list(source.signature.input_names)
    assert graph.node[0].op_type == op
    assert "LinearClassifier" in {node.op_type for node in graph.node}


@pytest.mark.parametrize("setting", [None, "named", "matrix"])
@pytest.mark.parametrize("live", [True, False], ids=["live", "file"])
def test_samples_of_a_file_and_of_a_data_frame(setting, live, tmp_path):
    model = selecting()
    joblib.dump(model, tmp_path / "model.joblib")
    # Another order, columns that the model does not take, an index that does not count.
    frame = FLOWERS[::-7].assign(kind="iris")[["petal_width", "kind", "sepal_length", "petal_length"]]
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for number, samples in enumerate([frame, tmp_path / "rows.csv"]):
        path = tmp_path / f"{number}.edge"
        given = model if live else tmp_path / "model.joblib"
        result = edgekit.convert(given, columns=setting, samples=samples, trust=True, output=path)
        assert result, str(result)
        bundle = Bundle.open(path)
        assert bundle.manifest.samples["count"] == len(frame)
        assert "columns left out: kind, petal_length" in bundle.manifest.notes
        recorded, _ = bundle.golden()[0]
        expected = inputs(frame[list(SELECTED)], setting or "named")
        assert {name: array.tolist() for name, array in recorded.items()} == {
            name: array[:1].tolist() for name, array in expected.items()
        }


def test_columns_without_names_are_numbered_or_have_the_users(tmp_path):
    model = LinearRegression().fit(FLOWERS.to_numpy(), KINDS)
    assert wrap_object(model, LoadRequest("live", columns="named")).columns == names("named", ("x0", "x1", "x2", "x3"))
    request = {"columns": "named", "input_names": ALL}
    assert wrap_object(model, LoadRequest("live", **request)).columns == names("named", ALL)
    assert edgekit.convert(model, samples=FLOWERS, output=tmp_path / "model.edge", **request)


def test_columns_of_several_dtypes_are_no_matrix():
    parts = [("n", StandardScaler(), ["age"]), ("t", OneHotEncoder(), ["city", "tier"])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(PLACES, PLACES.age > 5)
    with pytest.raises(InputError, match=r"one dtype.*string: city, tier; float32: age.*--columns named"):
        wrap_object(model, LoadRequest("live", columns="matrix"))
    assert wrap_object(model, LoadRequest("live", columns="named")).signature.input_names == ("city", "age", "tier")


@pytest.mark.parametrize("setting", ["named", "matrix"])
def test_what_has_no_columns_is_refused(setting, tmp_path):
    vectorizer = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["a cat", "a dog"], [0, 1])
    with pytest.raises(InputError, match="a CountVectorizer takes texts, not columns"):
        wrap_object(vectorizer, LoadRequest("live", columns=setting))
    torch = pytest.importorskip("torch")
    said = "--columns is for scikit-learn, XGBoost and LightGBM models"
    with pytest.raises(InputError, match=f"{said}, and Linear is none"):
        edgekit.convert(torch.nn.Linear(2, 1), columns=setting, output=tmp_path / "model.edge")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match=said):
        edgekit.convert(tmp_path / "model.onnx", columns=setting, output=tmp_path / "model.edge")


def test_another_word_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"--columns 'table'.*named, matrix"):
        edgekit.convert(selecting(), columns="table", output=tmp_path / "model.edge")
