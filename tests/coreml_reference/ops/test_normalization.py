from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

X = np.random.default_rng(3).normal(size=(2, 3, 4, 5)).astype(np.float32) + 2
PER_CHANNEL = np.array([0.5, 1.0, 2.0], np.float32)


def call(name: str, *args: object, **given: object) -> np.ndarray:
    return kernels()[name].call(*args, **given)


def test_batch_norm_is_scale_and_offset_by_channel() -> None:
    out = call("batch_norm", X, PER_CHANNEL, PER_CHANNEL, gamma=PER_CHANNEL, beta=-PER_CHANNEL, epsilon=0.1)
    channel = PER_CHANNEL[:, None, None]
    assert_allclose(out, (X - channel) / np.sqrt(channel + 0.1) * channel - channel, rtol=1e-5, atol=1e-6)


def test_instance_norm_of_a_single_element_is_beta() -> None:
    out = call("instance_norm", np.ones((2, 3, 1), np.float32), gamma=PER_CHANNEL, beta=PER_CHANNEL)
    assert_allclose(out, np.broadcast_to(PER_CHANNEL[:, None], (2, 3, 1)))


def test_l2_norm_takes_the_last_three_dimensions_together() -> None:
    x = np.zeros((2, 1, 1, 2), np.float32)
    x[0, 0, 0] = [3, 4]
    assert_allclose(call("l2_norm", x, epsilon=0.0001)[0, 0, 0], [0.6, 0.8], rtol=1e-5)
    assert_allclose(call("l2_norm", x, epsilon=11.0)[0, 0, 0], [0.5, 4 / 6], rtol=1e-5)


@pytest.mark.parametrize("axes", [(-1,), (2, 3), (0, 2), (1,), None])
def test_layer_norm_over_any_axes(axes: tuple[int, ...] | None) -> None:
    over = tuple(range(4)) if axes is None else tuple(sorted(axis % 4 for axis in axes))
    sizes = [X.shape[axis] for axis in over]
    gamma, beta = np.random.default_rng(4).normal(size=(2, *sizes)).astype(np.float32)
    spread = [size if axis in over else 1 for axis, size in enumerate(X.shape)]
    expected = (X - X.mean(over, keepdims=True)) / np.sqrt(X.var(over, keepdims=True) + 0.01)
    expected = expected * gamma.reshape(spread) + beta.reshape(spread)
    assert_allclose(call("layer_norm", X, axes, gamma, beta, 0.01), expected, rtol=1e-4, atol=1e-5)


def test_layer_norm_keeps_precision_far_from_zero() -> None:
    x = np.array([[10000.0, 10001.0, 10002.0, 10003.0]], np.float32)
    for axes in ((1,), (0, 1)):
        assert_allclose(call("layer_norm", x, axes)[0], [-1.341635, -0.447212, 0.447212, 1.341635], rtol=1e-4)


def test_local_response_norm_by_hand() -> None:
    x = np.array([1, 5, -3], np.float32).reshape(1, 3, 1, 1)
    out = call("local_response_norm", x, size=3, alpha=3.0, beta=1.0, k=1.0)
    assert_allclose(out.ravel(), [1 / 27, 5 / 36, -3 / 35], rtol=1e-6)
    # An even window reaches further back than ahead.
    out = call("local_response_norm", x, size=2, alpha=2.0, beta=1.0, k=1.0)
    assert_allclose(out.ravel(), [1 / 2, 5 / 27, -3 / 35], rtol=1e-6)


def test_local_response_norm_counts_channels_from_the_end() -> None:
    # Apple's literal value for [1, 3, 2]: 5 / (1 + 0.0001 / 3 * 25) ** 0.75.
    x = np.array([[[1.0, -7.0], [5.0, -6.0], [-3.0, -5.0]]], np.float32)
    assert_allclose(call("local_response_norm", x, size=3)[0, 1], [4.99687672, -5.99460602], rtol=1e-6)
    with pytest.raises(UnsupportedError, match="rank 2"):
        call("local_response_norm", x[0], size=3)
