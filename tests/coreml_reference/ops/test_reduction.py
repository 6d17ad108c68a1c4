"""Reductions, against numpy in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.coreml_reference.registry import kernels

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4)).astype(np.float32)
WIDE = X.astype(np.float64)

WANTED: dict[str, Any] = {
    "reduce_l1_norm": lambda x, **how: np.abs(x).sum(**how),
    "reduce_l2_norm": lambda x, **how: np.sqrt((x * x).sum(**how)),
    "reduce_log_sum": lambda x, **how: np.log(x.sum(**how)),
    "reduce_log_sum_exp": lambda x, **how: np.log(np.exp(x).sum(**how)),
    "reduce_max": np.max,
    "reduce_mean": np.mean,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_sum_square": lambda x, **how: (x * x).sum(**how),
}


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


@pytest.mark.parametrize("axes", [None, (), (0,), (-1,), (0, 2)])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", WANTED)
def test_axes(name: str, axes: tuple[int, ...] | None, keep: bool) -> None:
    given = np.asarray(call(name, X, axes=axes, keep_dims=keep))
    wanted = np.asarray(WANTED[name](WIDE, axis=axes, keepdims=keep))
    assert given.shape == wanted.shape
    np.testing.assert_allclose(given, wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("reduce_l1_norm", [6, 15]),
        ("reduce_l2_norm", [3, 8]),
        ("reduce_log_sum_exp", [3, 6]),
        ("reduce_max", [3, 6]),
        ("reduce_mean", [2, 5]),
        ("reduce_prod", [6, 120]),
        ("reduce_sum_square", [14, 77]),
    ],
)
def test_integers_are_cut_off_by_their_declared_dtype(name: str, wanted: list[int]) -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    assert np.asarray(call(name, x, axes=(1,))).astype(np.int32).tolist() == wanted


def test_large_exponents_do_not_overflow() -> None:
    x = np.array([[1000, 1000], [-1000, -1000]], np.float32)
    np.testing.assert_allclose(call("reduce_log_sum_exp", x, axes=(1,)), [1000.6931, -999.30685], rtol=1e-6)


def test_the_first_of_equal_values() -> None:
    x = np.array([[1, 3, 3], [0, 0, 2]], np.float32)
    assert call("reduce_argmax", x).tolist() == [1, 2]
    assert call("reduce_argmin", x, axis=0, keep_dims=True, output_dtype="uint16").tolist() == [[1, 1, 1]]
