"""How ``edgekit verify --layers`` shows what it found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgekit.cli.console import output, plain, say, table

if TYPE_CHECKING:
    from rich.text import Text

    from edgekit.verify.layers import LayerReport, Row


def show(report: LayerReport) -> None:
    """The table on stdout, where it departs and what was not matched on stderr."""
    label = f"{report.target} {report.scheme}".strip() + ":"
    if not report.rows:
        say(f"layers not compared: {report.reason}", label)
        return
    cells = [_cells(row, first=index == report.first) for index, row in enumerate(report.rows)]
    columns = ("layer", "operation", "in the file", "matched by", "SQNR", "max error / range", "")
    title = f"{report.file} by {report.executed_by}, original by {report.original_by}"
    output().print(table(title, columns, cells, right=("SQNR", "max error / range")))
    say(verdict_line(report), label)
    say(matched_line(report), label)
    for trouble in report.troubles:
        say(trouble, label)


def verdict_line(report: LayerReport) -> str:
    """The first departure in a sentence, or that there is none."""
    random = " random" if report.synthetic_samples else ""
    bounds = ", ".join(
        f"{name}={value:g}" for name, value in report.tolerance.to_json().items() if name != "label_agreement"
    )
    samples = f"{report.samples}{random} sample{'' if report.samples == 1 else 's'}"
    if report.first is None:
        return f"no layer departs beyond {bounds or 'any bound'} on {samples}"
    row = report.rows[report.first]
    inside = ", ".join(f"{tensor.layer} ({tensor.op})" for tensor in row.includes[:4])
    more = f", which includes {inside}{' …' if row.includes[4:] else ''}" if inside else ""
    before = report.rows[report.first - 1] if report.first else None
    good = f"; the last good one before it: {before.original.layer} ({before.original.op})" if before else ""
    found = row.distance.problem or f"{_decibels(row)}, the tolerance is {bounds}"
    where = f"{row.original.layer} ({row.original.op}; in the file {row.artifact.op} {row.artifact.layer})"
    return f"the first layer that departs: {where}{more}: {found}, on {samples}{good}"


def matched_line(report: LayerReport) -> str:
    """How many layers were matched on either side, and what became of the others."""
    rows, alone, missing = len(report.rows), len(report.alone), len(report.missing)
    fused = sum(len(row.includes) for row in report.rows)
    parts = [f"{rows} of the original's {rows + fused + missing} layers matched"]
    if fused:
        parts.append(f"{fused} fused into them")
    if missing:
        listed = ", ".join(f"{tensor.layer} ({tensor.op})" for tensor in report.missing[:4])
        parts.append(f"{missing} not found in the file: {listed}{' …' if missing > 4 else ''}")
    line = f"{', '.join(parts)}; {rows} of the file's {rows + alone}"
    if alone:
        listed = ", ".join(f"{tensor.layer} ({tensor.op})" for tensor in report.alone[:4])
        line += f", without a counterpart: {listed}{' …' if alone > 4 else ''}"
    return line


def _cells(row: Row, *, first: bool) -> tuple[str | Text, ...]:
    relative = row.distance.relative
    turned = "" if row.layout is None else ", axes moved"
    fused = f" +{len(row.includes)}" if row.includes else ""
    mark = "◀ the first that departs" if first else "departs"
    return (
        f"{row.original.layer}{fused}",
        row.original.op,
        row.artifact.op,
        f"{row.matched_by}{turned}",
        row.distance.problem or _decibels(row),
        "" if relative is None else f"{relative:.2g}",
        plain(mark, "red") if row.departs else "",
    )


def _decibels(row: Row) -> str:
    value = row.distance.sqnr_db
    return "identical" if value == math.inf else f"{value:.1f} dB"
