"""Activations, against their formulas in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

torch = pytest.importorskip("torch")
X = np.array([-30.0, -2.0, -0.5, 0.0, 0.5, 2.0, 30.0], np.float32)
WIDE = X.astype(np.float64)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("name", "parameters", "wanted"),
    [
        ("clamped_relu", {"alpha": 2.0, "beta": 1.0}, [-60, -4, -1, 0, 0.5, 1, 1]),
        ("clamped_relu", {"alpha": -1.0, "beta": 1.0}, [1, 1, 0.5, 0, 0.5, 1, 1]),
        ("elu", {"alpha": 2.0}, np.where(WIDE > 0, WIDE, 2 * (np.exp(WIDE) - 1))),
        ("leaky_relu", {"alpha": 0.5}, [-15, -1, -0.25, 0, 0.5, 2, 30]),
        ("linear_activation", {"alpha": 2.0, "beta": 1.0}, 2 * WIDE + 1),
        ("relu", {}, [0, 0, 0, 0, 0.5, 2, 30]),
        ("relu6", {}, [0, 0, 0, 0, 0.5, 2, 6]),
        ("scaled_tanh", {"alpha": 2.0, "beta": 0.5}, 2 * np.tanh(WIDE / 2)),
        ("sigmoid", {}, sigmoid(WIDE)),
        ("sigmoid_hard", {"alpha": 0.5, "beta": 0.25}, [0, 0, 0, 0.25, 0.5, 1, 1]),
        ("silu", {}, WIDE * sigmoid(WIDE)),
        ("softplus", {}, np.log1p(np.exp(WIDE))),
        ("softsign", {}, WIDE / (1 + np.abs(WIDE))),
        ("thresholded_relu", {"alpha": 0.5}, [0, 0, 0, 0, 0.5, 2, 30]),
        ("gelu", {"mode": "SIGMOID_APPROXIMATION"}, WIDE * sigmoid(1.702 * WIDE)),
        (
            "gelu",
            {"mode": "TANH_APPROXIMATION"},
            0.5 * WIDE * (1 + np.tanh(np.sqrt(2 / np.pi) * (WIDE + 0.044715 * WIDE**3))),
        ),
        ("gelu", {}, [0, -0.04550026, -0.15426877, 0, 0.34573123, 1.95449974, 30]),
    ],
)
def test_formulas(name: str, parameters: dict[str, Any], wanted: Any) -> None:
    np.testing.assert_allclose(call(name, X, **parameters), wanted, rtol=1e-5, atol=1e-6)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="ERF"):
        call("gelu", X, mode="ERF")


def test_parameters_of_channels() -> None:
    x = np.arange(-6, 6, dtype=np.float32).reshape(1, 3, 2, 2)
    alpha, beta = np.array([1, 2, 3], np.float32), np.array([0.5, 1, 2], np.float32)
    shape = (1, 3, 1, 1)
    scaled = np.where(x > 0, x, x * alpha.reshape(shape))
    np.testing.assert_array_equal(call("prelu", x, alpha), scaled)
    wanted = alpha.reshape(shape) * np.log1p(np.exp(x * beta.reshape(shape)))
    np.testing.assert_allclose(call("softplus_parametric", x, alpha, beta), wanted, rtol=1e-6)


@given(hnp.arrays(np.float32, (3, 4), elements=st.floats(-200, 200, width=32)), st.sampled_from([-2, -1, 0, 1]))
def test_softmax_sums_to_one_and_ignores_a_shift(x: np.ndarray[Any, Any], axis: int) -> None:
    probabilities = call("softmax", x, axis=axis)
    np.testing.assert_allclose(probabilities.sum(axis), 1, rtol=1e-5)
    np.testing.assert_allclose(call("softmax", x + np.float32(64), axis=axis), probabilities, rtol=1e-3, atol=1e-6)
