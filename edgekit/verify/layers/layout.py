"""How one side's tensor lies on the other's: the same elements, perhaps in another order of axes.

Axes of size one are left out first, so that ``[1, 8, 1, 1]`` and ``[1, 8]`` are alike, and with one sample a batch
plays no part: ``NCHW`` is ``CHW``.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from edgekit.signature import Array

Shape = tuple[int, ...]
Axes = tuple[int, ...]

# Elements by which tensors are compared while they are matched; what is reported is measured on all of them.
_PROBES = 4096
# Of more axes than this only the two moves of a channel axis are tried.
_ALL_ORDERS = 4


def squeezed(shape: Shape) -> Shape:
    """The axes that hold more than one element."""
    return tuple(size for size in shape if size != 1)


@lru_cache(maxsize=4096)
def orders(original: Shape, artifact: Shape) -> tuple[Axes, ...]:
    """The orders of the artifact's squeezed axes that may give the original's elements, the likeliest first.

    Empty where the two cannot be the same tensor. Where the shapes are alike up to order, every order that makes them
    equal; where they were reshaped, as they are, and with the channel axis moved to either end.
    """
    want, have = squeezed(original), squeezed(artifact)
    if np.prod(want, dtype=np.int64) != np.prod(have, dtype=np.int64):
        return ()
    axes = tuple(range(len(have)))
    moves = (axes, (*axes[-1:], *axes[:-1]), (*axes[1:], *axes[:1]))
    if sorted(want) != sorted(have):
        return tuple(dict.fromkeys(moves))
    tried = (*moves, *itertools.permutations(axes)) if len(axes) <= _ALL_ORDERS else moves
    return tuple(dict.fromkeys(order for order in tried if tuple(have[axis] for axis in order) == want))


def arrange(array: Array, order: Axes) -> Array:
    """An artifact's tensor as one row, in the original's order of elements."""
    flat: Array = array.reshape(squeezed(array.shape)).transpose(order).reshape(-1)
    return flat


@lru_cache(maxsize=1024)
def probes(size: int) -> Array:
    """The positions, in the original's order, by which tensors of a size are told apart: the same on both sides."""
    if size <= _PROBES:
        return np.arange(size)
    return np.unique(np.random.default_rng(size).integers(0, size, _PROBES))


@lru_cache(maxsize=4096)
def _positions(shape: Shape, order: Axes) -> Array:
    """Where the probes lie in an artifact's tensor of that (squeezed) shape."""
    size = int(np.prod(shape, dtype=np.int64))
    turned = np.unravel_index(probes(size), [shape[axis] for axis in order] or [1])
    indices = [turned[order.index(axis)] for axis in range(len(shape))]
    found: Array = np.ravel_multi_index(indices, shape) if indices else np.zeros(1, np.int64)
    return found


def probe(array: Array, order: Axes | None = None) -> Array:
    """An array's probes in float64; of an artifact's, as they lie in the original."""
    flat = array.reshape(-1)
    taken = flat[probes(flat.size) if order is None else _positions(squeezed(array.shape), order)].astype(np.float64)
    return np.nan_to_num(taken, nan=0.0, posinf=1e30, neginf=-1e30)


def agreement(one: Array, others: Array) -> Array:
    """How alike a row of probes is to each of several: 1 the same, 0 the opposite; scale counts, unlike in a cosine."""
    norms = np.linalg.norm(others, axis=1) + float(np.linalg.norm(one))
    distance = np.linalg.norm(others - one, axis=1)
    alike: Array = 1 - np.divide(distance, norms, out=np.zeros_like(norms), where=norms > 0)
    return alike
