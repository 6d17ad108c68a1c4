"""Shapes and orders: literal values, torch's pixel shuffle and the operations that undo each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.program import Operation
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError

torch = pytest.importorskip("torch")
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


def context(opset: str) -> Context:
    return Context(Operation("reshape", "layer", {}, ()), lambda _number, _given: (), np.random.default_rng(0), opset)


@pytest.mark.parametrize(
    ("old", "opset", "shape", "new"),
    [
        ((2, 6), "CoreML5", (3, -1), (3, 4)),
        ((2, 6), "CoreML5", (0, 6), (2, 6)),
        ((4, 3, 2), "CoreML6", (0, -1, 1), (4, 6, 1)),
        ((2, 50), "CoreML7", (1, 0, -1, 0), (1, 1, 2, 50)),
        ((4, 3, 2), "CoreML8", (-1, 0), (12, 2)),
        ((), "CoreML5", (1, 1), (1, 1)),
    ],
)
def test_reshape(old: tuple[int, ...], opset: str, shape: tuple[int, ...], new: tuple[int, ...]) -> None:
    assert call("reshape", np.zeros(old), shape, context=context(opset)).shape == new


def test_zeros_that_have_no_meaning_before_ios17_are_refused() -> None:
    with pytest.raises(ExecutionError, match=r"reshape \[2, 50\] to \[1, 0, -1, 0\]"):
        call("reshape", np.zeros((2, 50)), (1, 0, -1, 0), context=context("CoreML6"))


def test_reshape_like() -> None:
    # The definition's example: the second reference gives all that is left of it.
    references = (np.zeros((2, 3, 4)), np.zeros((1, 5, 6)))
    given = {
        "begins": (np.int32(0), np.int32(1)),
        "ends": (np.int32(2), np.int32(0)),
        "end_masks": (np.bool_(False), np.bool_(True)),
    }
    assert call("reshape_like", np.zeros(180), references, **given).shape == (2, 3, 5, 6)


@pytest.mark.parametrize(
    ("name", "old", "parameters", "new"),
    [
        ("expand_dims", (2, 3), {"axes": (0, -1)}, (1, 2, 3, 1)),
        ("squeeze", (1, 2, 1), {}, (2,)),
        ("squeeze", (1, 2, 1), {"axes": (0, 1)}, (2, 1)),
        ("squeeze", (1, 1), {"axes": (-1, 0)}, ()),
        ("transpose", (2, 3, 4), {"perm": (-1, 0, 1)}, (4, 2, 3)),
        ("sliding_windows", (2, 7, 3), {"axis": -2, "size": 3, "stride": 2}, (2, 3, 3, 3)),
    ],
)
def test_shapes(name: str, old: tuple[int, ...], parameters: dict[str, Any], new: tuple[int, ...]) -> None:
    assert call(name, np.zeros(old), **parameters).shape == new


@pytest.mark.parametrize(
    ("name", "operands", "parameters", "wanted"),
    [
        ("reverse", [X], {}, [[6, 5, 4], [3, 2, 1]]),
        ("reverse", [X], {"axes": (-1,)}, [[3, 2, 1], [6, 5, 4]]),
        ("reverse_sequence", [X, np.array([2, 3])], {"seq_axis": 1}, [[2, 1, 3], [6, 5, 4]]),
        ("reverse_sequence", [X.T, np.array([2, 0])], {"batch_axis": 1}, [[2, 4], [1, 5], [3, 6]]),
        ("sliding_windows", [X[0]], {"axis": 0, "size": 2}, [[1, 2], [2, 3]]),
    ],
)
def test_literal_values(name: str, operands: list[Any], parameters: dict[str, Any], wanted: Any) -> None:
    np.testing.assert_array_equal(call(name, *operands, **parameters), wanted)


def test_pixel_shuffles_as_torch_does() -> None:
    x = np.arange(2 * 8 * 6 * 4, dtype=np.float32).reshape(2, 8, 6, 4)
    shuffled = torch.nn.functional.pixel_shuffle(torch.from_numpy(x), 2).numpy()
    np.testing.assert_array_equal(call("pixel_shuffle", x, upscale_factor=2), shuffled)
    np.testing.assert_array_equal(call("pixel_unshuffle", shuffled, downscale_factor=2), x)


def test_blocks_there_and_back() -> None:
    x = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)
    deep = call("space_to_depth", x, block_size=2)
    # The first three channels are the blocks' first pixels, unlike those of a pixel unshuffle.
    np.testing.assert_array_equal(deep[:, :3], x[:, :, ::2, ::2])
    np.testing.assert_array_equal(call("depth_to_space", deep, block_size=2), x)
    batches = call("space_to_batch", x, block_shape=(2, 4), paddings=np.array([[0, 0], [1, 1]]))
    assert batches.shape == (16, 3, 2, 2)
    np.testing.assert_array_equal(batches[2:4], x[:, :, ::2, ::4])
    np.testing.assert_array_equal(
        call("batch_to_space", batches, block_shape=(2, 4), crops=np.array([[0, 0], [1, 1]])), x
    )
