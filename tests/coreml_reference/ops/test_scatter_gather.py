"""Reading and changing at indices: literal values, torch, and what an index out of range does in each opset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.program import Operation
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError, UnsupportedError

torch = pytest.importorskip("torch")
X = np.array([[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]], np.float32)
PLACES = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 0]]], np.int32)


def call(name: str, *operands: Any, opset: str = "CoreML7", **parameters: Any) -> Any:
    layer = Operation(name, "layer", {}, ())
    context = Context(layer, lambda _number, _given: (), np.random.default_rng(0), opset)
    return kernels()[name].call(*operands, context=context, **parameters)


@pytest.mark.parametrize(
    ("axis", "batch_dims", "wanted"),
    [
        (1, 0, X[:, PLACES]),
        (-1, 0, X[:, :, PLACES]),
        (1, 1, np.stack([X[0][PLACES[0]], X[1][PLACES[1]]])),
        (2, 1, np.stack([X[0][:, PLACES[0]], X[1][:, PLACES[1]]])),
        (2, 2, [[[2, 1], [4, 5]], [[8, 7], [10, 10]]]),
    ],
)
def test_gather(axis: int, batch_dims: int, wanted: Any) -> None:
    np.testing.assert_array_equal(call("gather", X, PLACES, axis=axis, batch_dims=batch_dims), wanted)


def test_gather_of_one_index_drops_the_axis() -> None:
    np.testing.assert_array_equal(call("gather", X, np.int32(1), axis=1), X[:, 1])


def test_gather_nd() -> None:
    np.testing.assert_array_equal(call("gather_nd", X, PLACES), X[PLACES[..., 0], PLACES[..., 1]])
    np.testing.assert_array_equal(call("gather_nd", X, PLACES, batch_dims=1), [[4, 2], [10, 7]])


@pytest.mark.parametrize(
    ("name", "indices", "parameters", "shape"),
    [
        ("gather", [0, 5, -1], {"axis": 1}, (2, 3, 3)),
        ("gather", [[0, 5, -1], [0, 0, 0]], {"axis": 2, "batch_dims": 1}, (2, 2, 3)),
        ("gather_along_axis", [[[0, 5, -1]] * 2] * 2, {"axis": 2}, (2, 2, 3)),
        ("gather_nd", [[0, 5], [-1, 0], [1, 1]], {}, (3, 3)),
    ],
)
def test_reading_out_of_range(name: str, indices: Any, parameters: dict[str, Any], shape: tuple[int, ...]) -> None:
    places = np.array(indices, np.int32)
    result = call(name, X, places, **parameters)
    assert result.shape == shape
    negative = call(name, X, np.where(places == 5, 0, places), opset="CoreML6", **parameters)
    positive = call(name, X, np.where((places < 0) | (places == 5), 0, places), **parameters)
    # What is out of range reads zero; up to iOS 16 a negative index is not.
    assert (result == 0).any()
    assert ((result == 0) | (result == positive)).all()
    assert (negative != 0).all()
    with pytest.raises(ExecutionError, match="index"):
        call(name, X, places, validate_indices=True, **parameters)


def test_a_negative_index_counts_from_the_end_up_to_ios16() -> None:
    np.testing.assert_array_equal(call("gather", X, np.array([-1]), axis=2, opset="CoreML5"), X[:, :, -1:])
    np.testing.assert_array_equal(call("gather", X, np.array([-1], np.int8), axis=2), np.zeros((2, 2, 1)))


@pytest.mark.parametrize(
    ("opset", "wanted"),
    [("CoreML6", [[9, 11, 13], [9, 11, 13]]), ("CoreML7", [[9, 11, 13], [4, 5, 6]])],
)
def test_writing_at_a_negative_index(opset: str, wanted: Any) -> None:
    # The definition's example, with a negative index.
    updates = np.array([[5, 6, 7], [8, 9, 10]], np.float32)
    data, indices = np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([-1, 0])
    for name, places in (("scatter", indices), ("scatter_nd", indices[:, None])):
        np.testing.assert_array_equal(call(name, data, places, updates, opset=opset), wanted)
    spread = np.broadcast_to(indices[:, None], (2, 3))
    np.testing.assert_array_equal(call("scatter_along_axis", data, spread, updates, opset=opset), wanted)


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("update", [3, 20, 30]),
        ("add", [16, 20, 30]),
        ("sub", [4, 20, 30]),
        ("mul", [90, 20, 30]),
        ("div", [1, 20, 30]),
        ("max", [10, 20, 30]),
        ("min", [1, 20, 30]),
    ],
)
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_every_update_of_a_place_counts(mode: str, wanted: list[int], dtype: Any) -> None:
    data, updates = np.array([10, 20, 30], dtype), np.array([3, 1, 3] if mode != "add" else [2, 1, 3], dtype)
    exact = 10 / 9 if mode == "div" and dtype is np.float32 else 3 if mode == "sub" else wanted[0]
    result = call("scatter", data, np.array([0, 0, 0]), updates, mode=mode)
    np.testing.assert_allclose(result, [exact, *wanted[1:]], rtol=1e-6)
    assert data[0] == 10


@settings(deadline=None, max_examples=50)
@given(
    data=hnp.arrays(np.float32, (3, 4, 2), elements=st.integers(-9, 9)),
    updates=hnp.arrays(np.float32, (3, 4, 2), elements=st.integers(-9, 9)),
    indices=hnp.arrays(np.int64, (3, 4, 2), elements=st.integers(0, 1)),
    axis=st.sampled_from([0, 1, 2, -1]),
    mode=st.sampled_from(["add", "mul", "max", "min"]),
)
def test_along_an_axis_as_torch_does(data: Any, updates: Any, indices: Any, axis: int, mode: str) -> None:
    reduce = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[mode]
    wanted = torch.from_numpy(data).scatter_reduce(
        axis, torch.from_numpy(indices), torch.from_numpy(updates), reduce, include_self=True
    )
    result = call("scatter_along_axis", data, indices, updates, axis=axis, mode=mode)
    np.testing.assert_allclose(result, wanted.numpy(), rtol=1e-6)
    gathered = torch.gather(torch.from_numpy(data), axis, torch.from_numpy(indices))
    np.testing.assert_array_equal(call("gather_along_axis", data, indices, axis=axis), gathered.numpy())


def test_scatter_of_slices() -> None:
    result = call("scatter", X, np.array([2, 0]), np.ones((2, 2, 2), np.float32), axis=-1, mode="update")
    np.testing.assert_array_equal(result[0], [[1, 2, 1], [1, 5, 1]])
    result = call("scatter_nd", X, np.array([[0, 1], [1, 0]]), np.ones((2, 3), np.float32), mode="sub")
    np.testing.assert_array_equal(result, X - [[[0] * 3, [1] * 3], [[1] * 3, [0] * 3]])


@pytest.mark.parametrize("mode", ["add", "update"])
def test_nothing_to_write(mode: str) -> None:
    np.testing.assert_array_equal(call("scatter", X, np.zeros(0, int), X[:, :0], axis=1, mode=mode), X)
    np.testing.assert_array_equal(call("scatter_nd", X, np.zeros((0, 2), int), X[0, :0], mode=mode), X)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="mean"):
        call("scatter", X, np.array([0, 1]), X, mode="mean")
