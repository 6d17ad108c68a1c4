"""Random tensors. A device draws other numbers: only shapes, ranges and distributions can be compared."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.registry import Ints, op
from edgekit.errors import UnsupportedError
from edgekit.signature import Array


@op("random_bernoulli", spec="iOS15 random", random=True)
def random_bernoulli(shape: Ints, context: Context, prob: float = 0.5, seed: int = -1) -> Array:
    """1 with probability prob, 0 otherwise."""
    out: Array = (_source(context, seed).random(shape, np.float32) < prob).astype(np.float32)
    return out


@op("random_normal", spec="iOS15 random", random=True)
def random_normal(shape: Ints, context: Context, mean: float = 0.0, stddev: float = 1.0, seed: int = -1) -> Array:
    """Of a normal distribution."""
    drawn = _source(context, seed).standard_normal(shape, np.float32)
    out: Array = drawn * np.float32(stddev) + np.float32(mean)
    return out


@op("random_uniform", spec="iOS15 random", random=True)
def random_uniform(shape: Ints, context: Context, low: float = 0.0, high: float = 1.0, seed: int = -1) -> Array:
    """Uniform in [low, high)."""
    drawn = _source(context, seed).random(shape, np.float32)
    out: Array = drawn * np.float32(high - low) + np.float32(low)
    return out


@op("random_categorical", spec="iOS15 random", random=True)
def random_categorical(x: Array, context: Context, mode: str = "logits", size: int = 1, seed: int = -1) -> Array:
    """``size`` class numbers by each distribution x [*D, classes], given as logits or probabilities: [*D, size]."""
    if mode not in {"logits", "probs"}:
        raise UnsupportedError("execute random_categorical", f"mode {mode!r} is unknown", "use logits or probs")
    weights = x.reshape(-1, x.shape[-1]).astype(np.float64)
    if mode == "logits":
        weights = np.exp(weights - weights.max(axis=-1, keepdims=True))
    limits = weights.cumsum(axis=-1)
    limits /= limits[:, -1:]
    drawn = _source(context, seed).random((len(limits), size))
    chosen = [np.searchsorted(limit, one, side="right") for limit, one in zip(limits, drawn, strict=True)]
    return np.asarray(chosen).reshape(*x.shape[:-1], size)


def _source(context: Context, seed: int) -> np.random.Generator:
    return np.random.default_rng(seed) if seed >= 0 else context.random
