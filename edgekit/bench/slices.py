"""Slices of a measurement with fixed work between them: where that was slow so was the machine, whatever was measured.

A neighbour on the same core, of which a virtual machine is told nothing, makes every call up to twice as long, for
milliseconds or minutes. Fixed work feels it too. What counts is decided by the fixed work alone, never by the durations
themselves, so that leaving a slice out does not choose the result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# The shortest times are the machine's own; the very shortest may be a moment's luck.
_SHORTEST = 0.02


def quiet_ns(yardsticks: Sequence[float]) -> float:
    """What fixed work takes where nothing slows the machine: nearly the shortest that it took.

    Args:
        yardsticks: nanoseconds, in any order.
    """
    return float(np.quantile(yardsticks, _SHORTEST, method="lower"))


def limit_ns(yardsticks: Sequence[float], slowed: float, known_ns: float | None = None) -> float:
    """What fixed work may take beside a slice that counts.

    Args:
        yardsticks: nanoseconds of this measurement.
        slowed: 1.1 allows it 10 % more than where nothing slows it.
        known_ns: :func:`quiet_ns` of what was measured before.
    """
    shortest = quiet_ns(yardsticks)
    return slowed * (shortest if known_ns is None else min(shortest, known_ns))
