"""The environments that measurements are of, as the template shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgekit._report import numbers
from edgekit.bench.result import Result


def environments(results: Sequence[Result]) -> list[list[tuple[str, str]]]:
    """Each environment's facts, in the order of their first measurement."""
    first = {number: one for one, number in reversed(list(zip(results, environment_numbers(results), strict=True)))}
    return [_facts(first[number]) for number in sorted(first)]


def environment_numbers(results: Sequence[Result]) -> list[int]:
    """Which environment each measurement is of, counted from 1."""
    known: list[dict[str, Any]] = []
    for one in results:
        if _place(one) not in known:
            known.append(_place(one))
    return [known.index(_place(one)) + 1 for one in results]


def _place(result: Result) -> dict[str, Any]:
    return {**result.environment.identity, "device": result.device, "transport": result.transport}


def _facts(result: Result) -> list[tuple[str, str]]:
    facts = {"device": result.device, "reached": result.transport, **asdict(result.environment)}
    facts |= {f"browser's {name}": value for name, value in (facts.pop("browser") or {}).items()}
    facts["identified"] = result.identified
    memory = facts.pop("memory_bytes")
    facts["memory"] = numbers.size(memory) if memory else None
    clocks = facts.pop("clock_range_mhz")
    facts["clocks"] = f"{clocks[0]:g} to {clocks[1]:g} MHz" if clocks else None
    facts |= {f"version of {name}": version for name, version in result.versions.items()}
    shown = {True: "yes", False: "no"}
    return [
        (name.replace("_", " "), shown.get(value, str(value)) if isinstance(value, bool) else str(value))
        for name, value in facts.items()
        if value is not None
    ]
