"""Loading XGBoost and LightGBM models: files, live objects, signatures and reference outputs, refusals."""

from __future__ import annotations

from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.datasets import load_diabetes, load_iris

from edgekit.errors import ExecutionError, InputError
from edgekit.sources import open_source, wrap_object
from edgekit.sources.base import LoadRequest
from edgekit.sources.lightgbm import LightgbmSource
from edgekit.sources.xgboost import XgboostSource

LIVE = LoadRequest(model="live")
IRIS = load_iris(return_X_y=True)
FRAME, NAMES = load_iris(as_frame=True).data, tuple(load_iris().feature_names)
ROWS = IRIS[0].astype(np.float32)
X_QUICK = {"n_estimators": 3, "n_jobs": 1}
L_QUICK = {"n_estimators": 3, "n_jobs": 1, "verbose": -1}


@pytest.fixture(scope="module")
def x_model():
    return xgb.XGBClassifier(**X_QUICK).fit(*IRIS)


@pytest.fixture(scope="module")
def l_model():
    return lgb.LGBMClassifier(**L_QUICK).fit(IRIS[0], np.array(["a", "b", "c"])[IRIS[1]])


def specs(tensors):
    return [str(spec) for spec in tensors]


def opened(path):
    return open_source(LoadRequest(model=str(path)))


def test_live_xgboost_classifier(x_model):
    source = wrap_object(x_model, LIVE)
    assert isinstance(source, XgboostSource)
    assert source.framework == "xgboost"
    assert source.accepts_nan
    assert specs(source.signature.inputs) == ["X: float32[N, 4]"]
    assert specs(source.signature.outputs) == ["label: int64[N]", "probabilities: float32[N, 3]"]
    assert source.columns == {}
    assert set(source.provenance.versions) & {"xgboost", "xgboost-cpu"}
    answers = source.predict({"X": ROWS})
    assert (answers["label"] == x_model.predict(ROWS)).all()
    assert (answers["probabilities"] == x_model.predict_proba(ROWS)).all()


def test_live_lightgbm_classifier_of_text(l_model):
    source = wrap_object(l_model, LIVE)
    assert isinstance(source, LightgbmSource)
    assert source.framework == "lightgbm"
    assert specs(source.signature.outputs) == ["label: string[N]", "probabilities: float32[N, 3]"]
    assert source.codes == {"label": ("a", "b", "c")}
    assert (source.predict({"X": ROWS})["label"] == l_model.predict(ROWS)).all()


def test_names_of_columns():
    assert wrap_object(xgb.XGBRegressor(**X_QUICK).fit(FRAME, IRIS[1]), LIVE).columns == {"X": NAMES}
    # LightGBM puts underscores for spaces.
    own = tuple(name.replace(" ", "_") for name in NAMES)
    assert wrap_object(lgb.LGBMRegressor(**L_QUICK).fit(FRAME, IRIS[1]), LIVE).columns == {"X": own}
    linear = wrap_object(xgb.XGBRegressor(**X_QUICK, booster="gblinear").fit(FRAME, IRIS[1]), LIVE)
    assert specs(linear.signature.outputs) == ["prediction: float32[N]"]


def test_names_of_the_user():
    request = LoadRequest(model="live", input_names=("flower",), output_names=("value",))
    source = wrap_object(xgb.XGBRegressor(**X_QUICK).fit(*IRIS), request)
    assert (source.signature.input_names, source.signature.output_names) == (("flower",), ("value",))
    assert source.predict({"flower": ROWS})["value"].shape == (150,)


@pytest.mark.parametrize("suffix", [".json", ".ubj"])
def test_xgboost_files_of_both_interfaces(tmp_path, x_model, suffix):
    path = tmp_path / f"model{suffix}"
    x_model.save_model(path)
    source = opened(path)
    assert (source.framework, source.provenance.file) == ("xgboost", path.name)
    assert len(source.provenance.sha256) == 64
    assert source.signature.output_names == ("label", "probabilities")
    assert (source.predict({"X": ROWS})["probabilities"] == x_model.predict_proba(ROWS)).all()
    xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(IRIS[0], IRIS[1] > 0), 2).save_model(path)
    assert specs(opened(path).signature.outputs) == ["prediction: float32[N]"]


def test_lightgbm_file(tmp_path, l_model):
    path = tmp_path / "model.txt"
    l_model.booster_.save_model(path)
    source = opened(path)
    assert (source.framework, source.provenance.file) == ("lightgbm", "model.txt")
    assert specs(source.signature.outputs) == ["prediction: float32[N, 3]"]
    assert source.predict({"X": ROWS})["prediction"] == pytest.approx(l_model.predict_proba(ROWS))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".json", ".ubj", ".txt"])
def test_truncated_files_are_refused(tmp_path, x_model, l_model, suffix, share):
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"model{suffix}"
    (l_model.booster_ if suffix == ".txt" else x_model).save_model(whole)
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"truncated|no model of LightGBM"):
        opened(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.json", b'{"learner_rate": 0.1}'),
        ("list.json", b"[1, 2]"),
        ("empty.json", b'{"learner": {}}'),
        ("other.ubj", b"\x00\x01\x02"),
        ("object.ubj", b"{}"),
        ("readme.txt", b"hello\nworld\n"),
        ("head.txt", b"tree\nversion=v4\n\nend of trees\n"),
        ("cut.txt", b"tree\nversion=v4\n\nTree=0\nnum_leaves=2\nleaf_value=1 2\n\nend of trees\n"),
    ],
)
def test_files_that_are_no_models(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"no model of|damaged"):
        opened(tmp_path / name)


@pytest.mark.parametrize(
    "native", [xgb.XGBClassifier(), xgb.Booster(), lgb.LGBMRegressor()], ids=lambda one: type(one).__name__
)
def test_unfitted_models_are_refused(native):
    with pytest.raises(InputError, match="not fitted"):
        wrap_object(native, LIVE)


def test_what_fits_no_signature_is_refused(x_model):
    with pytest.raises(InputError, match="several labels"):
        wrap_object(xgb.XGBClassifier(**X_QUICK).fit(IRIS[0], np.eye(3)[IRIS[1]]), LIVE)
    own = lgb.LGBMClassifier(**L_QUICK, objective=lambda y, score: (score - y, np.ones_like(y)))
    with pytest.raises(InputError, match="convert its booster_"):
        wrap_object(own.fit(IRIS[0], IRIS[1] > 0), LIVE)
    with pytest.raises(InputError, match=r"float32\[N, 4\]"):
        wrap_object(x_model, LoadRequest(model="live", shapes={"X": (1, 3)}))
    with pytest.raises(InputError, match="'Y'"):
        wrap_object(x_model, LoadRequest(model="live", dtypes={"Y": "float32"}))
    with pytest.raises(ExecutionError, match="XGBClassifier"):
        wrap_object(x_model, LIVE).predict({"X": ROWS[:, :3]})


def test_categories_and_best_rounds_are_noted():
    data = {"port": pd.Categorical(list("SCQS") * 20), "fare": np.arange(80.0)}
    settings = {"min_child_samples": 1, "min_data_per_group": 1}
    note = ("column 'port' takes positions among the categories of the training data: 0 is 'C', 1 is 'Q', 2 is 'S'",)
    own = xgb.XGBRegressor(**X_QUICK, enable_categorical=True).fit(pd.DataFrame(data), np.arange(80.0) % 4)
    assert wrap_object(own, LIVE).notes == note
    light = lgb.LGBMRegressor(**L_QUICK, **settings).fit(pd.DataFrame(data), np.arange(80.0) % 4)
    assert wrap_object(light, LIVE).notes == note
    stopped = xgb.XGBClassifier(n_estimators=200, early_stopping_rounds=2)
    stopped.fit(IRIS[0][::2], IRIS[1][::2], eval_set=[(IRIS[0][1::2], IRIS[1][1::2])], verbose=False)
    assert wrap_object(stopped, LIVE).notes == ()
    assert "early stopping found round" in wrap_object(stopped.get_booster(), LIVE).notes[0]


def test_the_model_agrees_with_other_ways_to_call_it():
    X, y = load_diabetes(return_X_y=True)
    booster = xgb.train({"booster": "gblinear"}, xgb.DMatrix(X, y, feature_names=list("abcdefghij")), 3)
    rows = X.astype(np.float32)
    wanted = booster.predict(xgb.DMatrix(rows, feature_names=list("abcdefghij")))
    source = wrap_object(booster, LIVE)
    assert source.columns == {"X": tuple("abcdefghij")}
    assert (source.predict({"X": rows})["prediction"] == wanted).all()


def test_missing_files_are_said():
    with pytest.raises(InputError, match="no such file"):
        open_source(LoadRequest(model=str(Path("nowhere") / "model.ubj")))
