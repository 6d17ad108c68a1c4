"""Constants of float64 that float32 arithmetic takes without loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.signature import Array


def split(values: Any) -> tuple[Array, Array]:
    """Two float32 arrays whose sum is the float64 values: ``(x - high) - low`` loses nothing near them."""
    wide = np.asarray(values, np.float64)
    high = wide.astype(np.float32)
    return high, (wide - high).astype(np.float32)


def at_least(values: Any) -> Array:
    """The smallest float32 that is no less: a float32 x is at least the one where it is at least the other."""
    wide = np.asarray(values, np.float64)
    near = _narrow(wide)
    return np.where(near < wide, np.nextafter(near, np.float32(np.inf)), near)


def at_most(values: Any) -> Array:
    """The largest float32 that is no more: a float32 x is above the one where it is above the other."""
    wide = np.asarray(values, np.float64)
    near = _narrow(wide)
    return np.where(near > wide, np.nextafter(near, np.float32(-np.inf)), near)


def _narrow(wide: Array) -> Array:
    with np.errstate(over="ignore"):
        return wide.astype(np.float32)
