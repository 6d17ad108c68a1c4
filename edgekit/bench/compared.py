"""Two models, or two results, and which is faster."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit.bench.gate import check_same_environment
from edgekit.bench.identify import identify, suitable
from edgekit.bench.measure import Settings, measured_of
from edgekit.bench.measured import Measured, counted, filled, shortest
from edgekit.bench.result import Result
from edgekit.bench.stability import Stability, judge_pair, of_emulator
from edgekit.bench.statistics import Estimate, figure, null_band, ratio, widest, word_of
from edgekit.bench.subject import Subject, resolve
from edgekit.bench.transports import Event, LocalTransport, Transport

SCHEMA = 1  # 1: the first
# Relative differences below it are ties, however sure they are.
_SMALLEST = 0.01


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        first: the model that the other is compared with.
        second: the other.
        interleaved: the two were measured in turn, and not one some day and the other another.
        medians_ns: of the first and the second.
        ratio: the second's time over the first's.
        null: the first over itself, measured in the same turns; of stored results the wider of their own A/A tests.
        stability: whether it would come again.
        processes: raw, of interleaved ones: the first, the second, the first again.
    """

    first: dict[str, Any]
    second: dict[str, Any]
    interleaved: bool
    medians_ns: tuple[float, float]
    ratio: Estimate
    null: Estimate
    stability: Stability
    processes: tuple[tuple[Measured, ...], ...]

    @property
    def band(self) -> tuple[float, float]:
        """The ratios that mean nothing: the A/A interval, made symmetric, and at least one percent."""
        return null_band(self.null, _SMALLEST)

    @property
    def verdict(self) -> str:
        """What the second is to the first: ``faster``, ``slower`` or ``tie``."""
        return word_of(self.ratio, self.band)

    def to_json(self) -> dict[str, Any]:
        """The document of ``docs/schemas/compare.schema.json``."""
        return {
            "schema": SCHEMA,
            "first": self.first,
            "second": self.second,
            "interleaved": self.interleaved,
            "medians_ns": list(self.medians_ns),
            "ratio": self.ratio.to_json(),
            "null": self.null.to_json(),
            "band": list(self.band),
            "verdict": self.verdict,
            "stability": self.stability.to_json(),
            "processes": [[one.to_json() for one in turn] for turn in self.processes],
        }


def compare_results(first: Result, second: Result, *, anywhere: bool = False) -> Compared:
    """Two results that were measured apart.

    Args:
        first: what the other is compared with.
        second: the other.
        anywhere: results of different environments too.

    Raises:
        InputError: they come from different environments.
    """
    if not anywhere:
        check_same_environment(second, first)
    theirs, ours = ([one.calls_ns for one in result.used] for result in (first, second))
    names = ("first", "second")
    reasons = [
        f"the {name}: {why}" for name, one in zip(names, (first, second), strict=True) for why in one.stability.reasons
    ]
    return Compared(
        first=dict(first.model),
        second=dict(second.model),
        interleaved=False,
        medians_ns=(first.median.value, second.median.value),
        ratio=ratio(ours, theirs, paired=False, seed=int(first.settings["seed"])),
        null=max((first.null, second.null), key=widest),
        stability=Stability(tuple(reasons), emulated=any(one.stability.emulated for one in (first, second))),
        processes=(),
    )


def compare_models(
    models: Sequence[Path],
    settings: Sequence[Settings],
    *,
    transport: Transport | None = None,
    event: Event = lambda *_: None,
) -> Compared:
    """Two models measured in turn: each fresh process times both, and the first a second time as its own twin.

    Args:
        models: two bundles or model files.
        settings: how each is chosen; how they are measured is the first's to say.
        transport: the way to the device; this machine if not said.
        event: told what is being done.

    Raises:
        InputError: no such model or artifact.
        ExecutionError: one cannot be run.
    """
    way, how = transport or LocalTransport(), settings[0]
    profile = identify(how.profile, way, as_told=how.as_told).profile
    how, formats = replace(how, profile=profile), suitable(profile, way)
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        subjects = [
            resolve(path, Path(folder), target=one.target, scheme=one.scheme, samples=one.samples, formats=formats)
            for path, one in zip(models, settings, strict=True)
        ]
        turns, imitated = _turns([*subjects, subjects[0]], how, way, event)
    used = [[one.calls_ns for one in column] for column in zip(*counted(turns, how.protocol).values(), strict=True)]
    null = ratio(used[2], used[0], paired=True, seed=how.seed)
    return Compared(
        first=subjects[0].to_json(),
        second=subjects[1].to_json(),
        interleaved=True,
        medians_ns=(figure(used[0]), figure(used[1])),
        ratio=ratio(used[1], used[0], paired=True, seed=how.seed),
        null=null,
        stability=of_emulator(judge_pair(turns, how.protocol, null), imitated or way.environment().emulated),
        processes=tuple(turns),
    )


def _turns(
    subjects: Sequence[Subject], how: Settings, transport: Transport, event: Event
) -> tuple[list[tuple[Measured, ...]], str | None]:
    """What each fresh process measured of each model; more processes where the first were disturbed.

    Second, what imitates the device's GPU; ``None`` where nothing does.
    """
    protocol, turns, imitated = how.protocol, list[tuple[Measured, ...]](), None
    while len(turns) < protocol.most_processes and not filled(turns, protocol):
        most = max(protocol.processes, len(turns) + 1)
        event(f"process {len(turns) + 1} of {most}", len(turns) / most)
        asked = replace(how, seed=how.seed + len(turns))
        request = asked.request("time", subjects, quiet_ns=shortest(turns))
        answer = transport.work(request, timeout=how.timeout, tick=lambda: None)
        imitated = imitated or next((one["emulated"] for one in answer["models"] if one.get("emulated")), None)
        turns.append(tuple(measured_of(answer)))
    return turns, imitated


def chosen(settings: Settings, artifact: str) -> Settings:
    """Settings for an artifact by its name, ``tflite/int8``."""
    target, _, scheme = artifact.partition("/")
    return replace(settings, target=target, scheme=scheme or None)
