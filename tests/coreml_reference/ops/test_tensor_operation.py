"""Making, joining, parting, sorting: literal values, and torch for what sorts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError, UnsupportedError

torch = pytest.importorskip("torch")
X = np.array([[1, 2, 3], [4, 5, 6]], np.float32)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


@pytest.mark.parametrize(
    ("name", "operands", "parameters", "wanted"),
    [
        ("band_part", [np.ones((2, 3))], {"lower": 0}, [[1, 1, 1], [0, 1, 1]]),
        ("band_part", [np.ones((3, 3))], {"lower": 1, "upper": 0}, [[1, 0, 0], [1, 1, 0], [0, 1, 1]]),
        ("cumsum", [X], {"axis": 1}, [[1, 3, 6], [4, 9, 15]]),
        ("cumsum", [X], {"axis": 1, "exclusive": True}, [[0, 1, 3], [0, 4, 9]]),
        ("cumsum", [X], {"axis": -1, "exclusive": True, "reverse": True}, [[5, 3, 0], [11, 6, 0]]),
        ("fill", [(2, 1)], {"value": np.float32(7)}, [[7], [7]]),
        ("fill_like", [X], {"value": np.bool_(True)}, [[True] * 3] * 2),
        ("flatten2d", [X.reshape(1, 2, 3)], {"axis": -1}, X),
        ("flatten2d", [X[0]], {"axis": 1}, [[1], [2], [3]]),
        ("non_zero", [np.array([[0, 1], [2, 0]])], {}, [[0, 1], [1, 0]]),
        ("one_hot", [np.array([1, -1, 3]), 3], {}, [[0, 1, 0], [0, 0, 0], [0, 0, 0]]),
        ("one_hot", [np.array([1, 0]), 3], {"axis": 0, "on_value": 5, "off_value": 2}, [[2, 5], [5, 2], [2, 2]]),
        ("range_1d", [np.float32(0), np.float32(1), np.float32(0.25)], {}, [0, 0.25, 0.5, 0.75]),
        ("range_1d", [np.array([5]), np.array([0]), np.array([-2])], {}, [5, 3, 1]),
        ("shape", [X], {}, [2, 3]),
        ("tile", [X[:1]], {"reps": (2, 2)}, [[1, 2, 3, 1, 2, 3]] * 2),
        ("concat", [(X[:, :1], X)], {"axis": -1}, [[1, 1, 2, 3], [4, 4, 5, 6]]),
        ("concat", [(X, -X)], {"axis": -2, "interleave": True}, [X[0], -X[0], X[1], -X[1]]),
        ("concat", [(np.array(1), np.array(2))], {"axis": 0}, [1, 2]),
        ("stack", [(X[0], X[1])], {"axis": -1}, X.T),
    ],
)
def test_literal_values(name: str, operands: list[Any], parameters: dict[str, Any], wanted: Any) -> None:
    np.testing.assert_array_equal(call(name, *operands, **parameters), wanted)


def test_split() -> None:
    first, second = call("split", X, axis=1, split_sizes=(1, 2))
    np.testing.assert_array_equal(first, [[1], [4]])
    np.testing.assert_array_equal(second, [[2, 3], [5, 6]])
    assert [part.shape for part in call("split", X, axis=-2, num_splits=2)] == [(1, 3), (1, 3)]
    with pytest.raises(ExecutionError, match="the axis has 3 elements"):
        call("split", X, axis=1, split_sizes=(1, 1))


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        ("constant", [9, 9, 1, 2, 3, 9]),
        ("reflect", [3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 3]),
    ],
)
def test_pad_of_the_last_axis(mode: str, wanted: list[int]) -> None:
    padded = call("pad", X, pad=(2, 1), mode=mode, constant_val=np.float32(9))
    np.testing.assert_array_equal(padded[0], wanted)


@settings(deadline=None, max_examples=50)
@given(x=hnp.arrays(np.float32, st.tuples(*[st.integers(3, 5)] * 4), elements=st.integers(-9, 9)), data=st.data())
def test_pad_as_torch_does(x: Any, data: st.DataObject) -> None:
    top, bottom, left, right = (data.draw(st.integers(0, 2)) for _ in range(4))
    mode = data.draw(st.sampled_from(["constant", "reflect", "replicate"]))
    wanted = torch.nn.functional.pad(torch.from_numpy(x), (left, right, top, bottom), mode)
    np.testing.assert_array_equal(call("pad", x, pad=(top, bottom, left, right), mode=mode), wanted.numpy())


def test_pads_that_are_refused() -> None:
    with pytest.raises(ExecutionError, match="negative"):
        call("pad", X, pad=(-1, 0))
    with pytest.raises(UnsupportedError, match="circular"):
        call("pad", X, pad=(1, 0), mode="circular")


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.uint8])
@pytest.mark.parametrize("ascending", [False, True])
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_sorting_as_torch_does(dtype: Any, ascending: bool, data: st.DataObject) -> None:
    # Few values on up to forty places: ties, with and without the partition.
    x = data.draw(hnp.arrays(dtype, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.integers(0, 30)))
    axis = data.draw(st.sampled_from([0, 1, -1]))
    k = data.draw(st.integers(1, x.shape[axis]))
    values, indices = torch.sort(torch.from_numpy(x), dim=axis, descending=not ascending, stable=True)
    np.testing.assert_array_equal(call("argsort", x, axis=axis, ascending=ascending), indices.numpy())
    best, places = call("topk", x, k=k, axis=axis, ascending=ascending)
    np.testing.assert_array_equal(best, values.narrow(axis, 0, k).numpy())
    np.testing.assert_array_equal(places, indices.narrow(axis, 0, k).numpy())


def test_topk_of_all_without_indices() -> None:
    np.testing.assert_array_equal(call("topk", X, k=-1, return_indices=False), [[3, 2, 1], [6, 5, 4]])
    with pytest.raises(ExecutionError, match="the axis has 3"):
        call("topk", X, k=4)
