"""What each tensor inside a model did over the samples: its spread, its channels, whether it ever changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from edgekit.quantize.ranges import Spread
from edgekit.signature import Array
from edgekit.verify.layers.tap import Tap, Tensor

# Enough of a tensor to see whether it ever changes.
_HEAD = 4096
_IMAGE = 4


class Observed:
    """One tensor over all samples.

    Attributes:
        tensor: which.
        spread: of its values.
        largest: each channel's largest magnitude, shape [channels].
        varies: whether any two samples differ in it.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.spread = tensor, Spread()
        self.largest: Array = np.zeros(0, np.float32)
        self.varies = False
        self._first: Array | None = None

    def add(self, values: Array, *, channels_first: bool) -> None:
        """Take in one sample's values."""
        self.spread.add(values)
        head = values.reshape(-1)[:_HEAD]
        if self._first is None:
            self._first = head.copy()
        elif not self.varies:
            self.varies = self._first.shape != head.shape or not np.array_equal(self._first, head, equal_nan=True)
        if values.ndim > 1:
            axis = 1 if channels_first and values.ndim == _IMAGE else values.ndim - 1
            others = tuple(one for one in range(values.ndim) if one != axis)
            largest = np.abs(np.nan_to_num(values, posinf=0, neginf=0)).max(axis=others)
            same = self.largest.shape == largest.shape
            self.largest = np.maximum(self.largest, largest) if same else largest

    @property
    def reach(self) -> float:
        """The largest magnitude."""
        return max(abs(self.spread.low), abs(self.spread.high)) if self.spread.count else 0.0


def observe(tap: Tap, runs: Iterable[Mapping[str, Array]], *, channels_first: bool) -> dict[str, Observed]:
    """Every float tensor inside a model, by key, in the order in which they arise; no sample's values are kept.

    Args:
        tap: the model.
        runs: inputs by name, a sample at a time.
        channels_first: whether pictures are [n, channels, height, width].
    """
    found: dict[str, Observed] = {}

    def seen(tensor: Tensor, values: Array) -> None:
        found.setdefault(tensor.key, Observed(tensor)).add(values, channels_first=channels_first)

    for run in runs:
        tap.run(run, seen)
    return found
