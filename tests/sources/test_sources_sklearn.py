"""Loading scikit-learn models: files, trust, refusals; signatures and reference outputs."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder, StandardScaler

from edgekit.errors import ExecutionError, InputError
from edgekit.samples import fit, read_samples
from edgekit.sources import open_source, wrap_object
from edgekit.sources.base import LoadRequest
from edgekit.sources.sklearn import SklearnSource, load, wrap

LIVE = LoadRequest(model="live")


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X, y


@pytest.fixture(scope="module")
def classifier(iris):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*iris)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    data = {
        "fare paid": rng.gamma(2, 20, 60).round(2),
        "age": rng.integers(1, 80, 60).astype(float),
        "class": rng.integers(1, 4, 60),
        "port": rng.choice(["S", "C", "Q"], 60),
        "unused": rng.choice(["a", "b"], 60),
    }
    return pd.DataFrame(data), (data["class"] == 1).astype(int)


def columns_model(frame, **kept):
    table = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["fare paid", "age"]),
            ("port", OneHotEncoder(handle_unknown="ignore"), ["port"]),
            ("class", OneHotEncoder(), ["class"]),
        ],
        **kept,
    )
    return make_pipeline(table, LogisticRegression()).fit(*frame)


def specs(tensors):
    return [str(spec) for spec in tensors]


def test_skops_is_read_without_trust_and_says_where_it_came_from(tmp_path, classifier, iris):
    path = tmp_path / "model.skops"
    skops.io.dump(classifier, path)
    source = open_source(LoadRequest(model=str(path)))
    assert isinstance(source, SklearnSource)
    assert specs(source.signature.inputs) == ["X: float32[N, 4]"]
    assert specs(source.signature.outputs) == ["label: int64[N]", "probabilities: float32[N, 3]"]
    assert source.provenance.file == "model.skops"
    assert len(source.provenance.sha256) == 64
    assert set(source.provenance.versions) == {"scikit-learn", "joblib", "skops"}
    assert source.columns == {"X": tuple(iris[0].columns)}
    outputs = source.predict({"X": iris[0].to_numpy(np.float32)})
    assert (outputs["label"] == classifier.predict(iris[0])).all()
    np.testing.assert_allclose(outputs["probabilities"], classifier.predict_proba(iris[0]), atol=1e-6)


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".pickle"])
def test_pickles_need_trust(tmp_path, classifier, suffix):
    path = tmp_path / f"model{suffix}"
    if suffix == ".joblib":
        joblib.dump(classifier, path)
    else:
        path.write_bytes(pickle.dumps(classifier))
    with pytest.raises(InputError, match=r"unpickling runs code.*--trust.*\.skops"):
        load(LoadRequest(model=str(path)))
    source = load(LoadRequest(model=str(path), trust=True))
    assert source.notes == ()
    assert source.signature.input_names == ("X",)


class Custom(StandardScaler):
    """A class that skops does not know."""


def test_untrusted_types_in_skops_are_listed(tmp_path, iris):
    path = tmp_path / "custom.skops"
    skops.io.dump(Custom().fit(iris[0]), path)
    with pytest.raises(InputError, match=r"Custom.*--trust"):
        load(LoadRequest(model=str(path)))
    assert load(LoadRequest(model=str(path), trust=True)).signature.output_names == ("transformed",)


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".skops"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_truncated_files_are_refused(tmp_path, classifier, suffix, share):
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"model{suffix}"
    (skops.io.dump if suffix == ".skops" else joblib.dump)(classifier, whole)
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="truncated"):
        load(LoadRequest(model=str(path), trust=True))


def test_a_file_of_another_version_is_noted(tmp_path, classifier):
    text = pickle.dumps(classifier, protocol=0)
    import sklearn

    old = f"V{sklearn.__version__}\n".encode()
    assert old in text
    path = tmp_path / "old.pkl"
    path.write_bytes(text.replace(old, b"V1.3.0\n"))
    source = load(LoadRequest(model=str(path), trust=True))
    assert source.notes == (f"saved by scikit-learn 1.3.0, read by {sklearn.__version__}: its answers may differ",)


def test_a_class_that_cannot_be_imported_is_said(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cno_such_module_anywhere\nModel\n)R.")
    with pytest.raises(InputError, match="cannot be imported here"):
        load(LoadRequest(model=str(path), trust=True))


def test_a_damaged_skops_archive_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({"protocol": 99}))
    with pytest.raises(InputError, match="skops"):
        load(LoadRequest(model=str(path)))


@pytest.mark.parametrize("what", [{"model": 1}, [1, 2], LogisticRegression])
def test_what_is_no_estimator_is_refused(tmp_path, what):
    path = tmp_path / "model.joblib"
    joblib.dump(what, path)
    with pytest.raises(InputError, match="not a scikit-learn estimator"):
        load(LoadRequest(model=str(path), trust=True))


@pytest.mark.parametrize(
    "model", [LogisticRegression(), make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier()]
)
def test_unfitted_models_are_refused(model):
    with pytest.raises(InputError, match=r"not fitted.*call fit\(\) first"):
        wrap(model, LIVE)


def test_regressors_clusterers_outlier_detectors_and_transformers():
    X, y = load_diabetes(return_X_y=True)
    both = np.stack([y, -y], axis=1)
    expected = {
        LinearRegression().fit(X, y): ["prediction: float32[N]"],
        LinearRegression().fit(X, both): ["prediction: float32[N, 2]"],
        KMeans(3, n_init=1).fit(X): ["label: int64[N]", "distances: float32[N, 3]"],
        IsolationForest(n_estimators=3).fit(X): ["label: int64[N]", "scores: float32[N]"],
        StandardScaler().fit(X): ["transformed: float32[N, 10]"],
    }
    for model, outputs in expected.items():
        source = wrap_object(model, LIVE)
        assert specs(source.signature.outputs) == outputs
        answers = source.predict({"X": X[:5].astype(np.float32)})
        assert [str(a.dtype) for a in answers.values()] == [spec.dtype for spec in source.signature.outputs]
        assert all(spec.fits(answers[spec.name].shape) for spec in source.signature.outputs)


def test_kmeans_fitted_on_float32_answers():
    X = load_iris().data.astype(np.float32)
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    assert (wrap(model, LIVE).predict({"X": X})["label"] == model.labels_).all()


def test_scores_where_there_are_no_probabilities(iris):
    X, y = iris
    assert specs(wrap(RidgeClassifier().fit(X, y), LIVE).signature.outputs) == [
        "label: int64[N]",
        "scores: float32[N, 3]",
    ]
    two = wrap(RidgeClassifier().fit(X, np.where(y > 0, "yes", "no")), LIVE)
    assert specs(two.signature.outputs) == ["label: string[N]", "scores: float32[N]"]
    assert list(two.predict({"X": X.to_numpy(np.float32)[[0, 149]]})["label"]) == ["no", "yes"]


def test_a_model_of_named_columns_takes_each_by_its_name(frame):
    model = columns_model(frame)
    source = wrap(model, LIVE)
    assert specs(source.signature.inputs) == [
        "fare paid: float32[N, 1]",
        "age: float32[N, 1]",
        "class: int64[N, 1]",
        "port: string[N, 1]",
    ]
    X = frame[0]
    inputs = {name: X[name].to_numpy()[:, None] for name in source.signature.input_names}
    inputs = {
        name: a if name == "class" else a.astype(object if name == "port" else "f4") for name, a in inputs.items()
    }
    source.signature.check(inputs)
    rounded = X.assign(**{"fare paid": X["fare paid"].astype(np.float32).astype(float)})
    assert (source.predict(inputs)["probabilities"] == model.predict_proba(rounded).astype(np.float32)).all()


def test_a_csv_with_more_columns_fits_a_model_of_named_columns(tmp_path, frame):
    source = wrap(
        columns_model(frame), LoadRequest(model="live", input_names=("price",), output_names=("first", "probabilities"))
    )
    assert source.signature.input_names == ("price", "age", "class", "port")
    assert source.signature.output_names == ("first", "probabilities")
    frame[0].assign(target=1).to_csv(tmp_path / "s.csv", index=False)
    samples = fit(read_samples(tmp_path / "s.csv"), source.signature, source.columns)
    assert len(samples) == 60
    assert samples.notes == ("columns left out: unused, target",)
    assert source.predict(next(samples.runs()))["first"].dtype == np.int64


def test_samples_and_dtypes_tell_the_kind_of_columns_that_pass_through(frame):
    X, y = frame
    model = ColumnTransformer([("p", "passthrough", ["port", "unused"])]).fit(X, y)
    assert specs(wrap(model, LIVE).signature.inputs) == ["port: float32[N, 1]", "unused: float32[N, 1]"]
    by_dtype = wrap(model, LoadRequest(model="live", dtypes={"port": "string", "unused": "string"}))
    example = {name: X[name].to_numpy(object if name in {"port", "unused"} else None) for name in X}
    by_example = wrap(model, LoadRequest(model="live", example=example))
    for source in (by_dtype, by_example):
        assert source.signature.input("port").dtype == "string"
        assert specs(source.signature.outputs) == ["transformed: string[N, 2]"]


def test_an_answer_of_text_and_numbers_is_refused(frame):
    X, y = frame
    model = ColumnTransformer([("n", StandardScaler(), ["age"]), ("p", "passthrough", ["port"])]).fit(X, y)
    with pytest.raises(InputError, match="mixes text with numbers"):
        wrap(model, LoadRequest(model="live", dtypes={"port": "string"}))


def test_text_is_one_input_of_rank_one():
    texts = ["the cat sat", "a dog ran", "cats and dogs", "the mat"]
    source = wrap(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, [0, 1, 1, 0]), LIVE)
    assert specs(source.signature.inputs) == ["X: string[N]"]
    assert source.predict({"X": np.array(["the mat"], object)})["label"].tolist() == [0]


def test_searches_answer_as_their_best(iris):
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]}).fit(*iris)
    source = wrap(search, LIVE)
    assert source.estimator is search.best_estimator_
    assert source.columns["X"] == tuple(iris[0].columns)


def test_what_cannot_be_said_in_arrays_is_refused(iris):
    X, y = iris
    with pytest.raises(InputError, match="several labels a row"):
        wrap(RandomForestClassifier(2).fit(X, np.stack([y, y], 1)), LIVE)
    with pytest.raises(InputError, match="labels are fractions"):
        wrap(_with_classes(LogisticRegression(max_iter=1000).fit(X, y), [0.5, 1.5, 2.5]), LIVE)
    with pytest.raises(InputError, match="how many features"):
        wrap(FunctionTransformer().fit(None), LIVE)


def _with_classes(model, classes):
    model.classes_ = np.array(classes)
    return model


def test_shapes_that_only_the_user_knows():
    source = wrap(Normalizer(), LoadRequest(model="live", shapes={"X": (None, 4)}))
    assert specs(source.signature.outputs) == ["transformed: float32[N, 4]"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shapes": {"X": (None, 5)}}, "--input-shape X=N,5: the model takes X: float32[N, 4]"),
        ({"shapes": {"X": (16, 4, 1)}}, "any number of rows"),
        ({"dtypes": {"X": "int64"}}, "dtype int64 for input 'X'"),
        ({"shapes": {"Y": (None, 4)}}, "input 'Y': the model takes X"),
        ({"input_names": ("a", "b")}, "the model has 1 inputs"),
    ],
)
def test_requests_that_contradict_the_model_are_refused(classifier, given, said):
    with pytest.raises(InputError) as caught:
        wrap(classifier, LoadRequest(model="live", **given))
    assert said in str(caught.value)


def test_a_refusal_of_the_original_is_an_execution_error(frame):
    table = ColumnTransformer([("port", OneHotEncoder(), ["port"])])
    source = wrap(make_pipeline(table, LogisticRegression()).fit(*frame), LIVE)
    with pytest.raises(ExecutionError, match="unknown categories"):
        source.predict({"port": np.array([["Z"]], object)})


def test_layers_are_named_by_the_users_steps(frame):
    source = wrap(columns_model(frame), LIVE)
    assert source.layers_of("sklearn.preprocessing._encoders.OneHotEncoder") == [
        "columntransformer.port",
        "columntransformer.class",
    ]


def test_a_missing_file_is_said():
    with pytest.raises(InputError, match="no such file"):
        load(LoadRequest(model=str(Path("nowhere") / "model.skops")))


def test_an_imputer_anywhere_takes_missing_values():
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = np.array([[1.0, np.nan], [2.0, 1.0], [np.nan, 3.0], [4.0, 4.0]])
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, [0, 0, 1, 1])
    source = wrap(model, LoadRequest("live"))
    assert source.accepts_nan
    answer = source.predict({"X": rows.astype(np.float32)})
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(rows), rtol=1e-5)
