"""Estimators around another, and those that answer a constant."""

import numpy as np
import pytest
from agreement import assert_agrees, assert_exports
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, make_scorer, recall_score
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from edgekit.classical import build
from edgekit.errors import ConversionError

WINE, KINDS = load_wine(return_X_y=True)
CANCER, ILL = load_breast_cancer(return_X_y=True)
BODIES, ILLNESS = load_diabetes(return_X_y=True)
WINE, CANCER, BODIES = (rows.astype(np.float32).astype(np.float64) for rows in (WINE, CANCER, BODIES))


def test_a_search_answers_as_its_best() -> None:
    model = GridSearchCV(RandomForestClassifier(5, random_state=0), {"max_depth": [2, 4]}, cv=2).fit(WINE, KINDS)
    assert_agrees(model, WINE, "label", "probabilities")
    assert_agrees(FrozenEstimator(model.best_estimator_), WINE, "label", "probabilities")


@pytest.mark.parametrize("positive", [None, 0])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_thresholds_of_scores(positive, method) -> None:
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    cut = 0.3 if method == "predict_proba" else -0.5
    model = FixedThresholdClassifier(inner, threshold=cut, response_method=method, pos_label=positive).fit(CANCER, ILL)
    assert_agrees(model, CANCER, "label")
    tuned = TunedThresholdClassifierCV(inner, response_method=method, cv=3, thresholds=20).fit(CANCER, ILL)
    assert_agrees(tuned, CANCER, "label")


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_the_positive_class_is_the_scorers(positive, method) -> None:
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    # Recall of one class is best at the lowest of its scores, far from what divides the two.
    scorer = make_scorer(recall_score, pos_label=positive)
    model = TunedThresholdClassifierCV(inner, scoring=scorer, response_method=method, cv=3, thresholds=20)
    assert_agrees(model.fit(CANCER, ILL), CANCER, "label")
    named = np.where(positive == ILL, "a", "b")
    scorer = make_scorer(f1_score, pos_label="a")
    model = TunedThresholdClassifierCV(inner, scoring=scorer, response_method=method, cv=3, thresholds=20)
    assert_agrees(model.fit(CANCER, named), CANCER, "label")


def test_a_threshold_at_scores_that_occur() -> None:
    forest = RandomForestClassifier(10, random_state=0)
    for cut in (0.1, 0.3, 0.7, 0.9):
        assert_agrees(FixedThresholdClassifier(forest, threshold=cut).fit(CANCER, ILL), CANCER, "label")


def test_a_threshold_around_what_was_fitted_before() -> None:
    inner = make_pipeline(StandardScaler(), LinearSVC(random_state=0)).fit(CANCER, ILL)
    assert_agrees(FixedThresholdClassifier(inner, threshold=0.5), CANCER, "label")
    assert_agrees(FixedThresholdClassifier(inner, threshold=0.5, pos_label=0.0).fit(CANCER, ILL), CANCER, "label")


TRANSFORMERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_std=False),
    MinMaxScaler((1, 3)),
    MaxAbsScaler(),
    RobustScaler(),
    RobustScaler(with_centering=False),
    PowerTransformer(),
    PowerTransformer(standardize=False),
    PowerTransformer("box-cox"),
    QuantileTransformer(n_quantiles=100),
    QuantileTransformer(n_quantiles=20, output_distribution="normal"),
    FunctionTransformer(),
    make_pipeline(FunctionTransformer(np.log1p, np.expm1), "passthrough", StandardScaler()),
]


# What lies beyond all that a power transform gives has no inverse: NaN.
NO_INVERSE = ("ignore:invalid value encountered in power:RuntimeWarning", "ignore:Some values in column:UserWarning")


@pytest.mark.filterwarnings(*NO_INVERSE)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
@pytest.mark.parametrize("several", [False, True])
def test_transformed_targets(transformer, several) -> None:
    target = np.stack([ILLNESS, BODIES[:, 2] + 1], axis=1) if several else ILLNESS
    # Rows beyond those of the fit, so that the regressor answers beyond its targets.
    rows = np.concatenate([BODIES, BODIES * 2])
    model = TransformedTargetRegressor(Ridge(0.1), transformer=transformer, check_inverse=False).fit(BODIES, target)
    assert_agrees(model, rows, "prediction")


@pytest.mark.filterwarnings(*NO_INVERSE)
@pytest.mark.parametrize("lambdas", [(0.0, 2.0), (2.0, 0.0), (-1.5, 3.4), (1.0, 1.0)])
@pytest.mark.parametrize("means", [(0.0, 0.0), (0.8, -0.8)])
def test_powers_of_either_sign(lambdas, means) -> None:
    target = np.stack([ILLNESS / 100 - 1.5, BODIES[:, 2] * 30], axis=1)
    model = TransformedTargetRegressor(Ridge(), transformer=PowerTransformer(), check_inverse=False)
    model.fit(BODIES, target)
    model.transformer_.lambdas_ = np.array(lambdas)
    # A branch of power -1.5 ends at 2 / 3, before a mean of 0.8.
    model.transformer_._scaler.mean_, model.transformer_._scaler.scale_ = np.array(means), np.array([0.5, 0.5])
    answers = assert_agrees(model, BODIES, "prediction")
    assert np.isfinite(answers["prediction"]).any(axis=0).all()


def test_targets_of_a_transformer_are_exported(tmp_path) -> None:
    transformer = make_pipeline(
        PowerTransformer(), QuantileTransformer(n_quantiles=50, output_distribution="normal", random_state=0)
    )
    model = TransformedTargetRegressor(Ridge(0.1), transformer=transformer, check_inverse=False).fit(BODIES, ILLNESS)
    assert_exports(model, BODIES[:20], tmp_path)


def test_a_target_without_an_inverse_is_refused() -> None:
    model = TransformedTargetRegressor(Ridge(), transformer=StandardScaler()).fit(BODIES, ILLNESS)
    model.transformer_ = SplineTransformer().fit(ILLNESS[:, None])
    with pytest.raises(ConversionError, match="inverse of its SplineTransformer"):
        build(model)
    model.transformer_ = FunctionTransformer(np.log1p, np.expm1, inv_kw_args={"where": True})
    with pytest.raises(ConversionError, match="where"):
        build(model)


@pytest.mark.parametrize(("func", "inverse"), [(np.log1p, np.expm1), (np.log, np.exp), (np.sqrt, np.square)])
def test_targets_transformed_by_functions(func, inverse, tmp_path) -> None:
    model = TransformedTargetRegressor(Ridge(), func=func, inverse_func=inverse).fit(BODIES, ILLNESS)
    assert_agrees(model, BODIES, "prediction")
    if func is np.log1p:
        assert_exports(model, BODIES[:20], tmp_path)


def _python(values):
    return np.exp(values)


def test_a_target_transformed_by_python_is_refused() -> None:
    model = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=_python).fit(BODIES, ILLNESS)
    with pytest.raises(ConversionError, match="is Python"):
        build(model)


@pytest.mark.parametrize("strategy", ["prior", "most_frequent", "constant"])
def test_constant_classes(strategy, tmp_path) -> None:
    model = DummyClassifier(strategy=strategy, constant=2 if strategy == "constant" else None).fit(WINE, KINDS)
    assert_agrees(model, WINE, "label", "probabilities")
    if strategy == "prior":
        assert_exports(model, WINE[:5], tmp_path)


def test_random_classes_are_refused() -> None:
    with pytest.raises(ConversionError, match="at random"):
        build(DummyClassifier(strategy="uniform").fit(WINE, KINDS))
    with pytest.raises(ConversionError, match="several labels a row"):
        build(DummyClassifier().fit(WINE, np.stack([KINDS, KINDS], axis=1)))


def test_constant_numbers() -> None:
    assert_agrees(DummyRegressor().fit(BODIES, ILLNESS), BODIES, "prediction")
    assert_agrees(DummyRegressor(strategy="median").fit(BODIES, BODIES[:, :2]), BODIES, "prediction")
