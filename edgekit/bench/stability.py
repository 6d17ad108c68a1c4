"""Whether a figure would come again: what a measurement finds that speaks against itself.

Two kinds of finding. A process is *disturbed* where the machine's own counters say that somebody else used it: that is
judged from the counters alone, never from the durations, so that leaving such a process out does not choose the result.
A measurement is *unstable* where too few processes were left in peace, or where the processes disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.bench.measured import Measured, counted, peaceful
from edgekit.bench.protocol import Protocol
from edgekit.bench.readings import Sample
from edgekit.bench.statistics import Estimate, figure, widest

# Part of the protocol: a change raises its version. Set by the counters and durations of busy machines.
OTHERS_SHARE, OTHERS_CPUS = 0.05, 0.1  # of all processors, and at least this many of them
STOLEN_CPUS = 0.05
WAITED_SHARE = 0.03
SATURATED = 0.9  # of the processors that it may use: then it waits for none but itself
INTERVAL = 0.05  # half the interval's width over the median
NULL = 0.08  # how far the A/A test's ratio may be from 1
DRIFT = 0.08  # later processes against earlier ones
CLOCK_DROP = 0.05  # processors' clocks, end against start


@dataclass(frozen=True)
class Stability:
    """The verdict on a measurement.

    Attributes:
        reasons: what speaks against it, the gravest first; none where it is stable.
        emulated: the processor was imitated, and no duration says anything of a device.
    """

    reasons: tuple[str, ...]
    emulated: bool = False

    @property
    def verdict(self) -> str:
        """``stable``, ``unstable`` or ``emulated``."""
        if self.emulated:
            return "emulated"
        return "unstable" if self.reasons else "stable"

    def to_json(self) -> dict[str, Any]:
        """``{"verdict", "reasons"}``."""
        return {"verdict": self.verdict, "reasons": list(self.reasons)}


def of_emulator(stability: Stability, emulator: str | None) -> Stability:
    """The verdict on what an emulator ran; the given one where there is none."""
    if emulator is None:
        return stability
    said = f"emulated: {emulator} imitates the processor, and these durations are no device's"
    return Stability((said, *stability.reasons), emulated=True)


def disturbance(conditions: Mapping[str, Any]) -> str:
    """Why a process was not alone on the machine; empty where nothing says so."""
    others, stolen, waited = (conditions[key] for key in ("others_cpus", "stolen_cpus", "waited"))
    if others is not None and others > max(OTHERS_CPUS, OTHERS_SHARE * conditions["cpus"]):
        return f"other processes kept {others:.1f} of {conditions['cpus']} processors busy"
    if stolen is not None and stolen > STOLEN_CPUS:
        return f"the hypervisor took {stolen:.2f} processors away"
    # A process with more threads than processors waits for itself.
    alone = (conditions["cpu_seconds"] or 0.0) > SATURATED * conditions["usable_cpus"] * conditions["seconds"]
    if waited is not None and waited > WAITED_SHARE and not alone:
        return f"it waited for a processor {waited:.0%} of the time"
    return ""


def judge(
    processes: tuple[Measured, ...],
    protocol: Protocol,
    median: Estimate,
    null: Estimate,
    samples: Sequence[Sample] = (),
    known_ns: float | None = None,
) -> Stability:
    """The verdict.

    Args:
        processes: all of them, disturbed ones too.
        protocol: how many undisturbed ones it wants.
        median: the figure.
        null: the A/A test.
        samples: the sensors' readings, in order.
        known_ns: the shortest that fixed work is known to take on this machine, from measurements before.
    """
    turns = [(one,) for one in processes]
    used = tuple(one for (one,) in counted(turns, protocol, known_ns).values())
    reasons = [
        *_company(turns, protocol, known_ns),
        *_throttling(samples),
        *_disagreement(used, median, null),
    ]
    return Stability(tuple(reasons))


def _company(turns: Sequence[Sequence[Measured]], protocol: Protocol, known_ns: float | None) -> list[str]:
    heard, all_ = len(peaceful(turns, protocol, known_ns)), len(turns)
    if heard >= protocol.fewest_processes:
        return []
    disturbed = [one[0].disturbed for one in turns if one[0].disturbed]
    reasons = []
    if disturbed:
        said = f"{disturbed[len(disturbed) // 2]} ({len(disturbed)} of {all_} measuring processes disturbed)"
        reasons.append((len(disturbed), said))
    if slowed := all_ - heard - len(disturbed):
        longer = f"fixed work took over {protocol.slowed - 1:.0%} longer than this machine needs, most of the time"
        said = f"{longer} in {slowed} of {all_} measuring processes: a neighbour on the core, or its clock"
        reasons.append((slowed, said))
    return [said for _, said in sorted(reasons, reverse=True)]


def _throttling(samples: Sequence[Sample]) -> list[str]:
    words = sorted({word for one in samples for word in one.throttled})
    reasons = [f"the device says: {', '.join(words)}"] if words else []
    if len(samples) > 1:
        first, last = samples[0].throttle_counts, samples[-1].throttle_counts
        grown = [name for name, count in last.items() if count > first.get(name, count)]
        if grown:
            reasons.append(f"the processor was throttled while it measured ({', '.join(grown)})")
        drops = [1 - last_mhz / first_mhz for first_mhz, last_mhz in _clock_pairs(samples)]
        if drops and float(np.median(drops)) > CLOCK_DROP:
            reasons.append(f"the clocks dropped by {float(np.median(drops)):.0%} while it measured")
    return reasons


def _clock_pairs(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    first, last = samples[0].clocks_mhz, samples[-1].clocks_mhz
    return [(first[name], last[name]) for name in first if name in last and first[name] > 0]


def _disagreement(used: tuple[Measured, ...], median: Estimate, null: Estimate) -> list[str]:
    reasons = []
    unsettled = sum(not one.warmup["settled"] for one in used)
    if 2 * unsettled > len(used):
        reasons.append(f"the warm-up did not settle in {unsettled} of {len(used)} processes")
    if median.relative_width > INTERVAL:
        reasons.append(f"the processes disagree: the interval is ±{median.relative_width:.0%}")
    calls = [one.calls_ns for one in used]
    half = len(calls) // 2
    drift = figure(calls[-half:]) / figure(calls[:half]) - 1
    if abs(drift) > DRIFT:
        reasons.append(f"the later half was {abs(drift):.0%} {'slower' if drift > 0 else 'faster'} than the first")
    if abs(null.value - 1) > NULL:
        reasons.append(f"measured against itself it differs by {abs(null.value - 1):.0%}")
    return reasons


def judge_pair(turns: Sequence[Sequence[Measured]], protocol: Protocol, null: Estimate) -> Stability:
    """The verdict on models measured in turn: what slows one slows the other, so only their A/A test can speak.

    Args:
        turns: what each process measured of each model.
        protocol: how many undisturbed ones it wants.
        null: the first over itself.
    """
    reasons = _company(turns, protocol, None)
    apart = widest(null) - 1
    if apart > NULL:
        reasons.append(f"measured against itself the first differs by up to {apart:.0%}")
    return Stability(tuple(reasons))
