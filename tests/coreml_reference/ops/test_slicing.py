"""Slices against Python's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_as_python_slices(data: st.DataObject) -> None:
    bounds: dict[str, list[Any]] = {
        name: [] for name in ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    }
    selection: list[Any] = []
    for size in X.shape:
        first, last = data.draw(st.integers(-size, size - 1)), data.draw(st.integers(-size - 1, size + 1))
        step = data.draw(st.sampled_from([-2, -1, 1, 2]))
        masks = data.draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
        for values, one in zip(bounds.values(), (first, last, step, *masks), strict=True):
            values.append(one)
        from_start, to_end, single = masks
        if single:
            selection.append(0 if from_start else first)
        else:
            selection.append(slice(None if from_start else first, None if to_end else last, step))
    given_bounds = {name: tuple(values) for name, values in bounds.items()}
    part = call("slice_by_index", X, **given_bounds)
    np.testing.assert_array_equal(part, X[tuple(selection)])
    wanted = X.copy()
    wanted[tuple(selection)] = -1
    np.testing.assert_array_equal(call("slice_update", X, np.full(part.shape, -1), **given_bounds), wanted)
    assert X.min() == 0


def test_slice_by_size() -> None:
    np.testing.assert_array_equal(call("slice_by_size", X, begin=(1, -2, 0), size=(1, -1, 2)), X[1:, 1:, :2])
    with pytest.raises(ExecutionError, match=r"slice \[2, 3, 4\] elements from \[1, 0, 0\] on"):
        call("slice_by_size", X, begin=(1, 0, 0), size=(2, 3, 4))
