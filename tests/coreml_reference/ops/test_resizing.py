from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgekit.coreml_reference.ops.resizing import grid
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]
RAMP = np.array([0, 1], np.float32).reshape(1, 1, 2)


def call(name: str, *args: object, **given: object) -> np.ndarray:
    return kernels()[name].call(*args, **given)


# The definition's own examples, for an input of two pixels.
@pytest.mark.parametrize(
    ("mode", "five", "six"),
    [
        ("UNALIGN_CORNERS", [0, 0.1, 0.5, 0.9, 1], [0, 0, 1 / 3, 2 / 3, 1, 1]),
        ("STRICT_ALIGN_CORNERS", [0, 0.25, 0.5, 0.75, 1], [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ("ALIGN_CORNERS", [0, 0.25, 0.5, 0.75, 1], [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ("DEFAULT", [0, 0.4, 0.8, 1, 1], [0, 1 / 3, 2 / 3, 1, 1, 1]),
        ("OFFSET_CORNERS", [0.1, 0.3, 0.5, 0.7, 0.9], [1 / 12, 0.25, 5 / 12, 7 / 12, 0.75, 11 / 12]),
    ],
)
def test_resize_bilinear_modes(mode: str, five: list[float], six: list[float]) -> None:
    for expected in (five, six):
        out = call("resize_bilinear", RAMP, 1, len(expected), mode)
        assert_allclose(out.ravel(), expected, atol=1e-6)
        out = call("resize", RAMP, (9, 1, len(expected)), 2, "LINEAR", mode)
        assert_allclose(out.ravel(), expected, atol=1e-6)


@pytest.mark.parametrize(("mode", "point"), [("STRICT_ALIGN_CORNERS", 0), ("ALIGN_CORNERS", 2), ("DEFAULT", 0)])
def test_a_single_sample(mode: str, point: float) -> None:
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    assert call("resize_bilinear", x, 1, 1, mode).item() == point


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), count=st.integers(1, 40), mode=st.sampled_from(MODES))
def test_grids_stay_inside_and_never_turn_back(size: int, count: int, mode: str) -> None:
    points = grid(mode, size, count)
    assert points.shape == (count,)
    assert points.min() >= 0
    assert points.max() <= size - 1
    assert (np.diff(points) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), mode=st.sampled_from(MODES), seed=st.integers(0, 9))
def test_bilinear_is_the_sum_over_its_grid(rows: int, columns: int, mode: str, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(2, 4, 3)).astype(np.float32)
    down, across = grid(mode, 4, rows), grid(mode, 3, columns)
    # A tent function over the pixels is linear interpolation written another way.
    weights = [np.maximum(0, 1 - abs(points[:, None] - np.arange(size))) for points, size in ((down, 4), (across, 3))]
    expected = np.einsum("yh,xw,chw->cyx", *weights, x)
    assert_allclose(call("resize_bilinear", x, rows, columns, mode), expected, atol=1e-5)


def test_upsample_bilinear_by_opset() -> None:
    x = np.array([1, 2], np.float32).reshape(1, 1, 1, 2)
    three = {"scale_factor_height": 1, "scale_factor_width": 3}
    assert_allclose(call("upsample_bilinear", x, **three).ravel(), [1, 1.2, 1.4, 1.6, 1.8, 2], rtol=1e-6)
    centred = call("upsample_bilinear", x, **three, align_corners=False)
    assert_allclose(centred.ravel(), [1, 1, 4 / 3, 5 / 3, 2, 2], rtol=1e-6)
    default = call("upsample_bilinear", x, **three, align_corners=False, half_pixel_centers=False)
    assert_allclose(default.ravel(), [1, 4 / 3, 5 / 3, 2, 2, 2], rtol=1e-6)
    with pytest.raises(UnsupportedError, match="exclude"):
        call("upsample_bilinear", x, **three, align_corners=True, half_pixel_centers=True)


def test_scales_are_applied_in_float32() -> None:
    x = np.zeros((1, 1, 10, 10), np.float32)
    assert call("upsample_nearest_neighbor", x, float(np.float32(0.7)), 2.50001).shape == (1, 1, 7, 25)


def test_nearest_by_corner_and_by_centre() -> None:
    x = np.arange(3, dtype=np.float32).reshape(1, 1, 1, 3)
    assert_array_equal(call("upsample_nearest_neighbor", x, 1.0, 5 / 3 + 1e-4).ravel(), [0, 0, 1, 1, 2])
    assert_array_equal(call("resize_nearest_neighbor", x, 1, 5).ravel(), [0, 0, 1, 2, 2])
    assert_array_equal(call("resize_nearest_neighbor", x[..., :2], 2, 3).reshape(2, 3), [[0, 1, 1], [0, 1, 1]])


def test_resize_keeps_dimensions_of_size_zero_and_integers() -> None:
    x = np.array([2**30 + 1, -7], np.int32).reshape(1, 1, 2)
    out = call("resize", x, (0, 3), 2, "NEAREST_NEIGHBOR")
    assert out.dtype == np.int32
    assert_array_equal(out.ravel(), [2**30 + 1, -7, -7])
    assert call("resize", x.astype(np.float32), (4, 0, 5), 2).shape == (1, 1, 5)
    assert call("resize", x, (4,), 0) is x
    assert_array_equal(call("resize", x, (3,), 1, "NEAREST_NEIGHBOR", "STRICT_ALIGN_CORNERS").ravel()[::2], x.ravel())


def test_unknown_modes_are_refused() -> None:
    for arguments in ((RAMP, (2,), 1, "CUBIC"), (RAMP, (3,), 1, "LINEAR", "MIDDLE")):
        with pytest.raises(UnsupportedError, match="unknown"):
            call("resize", *arguments)


def test_crop() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    assert_array_equal(call("crop", x, (0, 1), (1, 1)), x[:, :3, 1:3])
