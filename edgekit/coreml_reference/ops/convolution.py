"""Convolutions, on [n, C, *D] values with one to three spatial dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor
from edgekit.coreml_reference.registry import Ints, op
from edgekit.coreml_reference.window import Pads, pad_edges, window_pads
from edgekit.errors import UnsupportedError
from edgekit.signature import Array


@op("conv", spec="iOS17 conv")
def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Array:
    """Cross-correlation of x [n, C_in, *D_in] with weight [C_out, C_in / groups, *K]."""
    kernel = weight.shape[2:]
    rank = len(kernel)
    strides, dilations = strides or (1,) * rank, dilations or (1,) * rank
    pads = window_pads(pad_type, pad, x.shape[2:], _reach(kernel, dilations), strides)
    wide = tensor(x)
    if any(before != after for before, after in pads):
        wide = pad_edges(wide, pads, 0.0)
        pads = ((0, 0),) * rank
    call: Any = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    shift = None if bias is None else tensor(bias)
    return array(call(wide, tensor(weight), shift, strides, [before for before, _ in pads], dilations, groups))


@op("conv_quantized", spec="iOS15 conv")
def conv_quantized(
    x: Array,
    weight: Array,
    quantization_type: str,
    quant_scale: Array,
    quant_bias: Array,
    nbits: int = 8,
    bias: Array | None = None,
    strides: Ints | None = None,
    pad_type: str = "valid",
    pad: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Array:
    """``conv`` with the weight ``weight * quant_scale + quant_bias``, one scale or one an output channel.

    Raises:
        UnsupportedError: a look-up table, whose layout the definition leaves open, or several elements in a byte.
    """
    if quantization_type != "linear" or weight.ndim != x.ndim:
        raise UnsupportedError(
            f"evaluate conv_quantized of type {quantization_type!r} with {nbits} bits",
            "its definition does not say how such a weight is stored",
            "compress the weights with coremltools.optimize instead",
        )
    channels = (-1,) + (1,) * (weight.ndim - 1)
    restored = weight.astype(np.float32) * quant_scale.reshape(channels) + quant_bias.reshape(channels)
    shift = None if bias is None else bias.astype(np.float32)
    return conv(x, restored.astype(np.float32), shift, strides, pad_type, pad, dilations, groups)


@op("conv_transpose", spec="iOS17 conv")
def conv_transpose(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    pad: Ints | None = None,
    output_shape: Ints | None = None,
    pad_type: str = "valid",
    strides: Ints | None = None,
    dilations: Ints | None = None,
    groups: int = 1,
) -> Array:
    """The gradient of ``conv``: x [n, C_in, *D_in], weight [C_in, C_out / groups, *K].

    The full result has ``(D_in - 1) * stride + reach`` elements a dimension, where a kernel with its dilation reaches
    that far. ``pad`` is cut off from it, or what it has beyond ``output_shape``.
    """
    kernel = weight.shape[2:]
    rank = len(kernel)
    strides, dilations = strides or (1,) * rank, dilations or (1,) * rank
    full = [
        (size - 1) * stride + reach
        for size, stride, reach in zip(x.shape[2:], strides, _reach(kernel, dilations), strict=True)
    ]
    cuts = _cuts(pad_type.lower(), pad, full, _target(pad_type.lower(), output_shape, x.shape[2:], strides))
    call: Any = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    shift = None if bias is None else tensor(bias)
    operands = tensor(x), tensor(weight)
    extra = [before - after for before, after in cuts]
    if all(
        before >= 0 and 0 <= more < max(stride, dilation)
        for (before, _), more, stride, dilation in zip(cuts, extra, strides, dilations, strict=True)
    ):
        return array(call(*operands, shift, strides, [before for before, _ in cuts], extra, groups, dilations))
    # torch cuts no more after than before: the full result, cut by hand.
    whole = call(*operands, None, strides, 0, 0, groups, dilations)
    whole = pad_edges(whole, tuple((-before, -after) for before, after in cuts), 0.0)
    return array(whole if shift is None else whole + shift.reshape(-1, *[1] * rank))


def _reach(kernel: Ints, dilations: Ints) -> list[int]:
    return [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]


def _target(kind: str, output_shape: Ints | None, sizes: Ints, strides: Ints) -> Ints | None:
    """The output's spatial dimensions, where they are asked for rather than what remains."""
    if output_shape is not None:
        return output_shape[2:]
    if kind == "same":
        return tuple(size * stride for size, stride in zip(sizes, strides, strict=True))
    return None


def _cuts(kind: str, pad: Ints | None, full: list[int], target: Ints | None) -> Pads:
    """What is cut off before and after each dimension of the full result; negative numbers add zeros.

    Raises:
        UnsupportedError: the definition has no such ``pad_type``.
    """
    if kind not in {"valid", "same", "custom"}:
        raise UnsupportedError(
            f"evaluate conv_transpose with pad_type {kind!r}", "the definition has none", "use valid, same or custom"
        )
    given = pad if kind == "custom" and pad is not None else (0,) * (2 * len(full))
    if target is None:
        return tuple(zip(given[::2], given[1::2], strict=True))
    excess = [size - wanted for size, wanted in zip(full, target, strict=True)]
    before = [max(0, one) // 2 for one in excess] if kind == "same" else given[::2]
    return tuple((one, more - one) for one, more in zip(before, excess, strict=True))
