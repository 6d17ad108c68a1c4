"""Counts, gates, the JSON file and the page in the docs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from coreml_conformance.cases import Result
from coreml_conformance.known import Known, reason_for, stale
from coreml_conformance.random_training import holds
from coreml_conformance.suites import GATES, SUITES

# 1: the first.
_SCHEMA = 1
STATUSES = ("passed", "failed", "never_predicted", "skipped")


@dataclass
class Counts:
    """How many cases ended how."""

    passed: int = 0
    failed: int = 0
    never_predicted: int = 0
    skipped: int = 0

    def add(self, status: str, number: int = 1) -> None:
        """Count."""
        setattr(self, status, getattr(self, status) + number)

    @property
    def predicted(self) -> int:
        """Cases that asked for a prediction."""
        return self.passed + self.failed

    @property
    def share(self) -> float:
        """The passed ones among those."""
        return self.passed / self.predicted if self.predicted else 0.0


@dataclass(frozen=True)
class Verdict:
    """A gate, and what was reached."""

    gate: str
    title: str
    share: float
    wanted_share: float
    cases: int
    wanted_cases: int

    @property
    def reached(self) -> bool:
        """Whether both were."""
        return self.share >= self.wanted_share and self.cases >= self.wanted_cases

    def __str__(self) -> str:
        word = "reached" if self.reached else "NOT REACHED"
        return (
            f"{self.title}: {self.share:.2%} of {self.cases:,} float32 cases that predicted "
            f"(wanted {self.wanted_share:.0%} of at least {self.wanted_cases:,}): {word}"
        )


def count(results: Iterable[Result]) -> Counts:
    """The counts of results, whatever their precision."""
    counts = Counts()
    for result in results:
        counts.add(result.status)
    return counts


def gated(results: Iterable[Result]) -> list[Result]:
    """What a gate looks at: float32 throughout, without what is drawn at random."""
    return [result for result in results if result.precision == "float32" and not result.random]


def judge(gate: str, results: Iterable[Result]) -> Verdict:
    """What was reached of a gate."""
    wanted, counts = GATES[gate], count(gated(results))
    return Verdict(gate, wanted.title, counts.share, wanted.share, counts.predicted, wanted.cases)


def verdicts(results: Mapping[str, Sequence[Result]]) -> list[Verdict]:
    """Every gate of the suites that ran."""
    by_gate: dict[str, list[Result]] = defaultdict(list)
    for suite in SUITES:
        if suite.name in results:
            by_gate[suite.gate] += results[suite.name]
    return [judge(gate, found) for gate, found in by_gate.items()]


def problems(
    results: Mapping[str, Sequence[Result]], known: Sequence[Known], proofs: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Why a run fails: gates that were not reached, known failures that are none any more, proofs that do not hold."""
    everything = [result for found in results.values() for result in found]
    missed = [str(verdict) for verdict in verdicts(results) if not verdict.reached]
    old = [f"known-failures.toml: no case fails any more: {one.test} {one.case}" for one in stale(known, everything)]
    unproven = [f"kept apart without proof: {proof['test']}" for proof in proofs if not holds(proof)]
    return missed + old + unproven


def as_json(
    results: Mapping[str, Sequence[Result]],
    known: Sequence[Known],
    environment: Mapping[str, Any],
    left_out: Mapping[str, int],
    proofs: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of ``benchmarks/results/coreml-conformance.json``."""
    everything = [result for found in results.values() for result in found]
    return {
        "schema": _SCHEMA,
        "environment": environment,
        **asdict(count(gated(everything))),
        "gates": [{**asdict(verdict), "reached": verdict.reached} for verdict in verdicts(results)],
        "mixed": asdict(count(result for result in everything if result.precision == "mixed")),
        "neuralnetwork_left_out": left_out,
        "random_training": list(proofs),
        "files": [
            {"suite": suite, "file": file, "precision": precision, "random": random, **asdict(counts)}
            for (suite, file, precision, random), counts in by_file(results).items()
        ],
        "why_never_predicted": reasons(everything, "never_predicted"),
        "why_skipped": reasons(everything, "skipped"),
        "failures": [
            {"id": result.case.id, "precision": result.precision, "reason": reason_for(known, result) or None}
            for result in everything
            if result.status == "failed"
        ],
    }


def by_file(results: Mapping[str, Sequence[Result]]) -> dict[tuple[str, str, str, bool], Counts]:
    """Counts by suite, file, precision and randomness, in a fixed order."""
    found: dict[tuple[str, str, str, bool], Counts] = defaultdict(Counts)
    for suite, listed in results.items():
        for result in listed:
            found[suite, result.case.file, result.precision, result.random].add(result.status)
    order = {suite.name: number for number, suite in enumerate(SUITES)}
    return dict(sorted(found.items(), key=lambda item: (order[item[0][0]], *item[0][1:])))


def reasons(results: Iterable[Result], status: str) -> dict[str, int]:
    """How often each reason stands behind a status, the most frequent first."""
    found = Counter(brief(result.reason) for result in results if result.status == status)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def brief(message: str) -> str:
    """A message's first line, without what differs from machine to machine."""
    line = next((line.strip() for line in message.splitlines() if line.strip()), "")
    return re.sub(r"(?:/[\w.@+-]+){2,}/?", "…", line)[:160]
