"""Normalizations. From iOS 17 on the parameters may have another precision than x; both are held as float32 here."""

from __future__ import annotations

import math

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import Ints, op
from edgekit.errors import UnsupportedError
from edgekit.signature import Array


@op("batch_norm", spec="iOS17 normalization")
def batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Inputs [n, C, *D] normalized by given statistics [C], then ``gamma * x + beta``."""
    scale, offset = (None if one is None else tensor(one) for one in (gamma, beta))
    out = functional.batch_norm(tensor(x), tensor(mean), tensor(variance), scale, offset, eps=epsilon)
    return array(out)


@op("instance_norm", spec="iOS17 normalization")
def instance_norm(x: Array, gamma: Array | None = None, beta: Array | None = None, epsilon: float = 1e-5) -> Array:
    """Inputs [n, C, *D] normalized over *D, then ``gamma * x + beta`` with gamma and beta [C]."""
    scale, offset = (None if one is None else tensor(one) for one in (gamma, beta))
    # The function in torch.nn.functional refuses a single spatial element, of which Core ML makes beta.
    return array(torch.instance_norm(tensor(x), scale, offset, None, None, True, 0.0, epsilon, False))  # noqa: FBT003


@op("l2_norm", spec="iOS17 normalization")
def l2_norm(x: Array, epsilon: float = 1e-6) -> Array:
    """Inputs [*B, C, H, W] divided by ``sqrt(sum(x ** 2) + epsilon)`` over its last three dimensions."""
    values = tensor(x)
    return array(values * torch.rsqrt(values.square().sum((-3, -2, -1), keepdim=True) + epsilon))


@op("layer_norm", spec="iOS17 normalization")
def layer_norm(
    x: Array,
    axes: Ints | None = None,
    gamma: Array | None = None,
    beta: Array | None = None,
    epsilon: float = 1e-5,
) -> Array:
    """Inputs normalized over axes (all by default), then ``gamma * x + beta``; both have those axes' sizes."""
    values = tensor(x)
    over = sorted(axis % x.ndim for axis in (range(x.ndim) if axes is None else axes))
    scale, offset = (None if one is None else tensor(one) for one in (gamma, beta))
    if over == list(range(x.ndim - len(over), x.ndim)):
        sizes = [x.shape[axis] for axis in over]
        return array(functional.layer_norm(values, sizes, scale, offset, epsilon))
    variance, mean = torch.var_mean(values, over, correction=0, keepdim=True)
    out = (values - mean) * torch.rsqrt(variance + epsilon)
    spread = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    if scale is not None:
        out = out * scale.reshape(spread)
    if offset is not None:
        out = out + offset.reshape(spread)
    return array(out)


@op("local_response_norm", spec="iOS17 normalization")
def local_response_norm(x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """``x / (k + alpha / size * sum(neighbours ** 2)) ** beta``, over ``size`` channels of x [*B, C, H, W].

    Channels are the third dimension from the end whatever the rank: Apple's test of a rank-3 input expects values
    that nothing beside an element itself contributed to.
    """
    if x.ndim < 3:
        raise UnsupportedError("execute local_response_norm", f"x has rank {x.ndim}", "give it rank 3 or more")
    channels = tensor(x).reshape(math.prod(x.shape[:-3]), x.shape[-3], math.prod(x.shape[-2:]))
    return array(functional.local_response_norm(channels, size, alpha, beta, k).reshape(x.shape))
