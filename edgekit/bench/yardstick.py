"""Fixed work, which tells how fast the machine is at a moment, whatever is measured on it."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from functools import cache
from statistics import median

import numpy as np
import numpy.typing as npt

# Vector arithmetic in the first-level cache, as kernels do it. It is felt there when a neighbour computes on the same
# core, of which a virtual machine is told nothing.
_NUMBERS = 2048
_STEPS = 40
# Where three arrays begin in one block of memory, in numbers: on cache lines, and at different places of their pages.
# Left to the allocator, the same work takes half as long again in one process as in the next.
_STARTS = 0, _NUMBERS + 256, 2 * (_NUMBERS + 256)
_LINE_BYTES = 64
_LOOKED_AT = 8


def yardstick_ns(repeats: int) -> int:
    """The median of the times that a fixed piece of work takes: what it takes more says nothing of any model."""
    values, factor, answer = _arrays()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        for _ in range(_STEPS):
            np.multiply(values, factor, out=answer)
            np.add(answer, values, out=answer)
        durations.append(time.perf_counter_ns() - start)
    return int(median(durations))


def move_to_quietest(repeats: int) -> None:
    """Move this thread to that processor on which fixed work is fastest now, and leave it free to be moved again.

    Args:
        repeats: of :func:`yardstick_ns`, on each of a few processors.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    usable = os.sched_getaffinity(0)
    took: dict[int, int] = {}
    # One may be taken away meanwhile.
    with suppress(OSError):
        for one in random.sample(sorted(usable), min(len(usable), _LOOKED_AT)):
            os.sched_setaffinity(0, {one})
            took[one] = yardstick_ns(repeats)
        os.sched_setaffinity(0, {min(took, key=lambda one: took[one])})
    with suppress(OSError):
        os.sched_setaffinity(0, usable)


@cache
def _arrays() -> tuple[npt.NDArray[np.float32], ...]:
    block = np.ones(_STARTS[-1] + _NUMBERS + _LINE_BYTES, np.float32)
    first = -block.ctypes.data % _LINE_BYTES // block.itemsize
    values, factor, answer = (block[first + start :][:_NUMBERS] for start in _STARTS)
    factor[:] = 0.999
    return values, factor, answer
