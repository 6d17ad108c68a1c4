"""A result as continuous integration reads it: JUnit XML, and GitHub's annotations.

Sources: the JUnit schema of Apache Ant (``testsuite``, ``testcase``, ``failure``, ``properties``); GitHub Actions,
"Workflow commands": ``::error title=…::message`` with ``%``, carriage return and line feed escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from xml.etree import ElementTree as ET

from edgekit.bench.compared import Compared
from edgekit.bench.gate import Check
from edgekit.bench.measured import Measured
from edgekit.bench.result import Result
from edgekit.bench.stability import Stability


@dataclass(frozen=True)
class Report:
    """What continuous integration shows of a measurement or a comparison.

    Attributes:
        command: ``edgekit bench`` or ``edgekit compare``.
        name: of what was measured.
        said: the figure with its interval.
        stability: the verdict's word.
        reasons: what speaks against it.
        checks: the gate's.
        facts: what else a reader of test results finds beside it.
        seconds: how long calls were timed.
        when: in UTC (ISO 8601).
    """

    command: str
    name: str
    said: str
    stability: str
    reasons: tuple[str, ...]
    checks: Sequence[Check]
    facts: Mapping[str, str]
    seconds: float
    when: str


def of_result(result: Result, checks: Sequence[Check]) -> Report:
    """A measurement with what its gate found."""
    low, high = result.median.low / 1e6, result.median.high / 1e6
    return Report(
        command="edgekit bench",
        name=_name(result.model, result.stability),
        said=f"median {result.median.value / 1e6:.4g} ms (95 % interval {low:.4g} to {high:.4g})",
        stability=result.stability.verdict,
        reasons=result.stability.reasons,
        checks=checks,
        facts=_facts(result),
        seconds=_seconds(result.processes),
        when=result.measured_at,
    )


def of_compared(found: Compared, checks: Sequence[Check]) -> Report:
    """A comparison with what its gate found."""
    names = [_name(model, found.stability) for model in (found.first, found.second)]
    one = found.ratio
    facts = {"ratio": f"{one.value:.6f}", "ratio_low": f"{one.low:.6f}", "ratio_high": f"{one.high:.6f}"}
    return Report(
        command="edgekit compare",
        name=" and ".join(names),
        said=f"{names[1]} takes {one.value:.3f} of {names[0]}'s time (95 % interval {one.low:.3f} to {one.high:.3f})",
        stability=found.stability.verdict,
        reasons=found.stability.reasons,
        checks=checks,
        facts={**facts, "verdict": found.verdict, "stability": found.stability.verdict},
        seconds=sum(_seconds(turn) for turn in found.processes),
        when=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def junit(report: Report) -> bytes:
    """One test suite of the measurement, a test case each metric of the gate; an undecided one is an error."""
    checks = report.checks
    cases = checks or (None,)
    suite = ET.Element(
        "testsuite",
        name=f"{report.command} {report.name}",
        tests=str(len(cases)),
        failures=str(sum(one.outcome == "failed" for one in checks)),
        errors=str(sum(one.outcome == "undecided" for one in checks)),
        skipped="0",
        timestamp=report.when.partition("+")[0],
        time=f"{report.seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in report.facts.items():
        ET.SubElement(properties, "property", name=key, value=value)
    for one in cases:
        name = f"{report.command.replace(' ', '.')}.{report.name}"
        case = ET.SubElement(suite, "testcase", classname=name, name=one.metric if one else "measured", time="0")
        if one and one.outcome != "passed":
            kind = "failure" if one.outcome == "failed" else "error"
            ET.SubElement(case, kind, message=one.message, type=one.outcome).text = one.message
    ET.indent(suite)
    content: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def annotated(report: Report) -> list[str]:
    """One line each failed or undecided metric, one where the measurement is unstable, one of what was measured."""
    title = f"{report.command} {report.name}"
    lines = [_annotation("notice", title, f"{report.said}, {report.stability}")]
    lines += [_annotation("warning", title, f"{report.stability}: {reason}") for reason in report.reasons]
    lines += [_annotation("error", title, one.message) for one in report.checks if one.outcome != "passed"]
    return lines


def _seconds(processes: Iterable[Measured]) -> float:
    return sum(one.seconds for one in processes)


def _name(model: Mapping[str, Any], stability: Stability) -> str:
    emulated = " (emulated)" if stability.emulated else ""
    return f"{model['file']} {model['target']}" + (f"/{model['scheme']}" if model["scheme"] else "") + emulated


def _facts(result: Result) -> dict[str, str]:
    return {
        "median_ns": f"{result.median.value:.0f}",
        "median_low_ns": f"{result.median.low:.0f}",
        "median_high_ns": f"{result.median.high:.0f}",
        "calls": str(result.calls),
        "stability": result.stability.verdict,
        "reasons": "; ".join(result.stability.reasons),
        "runtime": result.runtime,
        "providers": ", ".join(result.providers),
        "processor": result.environment.processor or "unknown",
    }


def _annotation(level: str, title: str, message: str) -> str:
    escaped = {"%": "%25", "\r": "%0D", "\n": "%0A"}
    for raw, code in escaped.items():
        title, message = title.replace(raw, code), message.replace(raw, code)
    title = title.replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={title}::{message}"
