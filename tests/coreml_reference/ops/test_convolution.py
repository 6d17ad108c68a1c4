"""Convolutions, against sums over the kernel in numpy."""

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


def conv(x: Any, weight: Any, pads: Any, strides: Any, dilations: Any, groups: int) -> Any:
    """Cross-correlation in double precision, one element of the kernel after another."""
    rank = weight.ndim - 2
    padded = np.pad(x.astype(np.float64), [(0, 0), (0, 0), *pads])
    kernel = weight.shape[2:]
    sizes = [
        (size - (reach - 1) * dilation - 1) // stride + 1
        for size, reach, dilation, stride in zip(padded.shape[2:], kernel, dilations, strides, strict=True)
    ]
    inputs, outputs = weight.shape[1], weight.shape[0] // groups
    result = np.zeros((x.shape[0], weight.shape[0], *sizes))
    for group in range(groups):
        part = padded[:, group * inputs : (group + 1) * inputs]
        factors = weight[group * outputs : (group + 1) * outputs].astype(np.float64)
        for offset in itertools.product(*map(range, kernel)):
            window = tuple(
                slice(offset[i] * dilations[i], offset[i] * dilations[i] + (sizes[i] - 1) * strides[i] + 1, strides[i])
                for i in range(rank)
            )
            taken = part[(slice(None), slice(None), *window)]
            result[:, group * outputs : (group + 1) * outputs] += np.einsum(
                "nc...,oc->no...", taken, factors[(slice(None), slice(None), *offset)]
            )
    return result


def transposed(x: Any, weight: Any, strides: Any, dilations: Any, groups: int) -> Any:
    """The full result of conv_transpose in double precision, scattered element by element."""
    kernel = weight.shape[2:]
    sizes = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in zip(x.shape[2:], strides, kernel, dilations, strict=True)]
    inputs, outputs = weight.shape[0] // groups, weight.shape[1]
    result = np.zeros((x.shape[0], outputs * groups, *sizes))
    for group in range(groups):
        part = x[:, group * inputs : (group + 1) * inputs].astype(np.float64)
        factors = weight[group * inputs : (group + 1) * inputs].astype(np.float64)
        for offset in itertools.product(*map(range, kernel)):
            window = tuple(
                slice(o * d, o * d + (n - 1) * s + 1, s)
                for o, d, n, s in zip(offset, dilations, x.shape[2:], strides, strict=True)
            )
            result[(slice(None), slice(group * outputs, (group + 1) * outputs), *window)] += np.einsum(
                "nc...,co->no...", part, factors[(slice(None), slice(None), *offset)]
            )
    return result


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_conv(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))
    each = st.tuples(*[st.integers(1, 2)] * rank)
    kernel, strides, dilations = data.draw(st.tuples(*[st.integers(1, 3)] * rank)), data.draw(each), data.draw(each)
    pads = data.draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank))
    groups = data.draw(st.integers(1, 2))
    x, weight, bias = f32(2, 2 * groups, *[6] * rank), f32(3 * groups, 2, *kernel), f32(3 * groups)
    pad = tuple(itertools.chain(*pads))
    result = call(
        "conv", x, weight, bias, pad_type="custom", pad=pad, strides=strides, dilations=dilations, groups=groups
    )
    wanted = conv(x, weight, pads, strides, dilations, groups) + bias.reshape(-1, *[1] * rank)
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("pad_type", "size", "kernel", "stride", "pads"),
    [
        ("valid", 6, 4, 1, (0, 0)),
        ("same", 6, 3, 1, (1, 1)),
        # The odd element comes after, or before in same_lower.
        ("same", 6, 4, 1, (1, 2)),
        ("same_lower", 6, 4, 1, (2, 1)),
        ("same", 6, 3, 2, (0, 1)),
        ("same_lower", 6, 3, 2, (1, 0)),
        ("same", 5, 3, 2, (1, 1)),
        # A stride beyond the kernel needs none.
        ("same", 6, 1, 3, (0, 0)),
    ],
)
def test_pad_types(pad_type: str, size: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    x, weight = f32(1, 2, size), f32(3, 2, kernel)
    # A pad that stands beside another pad_type than custom is none.
    result = call("conv", x, weight, pad_type=pad_type, strides=(stride,), pad=(0, 0))
    np.testing.assert_allclose(result, conv(x, weight, (pads,), (stride,), (1,), 1), rtol=1e-4, atol=1e-5)
    if pad_type.startswith("same"):
        assert result.shape[2] == -(-size // stride)


def test_an_unknown_pad_type_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="full"):
        call("conv", f32(1, 1, 4), f32(1, 1, 2), pad_type="full")
    with pytest.raises(UnsupportedError, match="full"):
        call("conv_transpose", f32(1, 1, 4), f32(1, 1, 2), pad_type="full")


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_conv_transpose_is_the_full_result_cut(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))
    each = st.tuples(*[st.integers(1, 3)] * rank)
    kernel, strides, dilations = data.draw(each), data.draw(each), data.draw(each)
    groups = data.draw(st.integers(1, 2))
    x, weight, bias = f32(2, 2 * groups, *[4] * rank), f32(2 * groups, 3, *kernel), f32(3 * groups)
    shift = bias.reshape(-1, *[1] * rank)
    full = transposed(x, weight, strides, dilations, groups)
    common = {"strides": strides, "dilations": dilations, "groups": groups}
    result = call("conv_transpose", x, weight, bias, **common)
    np.testing.assert_allclose(result, full + shift, rtol=1e-4, atol=1e-4)

    cut = [data.draw(st.tuples(st.integers(0, (n - 1) // 2), st.integers(0, (n - 1) // 2))) for n in full.shape[2:]]
    window = tuple(slice(low, n - high) for (low, high), n in zip(cut, full.shape[2:], strict=True))
    wanted = full[(slice(None), slice(None), *window)] + shift
    pad = tuple(itertools.chain(*cut))
    result = call("conv_transpose", x, weight, bias, pad_type="custom", pad=pad, **common)
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)
    # The same, with what is cut off after left to the output's shape.
    result = call("conv_transpose", x, weight, bias, pad_type="custom", pad=pad, output_shape=wanted.shape, **common)
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel", "stride", "cut"), [(3, 2, (0, 1)), (4, 2, (1, 1)), (5, 2, (1, 2)), (2, 3, (0, -1))])
def test_conv_transpose_same(kernel: int, stride: int, cut: tuple[int, int]) -> None:
    x, weight, bias = f32(1, 2, 4), f32(2, 3, kernel), f32(3)
    full = transposed(x, weight, (stride,), (1,), 1)
    # A kernel below the stride leaves gaps: the last one is filled with the bias, too.
    filled = np.pad(full, [(0, 0), (0, 0), (0, max(0, -cut[1]))])
    wanted = filled[:, :, cut[0] : filled.shape[2] - max(0, cut[1])] + bias[:, None]
    result = call("conv_transpose", x, weight, bias, pad_type="same", strides=(stride,))
    assert result.shape[2] == 4 * stride
    np.testing.assert_allclose(result, wanted, rtol=1e-4, atol=1e-5)


def test_conv_quantized() -> None:
    x, weight = f32(1, 2, 4, 4), RNG.integers(0, 256, (3, 2, 3, 3), np.uint8)
    scale, shift = np.array([0.01, 0.02, 0.03], np.float32), np.array([-1, 0, 1], np.float32)
    restored = weight * scale.reshape(3, 1, 1, 1) + shift.reshape(3, 1, 1, 1)
    result = call("conv_quantized", x, weight, "linear", scale, shift)
    np.testing.assert_allclose(result, call("conv", x, restored.astype(np.float32)), rtol=1e-6)
    with pytest.raises(UnsupportedError, match="lut"):
        call("conv_quantized", x, weight, "lut", scale, shift)
