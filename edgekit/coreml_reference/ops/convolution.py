"""Convolutions, on [n, C, *D] values with one to three spatial dimensions."""

from __future__ import annotations

from edgekit.coreml_reference.lazy import array, functional, tensor
from edgekit.coreml_reference.registry import Ints, op
from edgekit.signature import Array


@op("linear", spec="iOS15 linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``."""
    return array(functional.linear(tensor(x), tensor(weight), None if bias is None else tensor(bias)))


@op("conv", spec="iOS15 conv")
def conv(
    x: Array,
    weight: Array,
    strides: Ints,
    pad_type: str,
    pad: Ints,
    dilations: Ints,
    groups: int,
    bias: Array | None = None,
) -> Array:
    """Cross-correlation of x [n, C_in, *D_in] with weight [C_out, C_in / groups, *K]."""
    rank = x.ndim - 2
    call = (functional.conv1d, functional.conv2d, functional.conv3d)[rank - 1]
    padding = [0] * rank if pad_type == "valid" else list(pad[::2])
    out = call(tensor(x), tensor(weight), None if bias is None else tensor(bias), strides, padding, dilations, groups)
    return array(out)
