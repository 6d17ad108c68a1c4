"""Pools, against a walk over the windows in numpy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


def call(name: str, *operands: Any, **parameters: Any) -> Any:
    return kernels()[name].call(*operands, **parameters)


def f32(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


def pool(kind: str, x: Any, kernel: Any, strides: Any, pads: Any, *, exclude: bool) -> Any:
    """One window after another; None where a window holds padding only."""
    sizes = x.shape[2:]
    outputs = [(n + low + high - k) // s + 1 for n, k, s, (low, high) in zip(sizes, kernel, strides, pads, strict=True)]
    result = np.zeros((*x.shape[:2], *outputs))
    for place in itertools.product(*map(range, outputs)):
        starts = [i * s - low for i, s, (low, _) in zip(place, strides, pads, strict=True)]
        window = tuple(slice(max(0, b), max(0, b + k)) for b, k in zip(starts, kernel, strict=True))
        held = x[(slice(None), slice(None), *window)].reshape(*x.shape[:2], -1).astype(np.float64)
        if held.shape[2] == 0:
            return None
        if kind == "max_pool":
            value = held.max(2)
        elif kind == "l2_pool":
            value = np.sqrt((held**2).sum(2))
        else:
            value = held.sum(2) / (held.shape[2] if exclude else np.prod(kernel))
        result[(slice(None), slice(None), *place)] = value
    return result


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_windows(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["max_pool", "avg_pool", "l2_pool"]))
    rank = data.draw(st.integers(1, 3))
    kernel = data.draw(st.tuples(*[st.integers(1, 3)] * rank))
    strides = data.draw(st.tuples(*[st.integers(1, 3)] * rank))
    pads = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    more = {"exclude_padding_from_average": data.draw(st.booleans())} if kind == "avg_pool" else {}
    x = f32(2, 3, *[5] * rank)
    wanted = pool(kind, x, kernel, strides, pads, exclude=any(more.values()))
    if wanted is None:
        return
    pad = tuple(itertools.chain(*pads))
    result = call(kind, x, kernel_sizes=kernel, pad_type="custom", strides=strides, pad=pad, **more)
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("pad_type", "wanted"), [("same", [1.5, 2.5, 1.5]), ("same_lower", [0.5, 1.5, 2.5])])
def test_the_odd_element_of_same(pad_type: str, wanted: list[float]) -> None:
    x = np.array([[[1, 2, 3]]], np.float32)
    np.testing.assert_allclose(call("avg_pool", x, (2,), pad_type)[0, 0], wanted)
    excluded = call("avg_pool", x, (2,), pad_type, exclude_padding_from_average=True)[0, 0].tolist()
    assert excluded == ([1.5, 2.5, 3] if pad_type == "same" else [1, 1.5, 2.5])
    assert call("max_pool", -x, (2,), pad_type)[0, 0].tolist() == ([-1, -2, -3] if pad_type == "same" else [-1, -1, -2])


@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(3, 9),
    kernel=st.integers(2, 4),
    stride=st.integers(1, 3),
    pad=st.integers(0, 2),
    exclude=st.booleans(),
)
def test_ceil_mode_as_in_torch(size: int, kernel: int, stride: int, pad: int, exclude: bool) -> None:
    x, pad = f32(1, 2, size + 1, size), min(pad, kernel // 2)
    if size + 2 * pad < kernel or stride > kernel:
        return
    how = {"strides": (stride, stride), "pad": (pad,) * 4, "ceil_mode": True}
    functional, wide = torch.nn.functional, torch.from_numpy(x)
    np.testing.assert_allclose(
        call("avg_pool", x, (kernel, kernel), "custom", exclude_padding_from_average=exclude, **how),
        functional.avg_pool2d(wide, kernel, stride, pad, ceil_mode=True, count_include_pad=not exclude),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_array_equal(
        call("max_pool", x, (kernel, kernel), "custom", **how),
        functional.max_pool2d(wide, kernel, stride, pad, ceil_mode=True),
    )


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="empty"):
        call("max_pool", f32(1, 1, 2), (1,), "valid", strides=(3,), ceil_mode=True)
