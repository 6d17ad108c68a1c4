"""Quantized activations: bounds, ties, scales along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgekit.coreml_reference.registry import kernels


def call(name: str, **arguments: Any) -> Any:
    return kernels()[name].call(**arguments)


def test_halves_go_to_the_even_neighbour_and_bounds_saturate() -> None:
    x = np.array([0.25, 0.75, -0.25, 1.25, 100.0, -100.0, np.inf], np.float32)
    found = call("quantize", input=x, scale=np.array(0.5, np.float32), output_dtype="int8")
    assert found.dtype == np.int8
    assert found.tolist() == [0, 2, 0, 2, 127, -128, 127]


def test_the_zero_point_is_added_after_rounding() -> None:
    x = np.array([[0.5, 1.5], [2.5, -9.0]], np.float32)
    scale, zero = np.array([1.0, 2.0], np.float32), np.array([1, 3], np.uint8)
    found = call("quantize", input=x, scale=scale, zero_point=zero, axis=-2, output_dtype="uint8")
    assert found.tolist() == [[1, 3], [4, 0]]
    assert call("dequantize", input=found, scale=scale, zero_point=zero, axis=0).tolist() == [[0, 2], [2, -6]]


def test_small_integers_do_not_wrap() -> None:
    x = np.array([-128, 127], np.int8)
    found = call("dequantize", input=x, scale=np.array(2.0, np.float32), zero_point=np.array(127, np.int8))
    assert found.tolist() == [-510, 0]


@given(st.lists(st.integers(-128, 127), min_size=1), st.floats(0.0078125, 64, width=32), st.integers(-128, 127))
def test_back_and_forth(values: list[int], scale: float, zero: int) -> None:
    x = np.array(values, np.int8)
    parameters = {"scale": np.array(scale, np.float32), "zero_point": np.array(zero, np.int8)}
    wide = call("dequantize", input=x, **parameters)
    assert call("quantize", input=wide, output_dtype="int8", **parameters).tolist() == values
