"""Thresholds in float32: the original's branch for every float32 number, also where a scaler stands before it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from edgekit.classical.trees.thresholds import probes, pulled_back, transformed
from edgekit.classical.trees.tree import Tree

ROWS = load_iris().data
SCALERS = {
    "standard": (StandardScaler().fit(ROWS),),
    "standard, no mean": (StandardScaler(with_mean=False).fit(ROWS),),
    "min-max": (MinMaxScaler((-3, 7)).fit(ROWS),),
    "clipping": (MinMaxScaler(clip=True).fit(ROWS),),
    "largest": (MaxAbsScaler().fit(ROWS),),
    "robust": (RobustScaler().fit(ROWS),),
    "two": (StandardScaler().fit(ROWS), MinMaxScaler().fit(StandardScaler().fit_transform(ROWS))),
    "power": (PowerTransformer().fit(ROWS),),
    "quantiles": (QuantileTransformer(n_quantiles=40, output_distribution="normal").fit(ROWS),),
    "cube": (FunctionTransformer(np.cbrt).fit(ROWS),),
}
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def steps_around(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    with np.errstate(over="ignore"):
        low, high = np.nextafter(values, np.float32(-np.inf)), np.nextafter(values, np.float32(np.inf))
    every = np.concatenate([values, low, high])
    return every[np.isfinite(every)]


def compared(numbers: np.ndarray, column: int, before: tuple[Any, ...], *, wide: bool) -> np.ndarray:
    rows = np.zeros((len(numbers), 4))
    rows[:, column] = numbers
    with np.errstate(over="ignore"):
        found = transformed(rows, before)[:, column]
        return found if wide else found.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", SCALERS)
@pytest.mark.parametrize("wide", [False, True])
@settings(max_examples=20, deadline=None)
@given(
    thresholds=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4),
    numbers=st.lists(NUMBERS, min_size=1, max_size=8),
    column=st.integers(0, 3),
)
def test_a_pulled_back_threshold_takes_the_same_branch(
    name: str, wide: bool, thresholds: list[float], numbers: list[float], column: int
) -> None:
    before = SCALERS[name]
    asked = np.array(thresholds)
    found = pulled_back(np.full(len(asked), column), asked, before, wide=wide)
    for threshold, narrow in zip(asked, found, strict=True):
        rows = steps_around(np.concatenate([[narrow], numbers]))
        np.testing.assert_array_equal(rows <= narrow, compared(rows, column, before, wide=wide) <= threshold)


@given(st.floats(allow_nan=False), st.lists(NUMBERS, min_size=1))
def test_without_a_scaler_float32_numbers_take_the_same_branch(threshold: float, numbers: list[float]) -> None:
    (narrow,) = pulled_back(np.array([0]), np.array([threshold]), ())
    rows = steps_around(np.concatenate([[narrow], numbers]))
    np.testing.assert_array_equal(rows <= narrow, rows.astype(np.float64) <= threshold)


def test_clipped_thresholds_let_all_or_nothing_through() -> None:
    before = SCALERS["clipping"]
    found = pulled_back(np.array([0, 1, 2]), np.array([-0.5, 1.0, 1.5]), before)
    np.testing.assert_array_equal(found, [-np.inf, np.inf, np.inf])


def test_thresholds_of_several_columns_are_found_together() -> None:
    columns, thresholds = np.array([2, 0, 2, 3, 2]), np.array([0.5, -0.25, -0.5, 1.0, 0.5])
    together = pulled_back(columns, thresholds, SCALERS["standard"])
    alone = [
        pulled_back(columns[index : index + 1], thresholds[index : index + 1], SCALERS["standard"])[0]
        for index in range(5)
    ]
    np.testing.assert_array_equal(together, alone)


def test_a_pipeline_is_a_scaler_too() -> None:
    pipeline = make_pipeline(*SCALERS["two"])
    args = np.array([1, 3]), np.array([0.25, 0.75])
    np.testing.assert_array_equal(pulled_back(*args, (pipeline,)), pulled_back(*args, SCALERS["two"]))


def test_probes_stand_at_each_threshold_and_one_step_beside_it() -> None:
    tree = Tree(
        np.array([1, -1, -1]), np.array([0.1, 0, 0]), np.array([1, -1, -1]), np.array([2, -1, -1]), np.zeros((3, 1))
    )
    rows = probes([tree], np.array([[5.0, 6.0], [7.0, 8.0]]), missing=True)
    below = np.nextafter(np.float32(0.1), np.float32(0))  # float32's 0.1 is above 0.1
    np.testing.assert_array_equal(rows[:, 0], [5, 7, 5, 7])
    step = np.nextafter(below, np.float32(0))
    np.testing.assert_array_equal(rows[:, 1], np.array([step, below, np.float32(0.1), np.nan], np.float32))


def test_probes_are_at_most_as_many_as_asked_for() -> None:
    nodes = 2001
    leaf = np.arange(nodes) >= 1000
    tree = Tree(np.where(leaf, -1, 0), np.arange(nodes) / 7, np.zeros(nodes), np.zeros(nodes), np.zeros((nodes, 1)))
    assert len(probes([tree], np.zeros((1, 1)), most=500)) == 500
