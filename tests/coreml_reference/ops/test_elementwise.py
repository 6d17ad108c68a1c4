"""Elementwise operations of one and two operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.coreml_reference.registry import kernels

torch = pytest.importorskip("torch")
X = np.array([-1.5, -0.5, 0.0, 0.5, 2.5], np.float32)
RNG = np.random.default_rng(0)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


@pytest.mark.parametrize(
    ("dtype", "wanted"),
    [
        ("int32", [-2147483648, -1, 0, 0, 1, 300, 2147483647]),
        ("int64", [-(2**63), -1, 0, 0, 1, 300, 10**10]),
        ("int8", [-128, -1, 0, 0, 1, 127, 127]),
        ("uint8", [0, 0, 0, 0, 1, 255, 255]),
        ("bool", [True, True, True, False, True, True, True]),
        ("fp32", [-np.inf, -1.9, np.nan, 0, 1.9, 300, 1e10]),
    ],
)
def test_cast_cuts_fractions_off_and_saturates(dtype: str, wanted: list[Any]) -> None:
    x = np.array([-np.inf, -1.9, np.nan, 0, 1.9, 300, 1e10], np.float32)
    cast = call("cast", x, dtype=dtype)
    np.testing.assert_array_equal(cast, np.array(wanted, cast.dtype))
    assert cast.dtype == ("float32" if dtype == "fp32" else dtype)


def test_cast_between_integers_keeps_the_low_bits() -> None:
    assert call("cast", np.array([-1, 257], np.int32), dtype="uint8").tolist() == [255, 1]


def test_half_precision_is_held_as_float32() -> None:
    assert call("cast", np.array([1], np.int32), dtype="fp16").dtype == np.float32


def test_constants_are_added_before() -> None:
    x = np.array([0.0, 1.0], np.float32)
    np.testing.assert_allclose(call("inverse", x), [1e4, 1 / 1.0001], rtol=1e-6)
    np.testing.assert_allclose(call("rsqrt", x, epsilon=0.25), [2, 1 / np.sqrt(1.25)], rtol=1e-6)
    np.testing.assert_allclose(call("log", x), [-103.27893, 0], rtol=1e-6)


def test_bounds() -> None:
    np.testing.assert_array_equal(call("clip", X, alpha=-1.0, beta=0.5), np.array([-1, -0.5, 0, 0.5, 0.5], np.float32))
    np.testing.assert_array_equal(call("threshold", X, alpha=0.25), np.array([0.25, 0.25, 0.25, 0.5, 2.5], np.float32))


def test_rounding_takes_halves_to_the_even_neighbour() -> None:
    np.testing.assert_array_equal(call("round", X), [-2, 0, 0, 0, 2])


@pytest.mark.parametrize("name", ["acos", "asin", "atan", "cos", "cosh", "erf", "exp", "exp2", "sin", "sinh", "tan"])
def test_functions(name: str) -> None:
    x = RNG.uniform(-1, 1, (3, 5)).astype(np.float32)
    wanted = getattr(torch, name)(torch.from_numpy(x).double()).numpy()
    np.testing.assert_allclose(call(name, x), wanted, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["abs", "sign", "square"])
def test_integers(name: str) -> None:
    x = np.array([-3, 0, 4], np.int32)
    assert call(name, x).tolist() == {"abs": [3, 0, 4], "sign": [-1, 0, 1], "square": [9, 0, 16]}[name]


def test_division_of_negative_numbers() -> None:
    x, y = np.array([-7, 7, -7], np.int32), np.array([2, -2, -2], np.int32)
    assert call("floor_div", x, y).tolist() == [-4, -4, 3]
    assert call("mod", x, y).tolist() == [1, -1, -1]
    np.testing.assert_array_equal(call("mod", x.astype(np.float32), y.astype(np.float32)), [1, -1, -1])
    # The declared dtype cuts the fractions off.
    assert call("real_div", x, y).tolist() == [-3.5, -3.5, 3.5]


def test_powers() -> None:
    x = np.array([4.0, 9.0], np.float32)
    for exponent in (np.float32(0.5), np.array([0.5], np.float32), np.array([[0.5], [2.0]], np.float32)):
        np.testing.assert_allclose(call("pow", x, np.asarray(exponent)), np.power(x, exponent), rtol=1e-6)
    assert call("pow", np.array([2, 3], np.int32), np.array([3, 2], np.int32)).tolist() == [8, 9]
    assert call("pow", np.array([2, 1], np.int32), np.array([-1, -1], np.int32)).astype(np.int32).tolist() == [0, 1]


SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4)


@given(shapes=SHAPES, name=st.sampled_from(["add", "sub", "mul", "maximum", "minimum", "less", "equal"]))
def test_operands_are_broadcast(shapes: hnp.BroadcastableShapes, name: str) -> None:
    x, y = (RNG.integers(-3, 4, shape).astype(np.float32) for shape in shapes.input_shapes)
    names = {"less": "lt", "equal": "eq"}
    result = np.asarray(call(name, np.asarray(x), np.asarray(y)))
    wanted = getattr(torch, names.get(name, name))(torch.from_numpy(np.asarray(x)), torch.from_numpy(np.asarray(y)))
    assert result.shape == shapes.result_shape
    np.testing.assert_array_equal(result, wanted.numpy())


@given(hnp.arrays(np.float32, st.integers(1, 80), elements=st.floats(-50, 50, width=32)))
def test_clip_keeps_the_bounds(x: np.ndarray[Any, Any]) -> None:
    clipped = call("clip", x, alpha=-1.0, beta=6.0)
    assert ((clipped >= -1) & (clipped <= 6)).all()
    np.testing.assert_array_equal(call("clip", clipped, alpha=-1.0, beta=6.0), clipped)
