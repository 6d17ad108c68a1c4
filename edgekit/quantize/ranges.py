"""The range that a tensor's integers stand for, from all the values that it took, which are kept as counts.

Source of the choice by entropy: S. Migacz, 8-bit Inference with TensorRT (GTC 2017): of all cut-offs the one whose
rounded distribution tells most of the original.
"""

from __future__ import annotations

import numpy as np

from edgekit.signature import Array

METHODS = ("minmax", "entropy", "percentile")
# Whose quantizers take any of them; TFLite's takes the least and the largest value.
TARGETS = ("onnx", "coreml")
# Of every 10,000 values one is cut off.
PERCENTILE = 99.99
_BINS = 4096
# Levels of magnitude that 8 bits with a sign have, and how finely cut-offs are tried.
_LEVELS, _STEP = 128, 16


class Spread:
    """What values a tensor took: the least, the largest, and a histogram whose bins widen as values come.

    Attributes:
        low: the least.
        high: the largest.
        count: how many there were.
        unlike: how many were NaN or infinite; they are in none of the others.
    """

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self.count = self.unlike = 0
        self._reach = 0.0
        self._counts = np.zeros(_BINS, np.int64)

    def add(self, values: Array) -> None:
        """Take in more values, of any shape."""
        values = values.reshape(-1).astype(np.float32, copy=False)
        low, high = (float(bound) for bound in (values.min(initial=np.inf), values.max(initial=-np.inf)))
        if not np.isfinite(low + high):
            finite = values[np.isfinite(values)]
            self.unlike += len(values) - len(finite)
            values = finite
            low, high = (float(bound) for bound in (values.min(initial=np.inf), values.max(initial=-np.inf)))
        if not len(values):
            return
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count += len(values)
        self._widen(max(abs(low), abs(high)))
        if self._reach:
            places = ((values + np.float32(self._reach)) * np.float32(_BINS / (2 * self._reach))).astype(np.int64)
            self._counts += np.bincount(np.clip(places, 0, _BINS - 1), minlength=_BINS)
        else:
            self._counts[_BINS // 2] += len(values)

    def _widen(self, largest: float) -> None:
        if not self._reach and largest:
            # Below, a bin's inverse is beyond float32.
            self._reach = max(largest, 1e-30)
        while self._reach < largest:
            self._reach *= 2
            pairs = self._counts.reshape(-1, 2).sum(axis=1)
            self._counts = np.zeros(_BINS, np.int64)
            self._counts[_BINS // 4 : 3 * _BINS // 4] = pairs

    def range(self, method: str) -> tuple[float, float]:
        """The least and the largest value that integers stand for; what lies beyond is cut off.

        Args:
            method: one of :data:`METHODS`.
        """
        if method == "minmax" or not self._reach or self.low == self.high:
            return self.low, self.high
        low, high = self._by_entropy() if method == "entropy" else self._by_percentile()
        return max(low, self.low), min(high, self.high)

    def outside(self, low: float, high: float) -> float:
        """About what share of the values lies outside a range."""
        edges = self._edges()
        beyond = (edges[1:] <= low) | (edges[:-1] >= high)
        return float(self._counts[beyond].sum() / max(self.count, 1))

    def _edges(self) -> Array:
        return np.linspace(-self._reach, self._reach, _BINS + 1)

    def _by_percentile(self) -> tuple[float, float]:
        cut = (1 - PERCENTILE / 100) / 2 * self.count
        sums, edges = np.cumsum(self._counts), self._edges()
        last = int(np.searchsorted(sums, self.count - cut))
        return float(edges[np.searchsorted(sums, cut, side="right")]), float(edges[min(last, _BINS - 1) + 1])

    def _by_entropy(self) -> tuple[float, float]:
        half = _BINS // 2
        sizes = (self._counts[half:] + self._counts[half - 1 :: -1]).astype(np.float64)
        # The spike at zero, which ReLU makes, would outweigh all else.
        sizes[0] = sizes[1]
        filled = np.flatnonzero(sizes)
        if not len(filled):
            return self.low, self.high
        largest = filled[-1] + 1
        # No cut-off leaves nothing.
        least = max(_LEVELS, int(filled[0]) + 1)
        cuts = [*range(least, largest, _STEP), max(largest, least)]
        best = min(cuts, key=lambda cut: _divergence(sizes, cut))
        reach = best * self._reach / half
        return -reach, reach


def _divergence(sizes: Array, cut: int) -> float:
    """What is lost of a distribution's first bins, all above in the last, as 128 levels (KL divergence, in nats)."""
    original = sizes[:cut].copy()
    starts = np.arange(_LEVELS) * cut // _LEVELS
    filled = original > 0
    shared = np.add.reduceat(original, starts) / np.maximum(np.add.reduceat(filled.astype(np.float64), starts), 1)
    rounded = np.repeat(shared, np.diff(np.append(starts, cut))) * filled
    original[-1] += sizes[cut:].sum()
    filled = original > 0
    p, q = original[filled] / original.sum(), np.maximum(rounded[filled] / max(rounded.sum(), 1), 1e-9)
    return float(np.sum(p * np.log(p / q)))
