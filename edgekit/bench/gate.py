"""Whether a measurement is worse than an earlier one by more than is allowed: for continuous integration.

The median decides, not a tail: tails need thousands of calls before they say anything. Between two stable measurements
it has regressed where its ratio is over the limit and its interval is above 1. What makes a measurement unstable makes
it slower: a new one that was disturbed can still show that nothing regressed, and a baseline that was disturbed that
something did, each with an interval wholly on its side of the limit. All else is undecided, which is no pass.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.bench.result import Result
from edgekit.bench.statistics import Estimate, ratio
from edgekit.errors import InputError

METRICS = ("median", "cold", "memory", "size")


@dataclass(frozen=True)
class Check:
    """One metric beside its baseline.

    Attributes:
        metric: one of :data:`METRICS`.
        outcome: ``passed``, ``failed`` or ``undecided``.
        ratio: now over then; its interval is a point for what does not vary.
        limit: the ratio that is still allowed.
        message: one line for people.
    """

    metric: str
    outcome: str
    ratio: Estimate
    limit: float
    message: str

    def to_json(self) -> dict[str, Any]:
        """The check as a JSON object."""
        kept = {"metric": self.metric, "outcome": self.outcome, "limit": self.limit, "message": self.message}
        return {**kept, "ratio": self.ratio.to_json()}


def check(
    now: Result,
    baseline: Result,
    max_regression: float,
    metrics: Sequence[str] = ("median",),
    *,
    anywhere: bool = False,
) -> tuple[Check, ...]:
    """Compare a result with its baseline.

    Args:
        now: the new result.
        baseline: the old one.
        max_regression: 0.05 allows 5 % more.
        metrics: which of :data:`METRICS`.
        anywhere: compare results of different environments too.

    Raises:
        InputError: an unknown metric, one that a result lacks, results of different formats, schemes or environments,
            or an emulated one.
    """
    check_metrics(metrics, baseline)
    if now.stability.emulated or baseline.stability.emulated:
        asked, why = "gate a result", "an emulated one says nothing of how fast a device is"
        raise InputError(asked, why, "measure both on the device")
    if not anywhere:
        _check_same_kind(now, baseline)
        check_same_environment(now, baseline)
    shaken = [name for name, one in (("now", now), ("baseline", baseline)) if one.stability.reasons]
    return tuple(_check(metric, _ratio(metric, now, baseline), 1 + max_regression, shaken) for metric in metrics)


def check_pair(found: Estimate, band: tuple[float, float], max_regression: float, *, shaken: bool) -> Check:
    """Whether the second of two models that were measured in turn is slower than is allowed.

    Args:
        found: its time over the first's.
        band: the ratios that mean nothing, by what the first gave over itself.
        max_regression: 0.05 allows 5 % more.
        shaken: the measurement is unstable: then only an interval wholly on one side of the limit decides.
    """
    limit = 1 + max_regression
    if not shaken:
        outcome = "failed" if found.value > limit and found.low > band[1] else "passed"
    elif found.high <= limit:
        outcome = "passed"
    else:
        outcome = "failed" if found.low > max(limit, band[1]) else "undecided"
    message = _told_of("median", outcome, found, limit, "the first")
    return Check("median", outcome, found, limit, message + ("; unstable" if outcome == "undecided" else ""))


def check_metrics(metrics: Sequence[str], baseline: Result) -> None:
    """Refuse metrics that cannot be compared with a baseline, before anything is measured.

    Raises:
        InputError: an unknown metric, none, or one that the baseline lacks.
    """
    for metric in metrics or ("nothing",):
        if metric not in METRICS:
            raise InputError(f"gate on {metric}", "no such metric", f"take of {', '.join(METRICS)}")
    if "memory" in metrics and not baseline.memory:
        raise InputError("gate on memory", "the baseline does not have it", "measure it where the system tells it")


def check_same_environment(first: Result, second: Result) -> None:
    """Refuse results that say nothing about each other.

    Raises:
        InputError: names what differs.
    """
    ours, theirs = first.identity, second.identity
    # What only one of them has (an emulator, a browser), the other has not.
    both = {name: (theirs.get(name), ours.get(name)) for name in (*theirs, *ours)}
    differing = [f"{name} {_told(one)} and {_told(other)}" for name, (one, other) in both.items() if one != other]
    if differing:
        why = f"they come from different environments: {'; '.join(differing)}"
        raise InputError("compare two results", why, "measure both in one, or say --across-environments")


def _check_same_kind(now: Result, baseline: Result) -> None:
    ours, theirs = ({key: one.model[key] for key in ("target", "scheme")} for one in (now, baseline))
    # A bare file does not tell its scheme.
    if any(ours[key] != theirs[key] and ours[key] and theirs[key] for key in ours):
        kinds = ["/".join(filter(None, one.values())) for one in (ours, theirs)]
        why = f"it is {kinds[0]}, and the baseline {kinds[1]}"
        raise InputError("gate a result", why, "name --target and --scheme, or say --across-environments")


def parse_percent(text: str) -> float:
    """``"5%"`` as 0.05.

    Raises:
        InputError: not of that form.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", text)
    if not found:
        raise InputError(f"--max-regression {text}", "not a percentage", "write 5%")
    return float(found[1]) / 100


def _told(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "unknown" if value is None else str(value)


def _check(metric: str, found: Estimate, limit: float, shaken: Sequence[str]) -> Check:
    if not shaken or found.high == found.low:
        outcome = "failed" if found.value > limit and found.low > 1 else "passed"
    elif shaken == ["now"]:
        outcome = "passed" if found.high <= limit else "undecided"
    elif shaken == ["baseline"]:
        outcome = "failed" if found.low > limit else "undecided"
    else:
        outcome = "undecided"
    message = _told_of(metric, outcome, found, limit, "the baseline")
    if outcome == "undecided":
        names = {"now": "this measurement", "baseline": "the baseline"}
        message += f"; {' and '.join(names[name] for name in shaken)} unstable"
    return Check(metric, outcome, found, limit, message)


def _told_of(metric: str, outcome: str, found: Estimate, limit: float, other: str) -> str:
    more = f"{abs(found.value - 1):.1%} {'more' if found.value >= 1 else 'less'} than {other}"
    interval = f", 95 % interval {found.low - 1:+.1%} to {found.high - 1:+.1%}" if found.high > found.low else ""
    return f"{metric} {outcome}: {more}{interval}; allowed {limit - 1:+.1%}"


def _ratio(metric: str, now: Result, baseline: Result) -> Estimate:
    seed = int(now.settings["seed"])
    if metric == "median":
        ours, theirs = ([one.calls_ns for one in result.used] for result in (now, baseline))
        return ratio(ours, theirs, paired=False, seed=seed)
    if metric == "cold":
        # What a user waits for once the runtime is there: the load and the first answer, one value a process.
        sides = [[[_cold(one.cold)] for one in result.used] for result in (now, baseline)]
        return ratio(sides[0], sides[1], paired=False, seed=seed)
    if metric == "size":
        return _point(now.model["bytes"], baseline.model["bytes"])
    if not (now.memory and baseline.memory):
        raise InputError("gate on memory", "this system does not tell it", "leave it out of --gate-on")
    return _point(now.memory["peak_bytes"], baseline.memory["peak_bytes"])


def _cold(parts: Mapping[str, int]) -> float:
    return float(parts["load_ns"] + parts["first_call_ns"])


def _point(now: float | None, then: float | None) -> Estimate:
    value = float(now or 0) / float(then or 1)
    return Estimate(value, value, value)
