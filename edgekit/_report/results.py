"""Measurements as the template shows them: every number already text, every drawing already laid out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edgekit._report import numbers
from edgekit._report.drawing import Axis, Cell, Point, Scatter, cells, line, steps
from edgekit._report.environments import environment_numbers, environments
from edgekit._report.view import Bar, Chart
from edgekit.bench.profile import Profile, parts_of
from edgekit.bench.result import Result
from edgekit.metrics.loss import MetricLoss
from edgekit.verify import Verdict

# Nothing but a stable measurement is ever green.
_STATES = {"stable": "passed"}
_LISTED_OPERATORS = 15
_KINDS = 6


def number_of(ns: float) -> str:
    """Nanoseconds as text."""
    return numbers.duration(ns / 1e6)


def summary(results: Sequence[Result], failures: int) -> dict[str, Any]:
    """How many measurements of how many models, and how many of them would come again."""
    words = Counter(one.stability.verdict for one in results)
    files, machines = len({one.model["file"] for one in results}), len(environments(results))
    said = [(_STATES.get(word, "unknown"), f"{count} {word}") for word, count in sorted(words.items())]
    if failures:
        said.append(("failed", f"{failures} could not be measured"))
    return {
        "state": "failed" if failures else "passed" if set(words) == {"stable"} else "unknown",
        "counts": said,
        "sentence": (
            f"{_counted(len(results), 'measurement')} of {_counted(files, 'model')} "
            f"in {_counted(machines, 'environment')}."
        ),
        "shaken": bool(set(words) - {"stable"}),
    }


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def name_of(result: Result) -> str:
    """``onnx / int8``, or the format alone of a model file."""
    return " / ".join(filter(None, (result.model["target"], result.model["scheme"])))


def ordered(results: Sequence[Result]) -> list[Result]:
    """By device, model, format, scheme and threads, those of the same as they were measured."""

    def place(one: Result) -> tuple[str, ...]:
        threads = f"{one.settings['threads'] or 0:06}"
        kind = (one.model["target"] or "", one.model["scheme"] or "", threads)
        return (_device(one), one.model["file"], *kind, one.measured_at)

    return sorted(results, key=place)


def _device(result: Result) -> str:
    return str(result.device or result.environment.board or result.environment.processor or "unknown")


def rows(results: Sequence[Result], verdicts: Mapping[str, Verdict]) -> list[dict[str, Any]]:
    """The table: one row a measurement."""
    numbered = environment_numbers(results)
    return [
        {**_row(one, verdicts.get(one.model["sha256"])), "number": index, "environment": numbered[index - 1]}
        for index, one in enumerate(results, 1)
    ]


def _row(result: Result, verdict: Verdict | None) -> dict[str, Any]:
    threads = result.settings["threads"]
    how = [result.runtime, *result.providers, *([_counted(threads, "thread")] if threads else [])]
    how += [f"{name} did not run" for name in result.missing_providers]
    if result.fell_back:
        how.append(f"{_counted(len(result.fell_back), 'operator')} not on {result.first_choice}")
    p90 = next((one.value for one in result.percentiles if one.percentile == 90), None)
    peak = result.memory["peak_bytes"] if result.memory else None
    return {
        "file": result.model["file"],
        "name": name_of(result),
        "device": _device(result),
        "how": ", ".join(how) + ("" if result.transport == "local" else f", by {result.transport}"),
        "state": _STATES.get(result.stability.verdict, "unknown"),
        "word": result.stability.verdict,
        "reasons": result.stability.reasons,
        "median": number_of(result.median.value),
        "interval": f"{number_of(result.median.low)} to {number_of(result.median.high)}",
        "p90": numbers.NONE if p90 is None else number_of(p90),
        "cold": number_of(result.cold["load_ns"] + result.cold["first_call_ns"]),
        "memory": numbers.size(peak) if peak else numbers.NONE,
        "size": numbers.size(result.model["bytes"]),
        "energy": f"{result.energy['joules_a_call'] * 1000:.3g}{numbers.SPACE}mJ" if result.energy else None,
        "sqnr": numbers.decibels(_sqnr(verdict)),
        "metric": _metric(verdict.metric) if verdict is not None and verdict.metric else None,
        "when": result.measured_at.replace("T", " ").partition("+")[0] + " UTC",
        "sha256": result.model["sha256"],
    }


def _metric(loss: MetricLoss) -> dict[str, str]:
    """The converted model's value of the task's metric, and what it has lost."""
    if loss.relative:
        return {"value": f"{loss.converted:.4g}", "loss": f"{loss.metric}, {loss.loss:+.2%} worse"}
    value, lost = f"{100 * loss.converted:.2f}{numbers.SPACE}%", 100 * loss.loss + 0.0
    return {"value": value, "loss": f"{loss.metric}, {lost:.2f} lost"}


def _sqnr(verdict: Verdict | None) -> float | None:
    if verdict is None:
        return None
    return min((one.sqnr_db for one in verdict.outputs.values() if one.sqnr_db is not None), default=None)


def side_by_side(results: Sequence[Result]) -> list[Chart]:
    """Medians as bars from zero, one chart a model and environment, where there is something to compare."""
    charts = []
    for title, group in _groups(results):
        longest = max(one.median.high for _, one in group)
        bars = tuple(
            Bar(
                f"{number}. {name_of(one)}{_runs_on(one, group)}" + _said(one),
                f"{number_of(one.median.value)} ({number_of(one.median.low)} to {number_of(one.median.high)})",
                100 * one.median.value / longest,
                100 * one.median.high / longest,
                _STATES.get(one.stability.verdict, "unknown"),
            )
            for number, one in group
        )
        charts.append(Chart(title, "Median of a call; the line is the upper end of its 95 % interval.", bars))
    return charts


def _runs_on(result: Result, group: Sequence[tuple[int, Result]]) -> str:
    """What tells measurements of one file apart."""
    same = [one for _, one in group if one.model["sha256"] == result.model["sha256"]]
    if len(same) < 2:
        return ""
    threads = result.settings["threads"]
    return f" on {', '.join(result.providers)}" + (f", {_counted(threads, 'thread')}" if threads else "")


def _said(result: Result) -> str:
    return "" if result.stability.verdict == "stable" else f", {result.stability.verdict}"


def _groups(results: Sequence[Result]) -> list[tuple[str, list[tuple[int, Result]]]]:
    """Measurements that may be compared: of one model, in one environment; groups of one are left out."""
    found: dict[tuple[str, int], list[tuple[int, Result]]] = {}
    for number, (one, place) in enumerate(zip(results, environment_numbers(results), strict=True), 1):
        found.setdefault((str(one.model["file"]), place), []).append((number, one))
    several = len({place for _, place in found}) > 1
    return [
        (file + (f", environment {place}" if several else ""), group)
        for (file, place), group in found.items()
        if len(group) > 1
    ]


def scatters(results: Sequence[Result], verdicts: Mapping[str, Verdict]) -> list[Scatter]:
    """What size, and where it is known what loss of the metric, each median is paid with."""
    found = []
    for title, group in _groups(results):
        sizes = [(one, number, float(one.model["bytes"])) for number, one in group]
        found.append(_scatter(f"{title}: time and size", "size", sizes, numbers.size))
        known = [(verdicts.get(one.model["sha256"]), number, one) for number, one in group]
        losses = [(one, number, 100 * v.metric.loss) for v, number, one in known if v is not None and v.metric]
        if len({loss for _, _, loss in losses}) > 1:
            metric = next(v.metric.metric for v, _, _ in known if v is not None and v.metric)
            found.append(_scatter(f"{title}: time and {metric}", f"loss of {metric}, points", losses, "{:.3g}".format))
    return found


def _scatter(title: str, up: str, given: Sequence[tuple[Result, int, float]], text: Callable[[float], str]) -> Scatter:
    across = Axis.of([one.median.value for one, _, _ in given], zero=True)
    upward = Axis.of([value for _, _, value in given], zero=min(value for _, _, value in given) >= 0)
    points = [
        Point(
            number,
            str(one.model["target"]),
            across.at(one.median.value),
            100 - upward.at(value),
            one.stability.verdict != "stable",
            f"{number}. {name_of(one)}{_said(one)}: {number_of(one.median.value)}, {text(value)}",
        )
        for one, number, value in given
    ]
    # The drawing's y grows downwards; the front is of what is small in both.
    front = [(x, 100 - y) for x, y in steps([(one.x, 100 - one.y) for one in points])]
    lines = [
        edge
        for (x, y), (next_x, next_y) in itertools.pairwise(front)
        for edge in ((x, y, next_x, y), (next_x, y, next_x, next_y))
    ]
    note = "Left and low is better; the line joins what nothing else beats in both."
    return Scatter(title, note, "median", up, tuple(points), tuple(lines), across.ticks(number_of), upward.ticks(text))


def details(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What is shown of each measurement by itself."""
    return [
        {
            "number": number,
            "title": f"{one.model['file']}: {name_of(one)}",
            "state": _STATES.get(one.stability.verdict, "unknown"),
            "word": one.stability.verdict,
            "calls": one.extent,
            "reasons": one.stability.reasons,
            "distribution": _distribution(one),
            "sustained": _sustained(one),
            "readings": _readings(one),
            "profile": None if one.profile is None else _profile(one.profile, one),
        }
        for number, one in enumerate(results, 1)
    ]


def _distribution(result: Result) -> dict[str, Any]:
    """One row a process: the middle half of its calls as a box, nine tenths as a line, and the median."""
    shares = (5, 25, 50, 75, 95)
    counted = result.counted
    shown = [counted.get(number, one) for number, one in enumerate(result.processes)]
    quantiles = [np.percentile(one.calls_ns, shares) for one in shown]
    axis = Axis.of([float(value) for row in quantiles for value in row])
    made = [
        {
            "at": [axis.at(float(value)) for value in row],
            "used": index - 1 in counted,
            "text": f"process {index}: median {number_of(float(row[2]))}"
            + ("" if index - 1 in counted else f", {one.disturbed or 'slowed'}"),
        }
        for index, (one, row) in enumerate(zip(result.processes, quantiles, strict=True), 1)
    ]
    median = {key: axis.at(getattr(result.median, key)) for key in ("low", "value", "high")}
    return {
        "rows": made,
        "ticks": axis.ticks(number_of),
        "median": median,
        "aside": not all(row["used"] for row in made),
    }


def _sustained(result: Result) -> dict[str, Any] | None:
    if not result.sustained:
        return None
    medians = result.sustained["medians_ns"]
    axis = Axis.of(medians, zero=True, wide=False)
    return {
        "line": line(medians, axis),
        "ticks": axis.ticks(number_of),
        "minutes": len(medians),
        "text": f"{number_of(medians[0])} in the first minute, {number_of(medians[-1])} in the last: "
        f"{result.sustained['last_over_first']:.2f} times as long",
    }


def _readings(result: Result) -> list[dict[str, str]]:
    """Each sensor's way through the measurement; of the processors' clocks the mean."""
    series: dict[tuple[str, str], list[float]] = {}
    for one in result.readings:
        for name, value in one["temperatures"].items():
            series.setdefault((name, "°C"), []).append(value)
        if one["clocks_mhz"]:
            series.setdefault(("clocks, mean", "MHz"), []).append(float(np.mean(list(one["clocks_mhz"].values()))))
        for name, value in one["watts"].items():
            series.setdefault((name, "W"), []).append(value)
    return [
        {
            "name": name,
            "line": line(values, Axis.of(values, wide=False)),
            **{key: f"{number:.4g}{numbers.SPACE}{unit}" for key, number in
               (("first", values[0]), ("lowest", min(values)), ("highest", max(values)), ("last", values[-1]))},
        }
        for (name, unit), values in series.items()
    ]  # fmt: skip


def _profile(profile: Profile, result: Result) -> dict[str, Any]:
    kinds: dict[str, float] = {}
    for one in profile.operators:
        kinds[one.op] = kinds.get(one.op, 0.0) + one.ns
    ranked = sorted(kinds, key=lambda op: -kinds[op])
    colour = {op: f"k{min(index, _KINDS)}" for index, op in enumerate(ranked)}
    named = any(one.layer for one in profile.operators)
    root = Cell("all operators")
    for one in profile.operators:
        path = parts_of(one.layer) if one.layer else [] if named else [one.op]
        root.add([*path, one.name], one.ns, colour[one.op], one.op)
    drawn = cells(root, "all operators", number_of)
    return {
        "cells": drawn,
        "depth": 1 + max((int(str(one["depth"])) for one in drawn), default=0),
        "legend": [
            {"op": op, "kind": colour[op], "share": numbers.percent(kinds[op] / (profile.operators_ns or 1))}
            for op in ranked[:_KINDS]
        ],
        "others": len(ranked) > _KINDS,
        "named": named,
        "notes": profile.notes(result.median.value, result.providers, number_of),
        "rows": [
            {**asdict(one), "time": number_of(one.ns), "part": numbers.percent(one.share)}
            for one in profile.slowest[:_LISTED_OPERATORS]
        ],
        "left": max(len(profile.operators) - _LISTED_OPERATORS, 0),
    }
