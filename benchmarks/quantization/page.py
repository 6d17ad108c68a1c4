"""The page ``docs/quantization-speed.md``, from the results alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quantization.results import best_of_ours

_INTRODUCTION = """\
<!-- Written by `make bench-quantization`; do not edit. -->
# What half a point of accuracy buys

`edgekit tune --metric accuracy --max-drop 0.5%` beside plain float32 and the quantizers of others, on three networks:
MobileNetV2, ResNet18 and a transformer encoder of four layers. Each comes twice. A small one, trained on
[Fashion-MNIST](https://github.com/zalandoresearch/fashion-mnist) in minutes, tells what a scheme loses, on the first
4,000 pictures to test with: a file keeps the budget where the upper end of the paired 95 % interval of its loss is at
most half a point. One of full size (1.0 and 224 by 224, its weights drawn from a seed) tells how fast what keeps the
budget is.

*Plain float32* is PyTorch's own exporter and ONNX Runtime's default session, on one thread like every other side. All
sides take turns in one run; a speed-up is plain float32's median over the side's, with its 95 % interval. The
others have the same float32 network, the same 256 (small) or 32 (full size) samples for ranges, and their own defaults.
The SQNR is of the full-size outputs against PyTorch's.

The grid that the search is held against: every scheme; ONNX's int8 with ranges by minmax, entropy and percentile, with
signed and unsigned activations; and int8 and int16x8 with 0, 1, 2, 4, 8 and 16 layers in float32, those that cost most
alone first. Its cost is that of all its files.

OpenVINO executes edgekit's ONNX int8 file: an anchor for what this processor could do, no runtime of edgekit's.
"""

_PRETRAINED = """\
With weights of others and no labels: {images} pieces of photographs, other pieces for ranges. edgekit's are the
fastest files that keep 20 dB and the same answer for 98 % of those pieces of which the original is sure, and of several
as fast the smallest."""


def write_page(content: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        content: what benchmarks/results/quantization.json holds.
    """
    lines = [_INTRODUCTION, "## Goals", "", *_goals(content["goals"]), ""]
    for network in content["networks"]:
        name = network["network"]
        lines += [f"## {name}", "", *_sides([row for row in content["rows"] if row["network"] == name]), ""]
        lines += [f"There is no file of {peer}: {why}." for peer, why in network["full"]["failed"].items()]
        lines += ["", *_search(network), ""]
    for network in content["pretrained"]:
        name = network["network"]
        lines += [f"## {name}", "", _PRETRAINED.format(**network), ""]
        lines += [*_agreeing([row for row in content["rows"] if row["network"] == name]), ""]
        lines += [f"There is no file of {peer}: {why}." for peer, why in network["failed"].items()]
        lines += [f"Refused by edgekit: {line}." for line in network["refused"]] + [""]
    environment = dict(content["environment"])
    where = f"{environment.pop('processor')}, {environment.pop('threads')} thread a side"
    found = ", ".join(f"{name} {version}" for name, version in environment.items())
    lines += ["## Where", "", f"{where}. {found}.", ""]
    return "\n".join(lines)


def short(found: Mapping[str, Any]) -> str:
    """What was timed, in a few lines, for those who wait."""
    return "\n".join(f"   {name}: {side['scheme']} {side['speedup']:.2f} x" for name, side in found["sides"].items())


def _goals(goals: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| network | goal | measured | reached |"
    yield "|---|---|--:|---|"
    for goal in goals:
        value = goal["note"] if goal["value"] is None else f"{goal['value']:.2f}"
        reached = {True: "yes", False: "**no**", None: "not measured"}[goal["reached"]]
        yield f"| {goal['network']} | {goal['goal']} | {value} | {reached} |"


def _sides(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| tool | format | scheme | speed-up | accuracy of the small one | loses at most | kept | SQNR, dB | kB |"
    yield "|---|---|---|--:|--:|--:|---|--:|--:|"
    for row in rows:
        metric = "" if row["metric_quantized"] is None else f"{100 * row['metric_quantized']:.2f} %"
        high = "" if row["loss_high"] is None else f"{100 * row['loss_high']:.2f} points"
        cells = (
            *(*_what(row), metric, high),
            *("yes" if row["within"] else "no", *_how_near(row)),
        )
        yield f"| {' | '.join(cells)} |"


def _agreeing(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| tool | format | scheme | speed-up | same answer | SQNR, dB | kB |"
    yield "|---|---|---|--:|--:|--:|--:|"
    for row in rows:
        cells = (*_what(row), f"{100 * row['agreement']:.1f} %", *_how_near(row))
        yield f"| {' | '.join(cells)} |"


def _what(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    speed = f"{row['speedup']:.2f} ({row['speedup_low']:.2f} to {row['speedup_high']:.2f})"
    return row["tool"], row["target"], row["scheme"], speed


def _how_near(row: Mapping[str, Any]) -> tuple[str, str]:
    sqnr = "" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}"
    return sqnr, f"{row['bytes'] / 1000:,.0f}"


def _search(found: Mapping[str, Any]) -> Iterator[str]:
    grid = found["small"]["grid"]
    yield (
        f"The search tried {len(found['small']['candidates'])} files of the small network in "
        f"{grid['search_seconds']:.0f} s, the grid {len(grid['candidates'])} in {grid['seconds']:.0f} s. "
        + " ".join(
            f"{target}: the search took {one['search'] or 'none'}, the grid {one['grid'] or 'none'}."
            for target, one in grid["targets"].items()
        )
    )
    best = best_of_ours(found)
    if best is not None:
        yield ""
        yield f"The best of full size: {best.removeprefix('edgekit ')} {found['full']['sides'][best]['scheme']}."
