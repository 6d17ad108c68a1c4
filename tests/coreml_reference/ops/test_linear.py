"""Products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.coreml_reference.registry import kernels

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


def f32(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (3, 2, 5)])
def test_linear(shape: tuple[int, ...]) -> None:
    x, weight, bias = f32(*shape), f32(4, 5), f32(4)
    np.testing.assert_allclose(call("linear", x, weight, bias), np.einsum("...i,oi->...o", x, weight) + bias, rtol=1e-5)
    np.testing.assert_allclose(call("linear", x, weight), np.einsum("...i,oi->...o", x, weight), rtol=1e-5)


def test_linear_of_integers_and_of_mixed_dtypes() -> None:
    x, weight = np.array([[1, 2]], np.int32), np.array([[3, 4], [5, 6]], np.int32)
    assert call("linear", x, weight, np.array([1, 1], np.int32)).tolist() == [[12, 18]]
    assert call("linear", x, weight.astype(np.float32) / 2).tolist() == [[5.5, 8.5]]
    assert call("matmul", x, weight).tolist() == [[13, 16]]


@pytest.mark.parametrize(
    ("left", "right"), [((5,), (2, 5, 4)), ((2, 3, 5), (5,)), ((2, 1, 3, 5), (6, 5, 4)), ((5,), (5,))]
)
def test_matmul_broadcasts(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = f32(*left), f32(*right)
    np.testing.assert_allclose(call("matmul", x, y), np.matmul(x, y), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("swapped", [(False, False), (True, False), (False, True), (True, True)])
def test_matmul_transposes(swapped: tuple[bool, bool]) -> None:
    x = f32(2, 5, 3) if swapped[0] else f32(2, 3, 5)
    y = f32(2, 4, 5) if swapped[1] else f32(2, 5, 4)
    left = x.transpose(0, 2, 1) if swapped[0] else x
    right = y.transpose(0, 2, 1) if swapped[1] else y
    given = call("matmul", x, y, transpose_x=swapped[0], transpose_y=swapped[1])
    np.testing.assert_allclose(given, np.matmul(left, right), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("equation", "left", "right"),
    [
        ("nchw,nwhu->nchu", (2, 3, 4, 5), (2, 5, 4, 6)),
        ("nchw,nwhu->nchu", (1, 3, 4, 5), (2, 5, 1, 6)),
        ("abcd,adce->abce", (2, 3, 4, 5), (2, 5, 4, 6)),
        ("chw,whr->chr", (3, 4, 5), (5, 4, 6)),
        ("chw,whr->chr", (3, 1, 5), (5, 4, 6)),
    ],
)
def test_einsum(equation: str, left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = f32(*left), f32(*right)
    # The rows of x times the columns of y, one product for each of the other dimensions.
    wanted = np.matmul(x.swapaxes(-3, -2), y.swapaxes(-3, -2)).swapaxes(-3, -2)
    np.testing.assert_allclose(call("einsum", (x, y), equation), wanted, rtol=1e-4, atol=1e-5)
