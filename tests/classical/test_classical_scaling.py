"""Rules of scaling.py, binning.py, power.py, quantiles.py and functions.py in edgekit/classical."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    KernelCenterer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from edgekit.classical import build
from edgekit.errors import ConversionError
from edgekit.signature import Array
from tests.classical.agreement import assert_agrees, assert_exports

pytestmark = [
    pytest.mark.filterwarnings("ignore:n_quantiles:UserWarning"),
    pytest.mark.filterwarnings("ignore:Bins whose width are too small:UserWarning"),
    pytest.mark.filterwarnings("ignore:Feature .* is constant:UserWarning"),
]
DATA = {
    "iris": load_iris().data,
    "wine": load_wine().data,
    "cancer": load_breast_cancer().data,
    "diabetes": load_diabetes().data,
    "digits": load_digits().data[:200],
}
DATA = {name: rows.astype(np.float32).astype(np.float64) for name, rows in DATA.items()}
IRIS, WINE = DATA["iris"], DATA["wine"]


def edge_rows(rows: Array) -> Array:
    """Some of them, and zeros, large and negative ones, the smallest and the largest values."""
    extremes = [rows.min(0), rows.max(0), np.zeros(rows.shape[1])]
    return np.concatenate([rows[:60], rows[:2] * 1e3, -rows[:2], np.stack(extremes)])


def with_holes(rows: Array) -> Array:
    return np.where(np.random.default_rng(0).random(rows.shape) < 0.15, np.nan, rows)


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-3, 5), clip=True),
        MaxAbsScaler(),
        MaxAbsScaler(clip=True),
        RobustScaler(),
        RobustScaler(with_centering=False, quantile_range=(5, 95), unit_variance=True),
        RobustScaler(with_scaling=False),
        Normalizer(),
        Normalizer(norm="l1"),
        Normalizer(norm="max"),
        Binarizer(threshold=0.1),
        KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
        KBinsDiscretizer(encode="onehot", strategy="uniform"),
        PowerTransformer(),
        PowerTransformer(standardize=False),
        QuantileTransformer(n_quantiles=50),
        QuantileTransformer(n_quantiles=1000),
        QuantileTransformer(n_quantiles=100, output_distribution="normal"),
    ],
    ids=str,
)
def test_columns_and_rows_are_transformed(transformer: Any, name: str) -> None:
    rows = DATA[name]
    assert_agrees(transformer.fit(rows), edge_rows(rows), "transformed", sqnr_db=115)


@pytest.mark.parametrize("encode", ["ordinal", "onehot-dense"])
def test_bins_by_means(encode: str) -> None:
    assert_agrees(KBinsDiscretizer(3, encode=encode, strategy="kmeans").fit(WINE), edge_rows(WINE))


@pytest.mark.parametrize("standardize", [False, True])
def test_box_cox(standardize: bool) -> None:
    assert_agrees(PowerTransformer(method="box-cox", standardize=standardize).fit(WINE), WINE, sqnr_db=120)


@pytest.mark.parametrize(
    ("transformer", "offset"),
    [
        (StandardScaler(), 1e5),
        (MinMaxScaler(), 1e5),
        (RobustScaler(), 1e5),
        # Farther away the powers are so large that float64 itself gives noise.
        (PowerTransformer(), 16),
        (PowerTransformer(method="box-cox"), 16),
    ],
    ids=str,
)
def test_data_far_from_zero_do_not_cancel(transformer: Any, offset: float) -> None:
    far = (IRIS + offset).astype(np.float32).astype(np.float64)
    assert_agrees(transformer.fit(far), far, sqnr_db=115)


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        MinMaxScaler(clip=True),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=20),
        QuantileTransformer(n_quantiles=20, output_distribution="normal"),
    ],
    ids=str,
)
def test_missing_values_stay(transformer: Any) -> None:
    assert_agrees(transformer.fit(IRIS), with_holes(IRIS), sqnr_db=120)


def test_thresholds_lie_between_float32_numbers() -> None:
    near = np.array([[0.1], [np.nextafter(np.float32(0.1), np.float32(0))], [0.10000001]], np.float32)
    assert_agrees(Binarizer(threshold=0.1).fit(near), near)
    edges = KBinsDiscretizer(10, encode="ordinal", strategy="uniform").fit(np.linspace(0, 1, 11)[:, None])
    close = np.linspace(0, 1, 11, dtype=np.float32)[:, None]
    assert_agrees(
        edges, np.concatenate([close, np.nextafter(close, np.float32(0)), np.nextafter(close, np.float32(1))])
    )


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
def test_quantiles_that_repeat_and_tails(distribution: str) -> None:
    repeated = np.array([[0.0], [0], [0], [1], [2], [2], [2], [2], [3], [5], [5]])
    asked = np.concatenate([repeated, [[-1], [0.5], [4.9], [2.5], [9]]])
    for count in (1, 5, 11):
        assert_agrees(QuantileTransformer(n_quantiles=count, output_distribution=distribution).fit(repeated), asked)
    constant = QuantileTransformer(n_quantiles=3, output_distribution=distribution).fit(np.ones((5, 1)))
    assert_agrees(constant, np.array([[0.0], [1], [2]]))
    skewed = np.sort(np.random.default_rng(0).lognormal(size=(3000, 1)), axis=0)
    skewed_transformer = QuantileTransformer(n_quantiles=1000, output_distribution=distribution).fit(skewed)
    assert_agrees(skewed_transformer, np.concatenate([skewed[:200], skewed[-200:]]), sqnr_db=120)


def test_rows_beyond_the_squares_of_float32_are_normalized() -> None:
    rows = np.array([[3e30, 4e30], [3e-30, 4e-30], [0, 0], [3e-8, 4e-8]], np.float32)
    assert_agrees(Normalizer().fit(rows), rows, sqnr_db=120)


def test_kernel_centerer() -> None:
    kernel = (WINE @ WINE.T).astype(np.float32)
    assert_agrees(KernelCenterer().fit(kernel.astype(np.float64)), kernel, sqnr_db=120)


@pytest.mark.parametrize(
    "function",
    [
        *(None, np.log1p, np.expm1, np.log, np.log2, np.log10, np.exp, np.sqrt, np.abs, np.square, np.sin, np.cos),
        *(np.tanh, np.floor, np.ceil, np.sign, np.reciprocal, np.negative, np.fabs, np.degrees, np.radians),
        np.positive,
    ],
)
def test_functions_of_numpy(function: Any) -> None:
    assert_agrees(FunctionTransformer(function).fit(IRIS), np.concatenate([IRIS, IRIS * 1e-6]), sqnr_db=125)
    if function in (np.log1p, np.expm1):
        assert_agrees(FunctionTransformer(function).fit(IRIS), IRIS * 1e-6, sqnr_db=125)


@pytest.mark.parametrize("settings", [{"func": np.cumsum}, {"func": np.clip, "kw_args": {"a_min": 0, "a_max": 1}}])
def test_other_functions_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match=f"func={settings['func'].__name__}.*numpy.log1p"):
        build(FunctionTransformer(**settings).fit(IRIS))


@pytest.mark.parametrize(
    "transformer",
    [
        MinMaxScaler(clip=True),
        Normalizer(),
        KBinsDiscretizer(encode="ordinal", strategy="uniform"),
        KBinsDiscretizer(encode="onehot-dense", strategy="uniform"),
        PowerTransformer(),
        QuantileTransformer(n_quantiles=20),
        QuantileTransformer(n_quantiles=20, output_distribution="normal"),
    ],
    ids=str,
)
def test_exports(transformer: Any, tmp_path: Path) -> None:
    rows = np.concatenate([IRIS[::15], -IRIS[:1], IRIS[:1] * 10])
    assert_exports(transformer.fit(IRIS), rows, tmp_path, sqnr_db=90)
