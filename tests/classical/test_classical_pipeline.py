"""Steps one after the other and side by side."""

import numpy as np
import pandas as pd
import pytest
import torch
from agreement import assert_agrees
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from edgekit.classical import Context, build
from edgekit.errors import ConversionError

WINE, KINDS = load_wine(return_X_y=True)
WINE = WINE.astype(np.float32).astype(np.float64)


def test_steps_one_after_the_other() -> None:
    model = make_pipeline(StandardScaler(), PCA(5), LogisticRegression()).fit(WINE, KINDS)
    assert_agrees(model, WINE, "label", "probabilities")
    assert_agrees(make_pipeline(StandardScaler(), PCA(5)).fit(WINE), WINE, "transformed")
    steps = [("none", None), ("same", "passthrough"), ("select", SelectKBest(k=4)), ("model", LogisticRegression())]
    assert_agrees(Pipeline(steps).fit(WINE / 100, KINDS), WINE / 100, "label", "probabilities")


@pytest.mark.parametrize("scalers", [[StandardScaler()], [RobustScaler(), MinMaxScaler()], [StandardScaler(), PCA(6)]])
@pytest.mark.parametrize(
    "final", [DecisionTreeClassifier(random_state=0), HistGradientBoostingClassifier(max_iter=5), LogisticRegression()]
)
def test_trees_behind_scalers_at_their_splits(scalers, final) -> None:
    model = make_pipeline(*scalers, final).fit(WINE, KINDS)
    rows = WINE.astype(np.float32)
    if len(scalers) == 1:
        # Raw values whose scaled value lies at a split, and their neighbours.
        inner = model[:-1].inverse_transform(np.repeat(model[:-1].transform(WINE), 1, axis=0)).astype(np.float32)
        rows = np.concatenate([inner, np.nextafter(inner, np.float32(np.inf)), np.nextafter(inner, np.float32(0))])
    ties = 0 if len(scalers) == 1 or isinstance(final, LogisticRegression) else 2
    assert_agrees(model, rows, "label", ties=ties)


def test_scalers_are_folded_into_the_trees_behind_them() -> None:
    names = []
    module = build(make_pipeline(StandardScaler(), MinMaxScaler(), RandomForestClassifier(3)).fit(WINE, KINDS))
    names = [name for name, _ in module.named_buffers()]
    assert not any("mean" in name or "scale" in name for name in names), names
    assert len(module.steps) == 1


def test_a_pipeline_inside_counts_as_its_steps() -> None:
    inner = make_pipeline("passthrough", MinMaxScaler(), DecisionTreeClassifier(random_state=0))
    model = make_pipeline(StandardScaler(), inner).fit(WINE, KINDS)
    assert len(build(model).steps) == 1
    assert_agrees(model, WINE, "label", "probabilities")


def test_side_by_side() -> None:
    union = FeatureUnion(
        [("a", StandardScaler()), ("b", PCA(2)), ("c", "passthrough"), ("d", "drop")], transformer_weights={"b": 0.25}
    ).fit(WINE)
    assert_agrees(union, WINE, "transformed")


@pytest.mark.parametrize("remainder", ["drop", "passthrough", MinMaxScaler()], ids=str)
def test_each_on_its_own_columns(remainder) -> None:
    parts = [
        ("by index", StandardScaler(), [0, 3]),
        ("by slice", "passthrough", slice(4, 6)),
        ("by mask", MinMaxScaler(), np.arange(13) == 7),
        ("none", StandardScaler(), []),
        ("dropped", "drop", [8]),
    ]
    weights = {"by index": 2.0}
    model = ColumnTransformer(parts, remainder=remainder, transformer_weights=weights).fit(WINE)
    assert_agrees(model, WINE, "transformed")


def test_columns_by_name_and_by_kind() -> None:
    table = pd.DataFrame(WINE[:, :4], columns=["a", "b", "c", "d"])
    model = ColumnTransformer([("n", StandardScaler(), ["d", "a"]), ("m", MinMaxScaler(), make_column_selector("b"))])
    model.fit(table)
    with torch.no_grad():
        found = build(model).answers(torch.tensor(table.to_numpy(np.float32)))["transformed"].numpy()
    np.testing.assert_allclose(found, model.transform(table), rtol=1e-5, atol=1e-6)


def test_of_a_table_only_the_used_columns_come() -> None:
    table = pd.DataFrame({"x": WINE[:, 0], "unused": WINE[:, 1], "kind": np.where(KINDS, "red", "white")})
    model = ColumnTransformer([("k", OneHotEncoder(), ["kind"]), ("n", StandardScaler(), ["x"])]).fit(table)
    module = build(model, Context(columns=(None, ("white", "red"))))
    codes = np.stack([WINE[:, 0], (KINDS > 0).astype(float)], axis=1).astype(np.float32)
    with torch.no_grad():
        found = module.answers(torch.from_numpy(codes))["transformed"].numpy()
    np.testing.assert_allclose(found, model.transform(table), rtol=1e-5, atol=1e-6)


def test_text_beside_numbers_is_handed_on() -> None:
    table = pd.DataFrame({"x": WINE[:, 0], "kind": np.where(KINDS, "red", "white"), "y": WINE[:, 1]})
    filled = ColumnTransformer(
        [("n", StandardScaler(), ["y", "x"]), ("k", SimpleImputer(strategy="most_frequent"), ["kind"])]
    )
    encoded = ColumnTransformer([("k", OneHotEncoder(), [2])], remainder="passthrough")
    model = make_pipeline(filled, encoded).fit(table)
    codes = np.stack([WINE[:, 0], (KINDS > 0).astype(float), WINE[:, 1]], axis=1).astype(np.float32)
    columns = (None, ("white", "red"), None)
    found = build(model, Context(columns=columns)).answers(torch.tensor(codes))["transformed"].numpy()
    np.testing.assert_allclose(found, model.transform(table).astype(float), rtol=1e-5, atol=1e-6)
    union = FeatureUnion([("k", "passthrough"), ("n", filled.named_transformers_["n"])])
    with pytest.raises(ConversionError, match="FeatureUnion that hands text on"):
        build(union, Context(columns=(("white", "red"), ("white", "red"))))


def test_what_keeps_no_column_is_refused() -> None:
    with pytest.raises(ConversionError, match="no column"):
        build(ColumnTransformer([("all", "drop", list(range(13)))]).fit(WINE))


def test_ensembles_of_ensembles_behind_scalers() -> None:
    voting = VotingClassifier([("l", LogisticRegression()), ("t", DecisionTreeClassifier(random_state=0))])
    twice = VotingClassifier([("v", voting), ("l", LogisticRegression())])
    bagged = BaggingClassifier(voting, n_estimators=3, max_features=0.5, random_state=0)
    for final in (twice, bagged, GridSearchCV(voting, {"voting": ["hard"]}, cv=2)):
        assert_agrees(make_pipeline(StandardScaler(), final).fit(WINE, KINDS), WINE, "label")
