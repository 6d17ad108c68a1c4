"""Activations."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import op
from edgekit.errors import UnsupportedError
from edgekit.signature import Array

# Operations whose parameters may differ in dtype from the operand since iOS 17, and those that stayed.
_SPEC = "iOS17 activation"
_SPEC_15 = "iOS15 activation"


@op("clamped_relu", spec=_SPEC)
def clamped_relu(x: Array, alpha: float, beta: float) -> Array:
    """``min(x, beta)`` from zero on, ``min(alpha * x, beta)`` below."""
    return array(functional.leaky_relu(tensor(x), alpha).clamp_max_(beta))


@op("elu", spec=_SPEC)
def elu(x: Array, alpha: float) -> Array:
    """``x`` above zero, ``alpha * (exp(x) - 1)`` below."""
    return array(functional.elu(tensor(x), alpha))


@op("gelu", spec=_SPEC_15)
def gelu(x: Array, mode: str = "EXACT") -> Array:
    """``x`` times the normal distribution function of ``x``, or one of two approximations of that.

    Raises:
        UnsupportedError: a mode that the definition does not name.
    """
    wide = tensor(x)
    if mode == "EXACT":
        return array(functional.gelu(wide))
    if mode == "TANH_APPROXIMATION":
        return array(functional.gelu(wide, approximate="tanh"))
    if mode == "SIGMOID_APPROXIMATION":
        return array(torch.sigmoid(wide * 1.702).mul_(wide))
    raise UnsupportedError(
        f"evaluate gelu in mode {mode!r}", "the definition has no such mode", "use EXACT or an approximation"
    )


@op("leaky_relu", spec=_SPEC)
def leaky_relu(x: Array, alpha: float) -> Array:
    """``x`` from zero on, ``alpha * x`` below."""
    return array(functional.leaky_relu(tensor(x), alpha))


@op("linear_activation", spec=_SPEC)
def linear_activation(x: Array, alpha: float, beta: float) -> Array:
    """``alpha * x + beta``."""
    return array((tensor(x) * alpha).add_(beta))


@op("prelu", spec=_SPEC)
def prelu(x: Array, alpha: Array) -> Array:
    """``x`` above zero, ``alpha * x`` below: x [n, C, ...], alpha [C]."""
    return array(functional.prelu(tensor(x), tensor(alpha)))


@op("relu", spec=_SPEC_15)
def relu(x: Array) -> Array:
    """``max(x, 0)``."""
    return array(torch.relu(tensor(x)))


@op("relu6", spec=_SPEC_15)
def relu6(x: Array) -> Array:
    """``min(max(x, 0), 6)``."""
    return array(torch.clamp(tensor(x), 0, 6))


@op("scaled_tanh", spec=_SPEC)
def scaled_tanh(x: Array, alpha: float, beta: float) -> Array:
    """``alpha * tanh(beta * x)``."""
    return array((tensor(x) * beta).tanh_().mul_(alpha))


@op("sigmoid", spec=_SPEC_15)
def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(-x))``."""
    return array(torch.sigmoid(tensor(x)))


@op("sigmoid_hard", spec=_SPEC)
def sigmoid_hard(x: Array, alpha: float, beta: float) -> Array:
    """``min(max(alpha * x + beta, 0), 1)``."""
    return array((tensor(x) * alpha).add_(beta).clamp_(0, 1))


@op("silu", spec=_SPEC_15)
def silu(x: Array) -> Array:
    """``x * sigmoid(x)``."""
    return array(functional.silu(tensor(x)))


@op("softmax", spec=_SPEC_15)
def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x)`` divided by its sum along the axis."""
    return array(torch.softmax(tensor(x), axis))


@op("softplus", spec=_SPEC_15)
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``, without overflow."""
    return array(functional.softplus(tensor(x)))


@op("softplus_parametric", spec=_SPEC)
def softplus_parametric(x: Array, alpha: Array, beta: Array) -> Array:
    """``alpha * log(1 + exp(beta * x))``: x [n, C, ...], alpha and beta [C]."""
    channels = (-1,) + (1,) * (x.ndim - 2)
    return array(functional.softplus(tensor(x * beta.reshape(channels))).mul_(tensor(alpha.reshape(channels))))


@op("softsign", spec=_SPEC_15)
def softsign(x: Array) -> Array:
    """``x / (1 + |x|)``."""
    return array(functional.softsign(tensor(x)))


@op("thresholded_relu", spec=_SPEC)
def thresholded_relu(x: Array, alpha: float) -> Array:
    """``x`` from alpha on, zero below."""
    return np.where(x >= np.float32(alpha), x, np.float32(0))
