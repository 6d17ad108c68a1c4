"""Rules of edgekit/classical/preprocessing/encoding.py, and edgekit/classical/texts.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from edgekit.classical import Context, build
from edgekit.classical.texts import texts_of
from edgekit.errors import ConversionError
from edgekit.runtime.codes import encode
from edgekit.signature import Array
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = pytest.mark.filterwarnings("ignore:Found unknown categories:UserWarning")
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS[:, 18:30]
HOLES = np.where(np.random.default_rng(0).random(DIGITS.shape) < 0.1, np.nan, DIGITS)
UNKNOWN = np.concatenate([DIGITS[:200], DIGITS[:50] + 0.5, DIGITS[:50] + 5])
WORDS = np.array([["red", "S"], ["green", "M"], ["blue", "M"], ["red", "L"], ["red", "M"], ["teal", "S"]], object)
COLORS, SIZES = ("blue", "green", "red", "teal"), ("L", "M", "S")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"drop": "first"},
        {"drop": list(DIGITS[0])},
        {"handle_unknown": "ignore"},
        {"handle_unknown": "ignore", "drop": "if_binary"},
        {"handle_unknown": "ignore", "max_categories": 5},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 100},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 7},
        {"handle_unknown": "infrequent_if_exist", "max_categories": 5, "drop": "first"},
        {"handle_unknown": "infrequent_if_exist", "max_categories": 1},
        {"handle_unknown": "warn", "min_frequency": 0.05},
    ],
    ids=str,
)
def test_one_hot(settings: dict[str, Any]) -> None:
    rows = UNKNOWN if "handle_unknown" in settings else DIGITS[:300]
    assert_agrees(OneHotEncoder(**settings).fit(DIGITS), rows, sqnr_db=300)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OneHotEncoder(min_frequency=200)], ids=str)
def test_one_hot_of_missing_values(encoder: Any) -> None:
    assert_agrees(encoder.fit(HOLES), HOLES, sqnr_db=300)
    assert_agrees(encoder.set_params(handle_unknown="infrequent_if_exist").fit(DIGITS), HOLES, sqnr_db=300)


@pytest.mark.parametrize(
    "settings", [{}, {"min_frequency": 100}, {"max_categories": 5}, {"max_categories": 1}, {"dtype": int}], ids=str
)
def test_ordinal(settings: dict[str, Any]) -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-7, **settings)
    assert_agrees(encoder.fit(DIGITS), UNKNOWN, sqnr_db=300)
    assert_agrees(OrdinalEncoder(**settings).fit(DIGITS), DIGITS, sqnr_db=300)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"encoded_missing_value": -1},
        {"encoded_missing_value": -1, "min_frequency": 200},
        {"handle_unknown": "use_encoded_value", "unknown_value": np.nan, "encoded_missing_value": -2},
        {"handle_unknown": "use_encoded_value", "unknown_value": -3},
    ],
    ids=str,
)
def test_ordinal_of_missing_values(settings: dict[str, Any]) -> None:
    rows = HOLES + (0.5 if "unknown_value" in settings else 0) * (np.arange(12) == 3)
    assert_agrees(OrdinalEncoder(**settings).fit(HOLES), rows, sqnr_db=300)


@pytest.mark.parametrize("target", [DIGIT > 4, DIGIT, np.array(["odd", "even"])[DIGIT % 2]], ids=["0/1", "10", "texts"])
def test_target_of_classes(target: Array) -> None:
    assert_agrees(TargetEncoder().fit(HOLES, target), np.concatenate([HOLES, DIGITS + 0.5]), sqnr_db=130)


def test_target_of_numbers() -> None:
    encoder = TargetEncoder(smooth=3.0).fit(HOLES[:442], load_diabetes().target)
    assert_agrees(encoder, np.concatenate([HOLES[:442], UNKNOWN]), sqnr_db=130)


def test_numbers_next_to_a_category_are_unknown() -> None:
    # 0.1 as float32 is no category of these; it is the nearest to one where nothing unknown may come.
    tenths = np.array([[0.1], [0.25], [0.5]])
    assert_agrees(OneHotEncoder(handle_unknown="ignore").fit(tenths), tenths)
    with torch.no_grad():
        found = build(OneHotEncoder().fit(tenths)).answers(torch.tensor(tenths, dtype=torch.float32))
    np.testing.assert_array_equal(found["transformed"], np.eye(3))


def test_categories_that_float32_does_not_tell_apart_are_refused() -> None:
    with pytest.raises(ConversionError, match="categories of column 0 are the same number in float32"):
        build(OneHotEncoder().fit(np.array([[2**24], [2**24 + 1]])))


def coded(rows: Array) -> torch.Tensor:
    columns = [encode(rows[:, index], texts) for index, texts in enumerate((COLORS, SIZES))]
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, categories=[COLORS[::-1], SIZES]),
        TargetEncoder(cv=2),
    ],
    ids=str,
)
def test_texts_come_as_positions(encoder: Any) -> None:
    encoder.fit(WORDS[:5], [0, 1, 1, 0, 1])
    asked = np.concatenate([WORDS, [["mauve", "XL"]]])
    wanted = encoder.transform(asked)
    found = build(encoder, Context(columns=(COLORS, SIZES))).answers(coded(asked))["transformed"]
    np.testing.assert_allclose(found, wanted.toarray() if hasattr(wanted, "toarray") else wanted, rtol=1e-6)
    with pytest.raises(ConversionError, match="column 0 is text"):
        build(encoder)


def table() -> tuple[Any, Array]:
    iris = load_iris(as_frame=True)
    rows = iris.data.iloc[::10].reset_index(drop=True)
    rows["color"] = np.resize(["red", "green", "blue"], len(rows))
    rows["size"] = np.resize(["S", "M", "?", "L"], len(rows))
    return rows, iris.target.iloc[::10]


def test_texts_of_a_pipeline() -> None:
    rows, target = table()
    imputer = SimpleImputer(strategy="constant", fill_value="none")
    texts = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"))
    numbers = list(rows.columns[:4])
    for chosen in (["color", "size"], slice(4, 6), [4, 5], np.array([False] * 4 + [True] * 2), slice("color", "size")):
        columns = ColumnTransformer([("texts", texts, chosen), ("numbers", StandardScaler(), numbers)])
        model = make_pipeline(columns, LogisticRegression()).fit(rows, target)
        found = texts_of(model, 6)
        assert found[:4] == ((),) * 4
        assert set(found[4]) == {"none", "red", "green", "blue"}
        assert set(found[5]) == {"none", "S", "M", "?", "L"}


def test_texts_of_several_encoders_of_one_column() -> None:
    rows, _ = table()
    union = FeatureUnion(
        [("one", OneHotEncoder(categories=[["red", "green", "blue"]])), ("two", OrdinalEncoder(dtype=float))]
    )
    steps = ColumnTransformer(
        [("both", union, ["color"]), ("drop", "drop", [0])], remainder="passthrough", verbose_feature_names_out=False
    )
    again = ColumnTransformer([("size", OrdinalEncoder(), [-1])], remainder="passthrough")
    model = make_pipeline(steps, again).fit(rows)
    assert texts_of(model, 6) == ((), (), (), (), ("red", "green", "blue"), ("?", "L", "M", "S"))


def test_texts_of_an_imputer_with_its_own_mark() -> None:
    sizes = table()[0][["size"]]
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent")
    model = make_pipeline(imputer, "passthrough", OrdinalEncoder()).fit(sizes)
    assert texts_of(model, 1) == (("M", "?", "L", "S"),)


@pytest.mark.parametrize(
    ("encoder", "rows"),
    [
        (OneHotEncoder(min_frequency=200, handle_unknown="infrequent_if_exist"), HOLES),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-7), UNKNOWN),
        (OrdinalEncoder(), HOLES),
        (OneHotEncoder(handle_unknown="ignore"), UNKNOWN),
    ],
    ids=["infrequent", "ordinal", "ordinal missing", "one-hot"],
)
def test_exports(encoder: Any, rows: Array, tmp_path: Path) -> None:
    encoder.fit(HOLES if np.isnan(rows).any() else DIGITS)
    assert_exports(encoder, rows[195:207], tmp_path)
