from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError, UnsupportedError

IMAGE = np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
ALIGNED = {"target_height": 2, "target_width": 2, "sampling_mode": "ALIGN_CORNERS"}


def call(name: str, *args: object, **given: object) -> np.ndarray:
    return kernels()[name].call(*args, **given)


def test_crop_resize_pads_what_leaves_the_image() -> None:
    boxes = np.array([[0.1, 0.3, 1.3, 1.0], [0.5, 1.8, 1.0, 0.3], [0.0, 0.4, 0.6, 0.7]], np.float32)
    given = {**ALIGNED, "normalized_coordinates": True, "pad_value": -1.0}
    expected = [[3.1, 5.2, -1, -1], [-1, 7.9, -1, 13.9], [2.2, 3.1, 9.4, 10.3]]
    out = call("crop_resize", IMAGE, boxes=boxes, box_indices=np.zeros(3, np.int32), **given)
    assert out.shape == (3, 1, 2, 2)
    assert_allclose(out.reshape(3, 4), expected, rtol=1e-5)
    roi = np.concatenate((np.zeros((3, 1), np.float32), boxes), 1).reshape(3, 1, 5, 1, 1)
    out = call("crop_resize", IMAGE, roi=roi, **given)
    assert out.shape == (3, 1, 1, 2, 2)
    assert_allclose(out.reshape(3, 4), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "box"),
    [
        ("CORNERS_HEIGHT_FIRST", [1, 0, 2, 3]),
        ("CORNERS_WIDTH_FIRST", [0, 1, 3, 2]),
        ("CENTER_SIZE_HEIGHT_FIRST", [1.5, 1.5, 1, 3]),
        ("CENTER_SIZE_WIDTH_FIRST", [1.5, 1.5, 3, 1]),
    ],
)
def test_box_conventions_name_the_same_box(mode: str, box: list[float]) -> None:
    out = call("crop_resize", IMAGE, boxes=np.array([box], np.float32), box_coordinate_mode=mode, **ALIGNED)
    assert_array_equal(out.ravel(), [5, 8, 9, 12])


def test_every_box_of_every_image() -> None:
    images = np.concatenate((IMAGE, IMAGE + 100))
    roi = np.array([[1, 1, 2, 2], [2, 2, 1, 1]], np.float32).reshape(2, 1, 4, 1, 1)
    out = call("crop_resize", images, roi=roi, **ALIGNED)
    assert out.shape == (2, 2, 1, 2, 2)
    assert_array_equal(out[0, 1].ravel(), [106, 107, 110, 111])
    # The second box is mirrored.
    assert_array_equal(out[1, 0].ravel(), [11, 10, 7, 6])
    with pytest.raises(ExecutionError, match="outside of 0 to 1"):
        call("crop_resize", images, boxes=np.zeros((1, 4), np.float32), box_indices=np.array([2]))


def test_a_single_sample_lies_in_the_middle() -> None:
    box = np.array([[1, 1, 2, 2]], np.float32)
    assert call("crop_resize", IMAGE, boxes=box, sampling_mode="ALIGN_CORNERS").item() == 8.5
    # RoI align: half a cell in, whatever the box's size below one pixel.
    assert call("crop_resize", IMAGE, boxes=box, sampling_mode="OFFSET_CORNERS").item() == 8.5


def test_spatial_scale_multiplies_coordinates() -> None:
    box = np.array([[2, 2, 4, 4]], np.float32)
    out = call("crop_resize", IMAGE, boxes=box, spatial_scale=0.5, **ALIGNED)
    assert_array_equal(out.ravel(), [6, 7, 10, 11])


@settings(max_examples=60, deadline=None)
@given(
    sampling=st.sampled_from(["bilinear", "nearest"]),
    padding=st.sampled_from([("constant", "zeros"), ("border", "border"), ("mirrored", "reflection")]),
    align=st.booleans(),
    seed=st.integers(0, 99),
)
def test_resample_agrees_with_grid_sample(sampling: str, padding: tuple[str, str], align: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    # From 0 to 1 takes this package's own path, from -1 to 1 torch's.
    places = random.uniform(-1.5, 2.5, (2, 6, 7, 2)).astype(np.float32)
    mode = ("reflection" if align else "symmetric") if padding[0] == "mirrored" else padding[0]
    arguments = (sampling, mode, 0.0, "normalized_zero_to_one", align)
    expected = torch.nn.functional.grid_sample(
        torch.from_numpy(x), torch.from_numpy(places * 2 - 1), sampling, padding[1], align
    ).numpy()
    close = np.isclose(call("resample", x, places, *arguments), expected, atol=1e-4)
    # A rounding error decides between two neighbours here and there.
    assert close.mean() > (0.98 if sampling == "nearest" else 0.999)


def test_resample_pads_with_any_value_and_takes_integers() -> None:
    x = np.array([11, 22, 33, 44], np.float32).reshape(1, 1, 2, 2)
    places = np.array([[-1, -2], [-3.7, -1], [0, 0], [3.5, 1.2]], np.float32).reshape(1, 2, 2, 2)
    out = call("resample", x, places, "bilinear", "constant", 6.17, "normalized_minus_one_to_one", align_corners=True)
    assert_allclose(out.ravel(), [8.585, 6.17, 27.5, 6.17], rtol=1e-6)
    whole = np.array([[0, 1], [1, 0]], np.int32).reshape(1, 1, 2, 2)
    out = call("resample", x, whole, "nearest", "border", 0.0, "unnormalized", align_corners=False)
    assert_array_equal(out.ravel(), [33, 22])


def test_affine_by_hand() -> None:
    x = np.array([11, 22, 33, 44], np.float32).reshape(1, 1, 2, 2)
    matrix = np.array([[-1, -2, -3.7, -1, 3.5, 1.2]], np.float32)
    arguments = (2, 5, "bilinear", "constant", 0.0, "normalized_minus_one_to_one", True)
    out = call("affine", x, matrix, *arguments)
    assert_allclose(out.ravel(), [10.752501, 5.94, 2.5025, 0.44, 0, 0, 0, 0, 0, 0], atol=1e-5)
    # One matrix serves every image.
    assert_array_equal(call("affine", x.repeat(2, 0), matrix, *arguments)[1:], out)


def test_unknown_modes_are_refused() -> None:
    places = np.zeros((1, 1, 1, 2), np.float32)
    good = ["bilinear", "border", 0.0, "unnormalized", True]
    for number, bad in ((0, "cubic"), (1, "wrap"), (3, "degrees")):
        arguments = [*good[:number], bad, *good[number + 1 :]]
        with pytest.raises(UnsupportedError, match=bad):
            call("resample", IMAGE, places, *arguments)
