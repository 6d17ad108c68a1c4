"""A result as continuous integration reads it: JUnit XML, and GitHub's annotations.

Sources: the JUnit schema of Apache Ant (``testsuite``, ``testcase``, ``failure``, ``properties``); GitHub Actions,
"Workflow commands": ``::error title=…::message`` with ``%``, carriage return and line feed escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from edgekit.bench.gate import Check
from edgekit.bench.result import Result


def junit(result: Result, checks: Sequence[Check]) -> bytes:
    """One test suite of the measurement, a test case each metric of the gate; an undecided one is an error."""
    name = _name(result)
    seconds = sum(sum(one.durations_ns) for one in result.processes) / 1e9
    cases = checks or (None,)
    suite = ET.Element(
        "testsuite",
        name=f"edgekit bench {name}",
        tests=str(len(cases)),
        failures=str(sum(one.outcome == "failed" for one in checks)),
        errors=str(sum(one.outcome == "undecided" for one in checks)),
        skipped="0",
        timestamp=result.measured_at.partition("+")[0],
        time=f"{seconds:.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for key, value in _facts(result).items():
        ET.SubElement(properties, "property", name=key, value=value)
    for one in cases:
        case = ET.SubElement(
            suite, "testcase", classname=f"edgekit.bench.{name}", name=one.metric if one else "measured", time="0"
        )
        if one and one.outcome != "passed":
            kind = "failure" if one.outcome == "failed" else "error"
            ET.SubElement(case, kind, message=one.message, type=one.outcome).text = one.message
    ET.indent(suite)
    content: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def annotated(result: Result, checks: Sequence[Check]) -> list[str]:
    """One line each failed or undecided metric, one where the measurement is unstable, one of what was measured."""
    name = _name(result)
    low, high = result.median.low / 1e6, result.median.high / 1e6
    said = f"median {result.median.value / 1e6:.4g} ms (95 % interval {low:.4g} to {high:.4g})"
    lines = [_annotation("notice", name, f"{said}, {result.stability.verdict}")]
    lines += [_annotation("warning", name, f"unstable: {reason}") for reason in result.stability.reasons]
    lines += [_annotation("error", name, one.message) for one in checks if one.outcome != "passed"]
    return lines


def _name(result: Result) -> str:
    scheme = result.model["scheme"]
    return f"{result.model['file']} {result.model['target']}" + (f"/{scheme}" if scheme else "")


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
    return f"::{level} title=edgekit bench {title}::{message}"
