"""All sides of a network in turn in one run: how fast they are, and how near the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.bench import Comparison, compare_callables
from edgekit.verify.compare import sqnr_db
from quantization.networks import Floats

BASELINE = "plain float32"
_ROUNDS, _SECONDS = 30, 60.0
# Long enough that what the others left in the caches does not matter, as in `edgekit compare`.
_BLOCK_SECONDS = 0.05
# One input [1, …] to what it answers.
Call = Callable[[Floats], Any]


def in_turn(
    calls: Mapping[str, Call], described: Mapping[str, Mapping[str, Any]], wanted: Sequence[Any], inputs: Floats
) -> dict[str, Any]:
    """Ask each side for as many answers as are wanted, then time all on the first input.

    Args:
        calls: by name, plain float32 the first.
        described: by the same names what else there is to say.
        wanted: the original's answers.
        inputs: [n, …], n at least as many.

    Returns:
        ``sides``: what was said, with ``sqnr_db``, ``agreement`` (of the largest of each answer), ``ms``, and
        ``speedup`` with its interval; ``null``, ``rounds``.
    """
    near = {name: _near(call, wanted, inputs) for name, call in calls.items()}
    run = compare_callables(
        {name: lambda call=call: call(inputs[:1]) for name, call in calls.items()},
        min_rounds=_ROUNDS, max_seconds=_SECONDS, smallest_difference=0.05, min_block_seconds=_BLOCK_SECONDS,
    )  # fmt: skip
    sides = {name: {**about, **near[name], **_speed(run, name)} for name, about in described.items()}
    return {"sides": sides, "null": run.null.to_json(), "rounds": run.rounds}


def _near(call: Call, wanted: Sequence[Any], inputs: Floats) -> dict[str, float | None]:
    original = np.stack([np.ravel(one) for one in wanted]).astype(np.float64)
    found = np.stack([np.ravel(np.asarray(call(row[None]))) for row in inputs[: len(wanted)]])
    sqnr = sqnr_db(original, original - found)
    same = original.argmax(axis=1) == found.argmax(axis=1)
    return {"sqnr_db": sqnr if np.isfinite(sqnr) else None, "agreement": float(same.mean())}


def _speed(run: Comparison, name: str) -> dict[str, float]:
    milliseconds = run.medians_ns[name] / 1e6
    if name == BASELINE:
        return {"ms": milliseconds, "speedup": 1.0, "low": 1.0, "high": 1.0}
    ratio = run.ratios[name]
    return {"ms": milliseconds, "speedup": 1 / ratio.value, "low": 1 / ratio.high, "high": 1 / ratio.low}
