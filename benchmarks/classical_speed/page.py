"""The page ``docs/classical-speed.md``, from the results alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_INTRODUCTION = """\
<!-- Written by `make bench-classical`; do not edit. -->
# Speed and size of classical models

Models of four tables of the [UCI repository](https://archive.ics.uci.edu), each run in every way on rows that it was
not fitted on, one thread a side. All ways take turns in one run and are told as ratios: how long each takes in units
of *the peer*, ONNX Runtime's own `run` on the file that skl2onnx (for scikit-learn) or onnxmltools (for XGBoost and
LightGBM) makes, which holds its trees as ONNX's operator TreeEnsemble. Less is faster; 1.00 is as fast. A shared
machine's absolute times mean little; the peer's are given for orientation. *No difference* is the interval of the peer
timed against itself in the same run: what lies inside it says nothing.

onnxmltools' LightGBM files can answer otherwise where a value lies on a split: they are a baseline of speed alone.

The converted files run in bound sessions, their inputs filled beforehand. *As chosen* is the TFLite file of 1,000 rows
that `--input-shape X=1000,…` gives, in the [layout of trees](classical.md#trees) that the conversion chose; *look-ups
below 3* and so on are the layouts one by one. Of spam there are 921 such rows: some come twice.
"""
_ONE = {"ONNX": "ONNX", "TFLite": "TFLite", "the original": "the original"}
_MANY = {
    "ONNX": "ONNX",
    "ONNX, traversal": "ONNX, traversal",
    "TFLite of 1,000 rows, as chosen": "TFLite, as chosen",
    "TFLite of 1,000 rows, look-ups below 3 levels": "look-ups below 3",
    "TFLite of 1,000 rows, look-ups below 4 levels": "below 4",
    "TFLite of 1,000 rows, look-ups below 5 levels": "below 5 levels",
    "TFLite of 1,000 rows, matrix products": "matrix products",
    "TFLite of 1,000 rows, traversal": "traversal",
    "TFLite of 1 row, 1,000 calls": "TFLite, a call a row",
    "the original": "the original",
    "compiled C (tl2cgen)": "compiled C",
}
_FILES = {
    "onnx": "ONNX file",
    "tflite": "TFLite file of a row",
    "tflite_rows": "TFLite file of 1,000 rows",
}
_LIMITS = {
    "one_row": ("one row through a bound session over ONNX", "{value:.2f} × the peer's time"),
    "onnx_rows": ("1,000 rows through the ONNX file", "{value:.2f} × the peer's time"),
    "tflite_rows": ("1,000 rows through the best TFLite file", "{value:.2f} × the peer's time"),
    "original_over_bound": ("one row, the original's time", "{value:.0f} × a bound session's"),
    "tflite_size": ("the TFLite file of one row", "{value:.2f} × the ONNX file's size"),
}
_RULES = {
    "one_row": "One row through a bound session over the ONNX file takes at most {limit:.2f} × the peer's time.",
    "onnx_rows": "1,000 rows through the ONNX file take at most {limit:.2f} × the peer's.",
    "tflite_rows": "1,000 rows through the best TFLite file take at most {limit:.1f} × the peer's.",
    "original_over_bound": "A forest's `predict_proba` takes at least {limit:.0f} × a bound session's time for a row.",
    "tflite_size": "The TFLite file (of one row) of a forest of 100 trees stays below {limit:.1f} × its ONNX file.",
}


def write_page(content: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        content: what benchmarks/results/classical-speed.json holds.
    """
    rows = content["combinations"]
    environment = dict(content["environment"])
    where = f"{environment.pop('processor')}, {environment.pop('system')}, {environment.pop('threads')} thread a side"
    versions = ", ".join(f"{name} {version}" for name, version in environment.items())
    lines = [_INTRODUCTION, "## Limits", "", *_limits(content), "", "## One row", ""]
    lines += [*_times(rows, "one_row", _ONE), "", "## 1,000 rows", "", *_times(rows, "rows", _MANY), ""]
    lines += [*_absent(rows), "## 1,000 rows of the two ONNX files by themselves", ""]
    lines += [*_times(rows, "rows_onnx", {"ONNX": "ONNX"}), "", "## Size", "", "Kilobytes.", "", *_sizes(rows), ""]
    lines += [
        "## Labels",
        "",
        *_labels(rows, content["rows"]),
        "",
        "## Layouts that were chosen",
        "",
        *_notes(rows),
        "",
    ]
    lines += ["## Where", "", f"{where}. {versions}.", ""]
    return "\n".join(lines)


def short(row: Mapping[str, Any]) -> str:
    """A combination in a line, for those who wait."""
    sides = [f"{name} {ratio['value']:.2f}" for name, ratio in row["rows"]["ratios"].items()]
    missed = [name for name, limit in row["limits"].items() if not limit["kept"]]
    one = ", ".join(f"{name} {ratio['value']:.2f}" for name, ratio in row["one_row"]["ratios"].items())
    end = f"\n   NOT KEPT: {', '.join(missed)}" if missed else ""
    return f"{row['name']}\n   one row: {one}\n   rows: {', '.join(sides)}{end}"


def _limits(content: Mapping[str, Any]) -> Iterator[str]:
    rows, limits = content["combinations"], content["limits"]
    yield "| limit | kept | for sure |"
    yield "|---|--:|--:|"
    for name, rule in _RULES.items():
        having = [row["limits"][name] for row in rows if name in row["limits"]]
        kept = [one["sure"] for one in having if one["kept"]]
        yield f"| {rule.format(limit=limits[name])} | {len(kept)} of {len(having)} | {sum(kept)} |"
    yield ""
    yield "Of ratios to the peer the low end of the 95 % interval counts; for sure is what its high end keeps too."
    yield (
        f"The aim beyond the limits, {content['aim']:.0f} × faster than the peer, is reached for one row by "
        f"{_reached(rows, 'one_row')}, for 1,000 rows by {_reached(rows, 'rows')}."
    )
    missed = [line for row in rows for line in _missed(row)]
    yield ""
    yield "What falls short:" if missed else "Nothing falls short."
    if missed:
        yield ""
        yield from missed


def _reached(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    names = [row["name"] for row in rows if row["aim"][key]["reached"]]
    return f"{len(names)} of {len(rows)}" + (f" ({'; '.join(names)})" if names else "")


def _missed(row: Mapping[str, Any]) -> Iterator[str]:
    for name, limit in row["limits"].items():
        what, value = _LIMITS[name]
        if not limit["kept"]:
            yield f"- {row['name']}: {what}: {value.format(**limit)}."


def _times(rows: Sequence[Mapping[str, Any]], key: str, sides: Mapping[str, str]) -> Iterator[str]:
    shown = {side: title for side, title in sides.items() if any(side in row[key]["ratios"] for row in rows)}
    yield f"| model | {' | '.join(shown.values())} | the peer, µs | no difference |"
    yield f"|---|{'--:|' * (len(shown) + 2)}"
    for row in rows:
        ratios = row[key]["ratios"]
        cells = [_ratio(ratios[side]["value"]) if side in ratios else "" for side in shown]
        peer = next(iter(row[key]["microseconds"].values()))
        null = row[key]["null"]
        same = f"{null['low']:.2f} to {null['high']:.2f}"
        yield f"| {row['name']} | {' | '.join(cells)} | {_number(peer)} | {same} |"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _absent(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    reasons = [f"- {row['name']}, {side}: {why}." for row in rows for side, why in row["absent"].items()]
    yield "Empty cells: a layout that the model's trees do not have (matrix products: trees of at most 15 nodes),"
    yield "models without trees" + (", and:" if reasons else ".")
    yield ""
    if reasons:
        yield from reasons
        yield ""


def _sizes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield f"| model | {' | '.join(_FILES.values())} | the peer's file |"
    yield f"|---|{'--:|' * (len(_FILES) + 1)}"
    for row in rows:
        cells = [f"{row['bytes'][name] / 1000:,.0f}" for name in (*_FILES, "peer")]
        yield f"| {row['name']} | {' | '.join(cells)} |"


def _labels(rows: Sequence[Mapping[str, Any]], count: int) -> Iterator[str]:
    differing = [
        f"- {row['name']}: {side}, {number} of {count:,} rows."
        for row in rows
        for side, number in row["labels_differ"].items()
        if number
    ]
    if not differing:
        yield "Every way gives the original's label on every row."
        return
    yield "Every way gives the original's label on every row, except:"
    yield ""
    yield from differing


def _notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "As the verdicts of the TFLite files say."
    yield ""
    yield "| model | a row a call | 1,000 rows a call |"
    yield "|---|---|---|"
    for row in rows:
        notes = row["notes"]
        if notes["tflite"]:
            yield f"| {row['name']} | {notes['tflite']} | {notes['tflite_rows']} |"
