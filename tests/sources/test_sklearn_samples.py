"""Samples made from what a model has learned."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from edgekit.convert.prepare import OWN_SAMPLES, prepare
from edgekit.convert.request import ConvertRequest
from edgekit.sources import LoadRequest, wrap_object

WINE, KINDS = load_wine(return_X_y=True)


def own(model, rows=WINE, target=KINDS):
    return wrap_object(model.fit(rows, target), LoadRequest(model="live")).own_samples(0)


@pytest.mark.parametrize("model", [make_pipeline(StandardScaler(), LogisticRegression()), KNeighborsClassifier()])
def test_rows_lie_where_the_model_was_fitted(model) -> None:
    rows = own(model)["X"]
    assert rows.dtype == np.float32
    low, high = WINE.min(axis=0), WINE.max(axis=0)
    room = 0.5 * (high - low)
    assert ((rows >= low - room) & (rows <= high + room)).mean() > 0.9


def test_a_tree_is_probed_at_each_threshold_and_beside_it() -> None:
    model = DecisionTreeClassifier(random_state=0).fit(WINE, KINDS)
    rows = own(model)["X"]
    inner = model.tree_.children_left >= 0
    for feature, threshold in zip(model.tree_.feature[inner], model.tree_.threshold[inner], strict=True):
        at = np.float32(threshold)
        column = rows[:, feature]
        for value in (at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(np.inf))):
            assert (column == value).any()


def test_large_ensembles_are_probed_at_some() -> None:
    for model in (RandomForestClassifier(200, random_state=0), HistGradientBoostingClassifier()):
        assert 64 < len(own(model)["X"]) <= 64 + 13 * 24 * 3


def test_texts_come_from_the_categories() -> None:
    table = np.array([["red", "s"], ["green", "m"], ["blue", "l"], ["red", "m"]], dtype=object)
    model = make_pipeline(ColumnTransformer([("c", OneHotEncoder(), [0, 1])]), LogisticRegression())
    rows = own(model, table, [0, 1, 0, 1])["X"]
    assert set(rows.reshape(-1)) == {"red", "green", "blue", "s", "m", "l"}


def test_what_tells_nothing_of_its_columns_has_none() -> None:
    assert own(LogisticRegression(max_iter=1000), *load_iris(return_X_y=True)) is None
    texts = make_pipeline(HashingVectorizer(n_features=8), LogisticRegression())
    assert own(texts, ["a text", "another one"], [0, 1]) is None


def test_texts_are_made_of_known_terms() -> None:
    found = own(make_pipeline(TfidfVectorizer(), LogisticRegression()), ["a text", "another one"], [0, 1])
    assert found is not None
    assert found["X"][0] == ""
    assert set(" ".join(found["X"]).lower().split()) == {"text", "another", "one"}


def test_counts_stay_counts() -> None:
    found = own(make_pipeline(StandardScaler(with_mean=False), MultinomialNB()))
    assert found is not None
    assert (found["X"] >= 0).all()


def test_the_same_seed_gives_the_same_rows_and_the_samples_say_what_they_are() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(WINE, KINDS)
    one, two = (prepare(ConvertRequest(model="live", targets=("onnx",)), lambda _: None, model) for _ in range(2))
    np.testing.assert_array_equal(one.samples.arrays["X"], two.samples.arrays["X"])
    assert one.samples.synthetic
    assert OWN_SAMPLES in one.samples.notes


def test_missing_values_are_probed_where_the_model_takes_them() -> None:
    for model in (DecisionTreeClassifier(random_state=0), HistGradientBoostingClassifier(max_iter=3)):
        rows = own(model)["X"]
        assert np.isnan(rows).any(axis=0).all()
    assert not np.isnan(own(KNeighborsClassifier())["X"]).any()


def test_boosted_models_are_probed_at_their_splits() -> None:
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    for model in (xgboost.XGBClassifier(n_estimators=3), lightgbm.LGBMClassifier(n_estimators=3, verbose=-1)):
        rows = own(model)["X"]
        assert np.isnan(rows).any(axis=0).all()
        assert len(rows) > 64 + 13
    assert own(xgboost.XGBRegressor(booster="gblinear")) is None
