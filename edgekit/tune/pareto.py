"""What was tried, as a table's rows and as a picture: metric by time of a call, the size as the area of a circle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from edgekit.tune.budget import Budget
from edgekit.tune.candidate import Tried

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 480, 80, 170, 40, 60
_COLOURS = {"onnx": "#2563eb", "tflite": "#ea580c", "coreml": "#16a34a"}
_OTHER = "#6b7280"
_LARGEST = 22.0
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'
_DASHED = 'stroke="#dc2626" stroke-dasharray="5 4"'


def row_of(tried: Tried, budget: Budget, *, pareto: bool, best: bool) -> dict[str, Any]:
    """A candidate's row.

    Args:
        tried: the candidate.
        budget: what may be lost.
        pareto: whether nothing beats it.
        best: whether it is its target's choice.
    """
    verdict, metric = tried.verdict, tried.metric
    return {
        **tried.candidate.to_json(),
        "name": tried.candidate.name,
        "bytes": tried.bytes or None,
        "call_ms": tried.call_ms,
        "metric": metric.to_json() if metric else None,
        "speed": verdict.speed.to_json() if verdict is not None and verdict.speed else None,
        "sqnr_db": verdict.to_json()["sqnr_db"] if verdict is not None else None,
        "within": budget.keeps(metric),
        "pareto": pareto,
        "best": best,
        "seconds": tried.seconds,
        "error": tried.error,
    }


def as_svg(tried: Sequence[Tried], budget: Budget) -> str:
    """The picture, one SVG document; candidates that nothing timed stand to the right of the plot."""
    shown = [one for one in tried if one.metric]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(budget.metric)} by time of a call</text>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}" fill="{_OTHER}">area: size; black edge: nothing beats it</text>',
    ]
    if shown:
        lines += _plot(shown, budget)
    else:
        lines.append(f'<text x="{_LEFT}" y="{_HEIGHT / 2}">nothing was measured</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _plot(shown: Sequence[Tried], budget: Budget) -> Iterator[str]:
    from edgekit.tune.search import frontier

    front = frontier(shown)
    losses = {id(one): _converted(one) for one in shown}
    original = next(one.metric.original for one in shown if one.metric)
    bound = _bound(shown, original, budget)
    low, high = min(*losses.values(), bound), max(*losses.values(), original)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - 0.08 * spread, high + 0.08 * spread
    times = [one.call_ms for one in shown if one.call_ms is not None] or [1.0]
    fast, slow = math.log10(min(times)) - 0.05, math.log10(max(times)) + 0.05
    biggest = max(one.bytes for one in shown) or 1

    def x_of(ms: float | None) -> float:
        if ms is None:
            return _WIDTH - _RIGHT + 60
        return _LEFT + (math.log10(ms) - fast) / ((slow - fast) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    yield from _axes(shown, x_of, y_of, (fast, slow), (low, high))
    y = y_of(bound)
    yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}" {_DASHED}/>'
    yield f'<text x="{_LEFT + 6}" y="{y - 5:.1f}" fill="#dc2626">{escape(str(budget))}</text>'
    for one in sorted(shown, key=lambda tried: -tried.bytes):
        x, y, radius = x_of(one.call_ms), y_of(losses[id(one)]), _LARGEST * math.sqrt(one.bytes / biggest)
        colour = _COLOURS.get(one.candidate.target, _OTHER)
        edge = 'stroke="black" stroke-width="1.5"' if one in front else f'stroke="{colour}"'
        name = f"{one.candidate.target} {one.candidate.name}"
        told = f"{name}: {one.metric}; {one.bytes:,} bytes"
        yield (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{max(radius, 3):.1f}" fill="{colour}" fill-opacity="0.35" {edge}>'
            f"<title>{escape(told)}</title></circle>"
        )
    yield from _names(shown, front, x_of, lambda one: y_of(losses[id(one)]))


def _axes(
    shown: Sequence[Tried], x_of: Any, y_of: Any, times: tuple[float, float], values: tuple[float, float]
) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#374151"/>'
    for step in range(5):
        value = values[0] + (values[1] - values[0]) * step / 4
        y = y_of(value)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e5e7eb"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        ms = 10 ** (times[0] + (times[1] - times[0]) * step / 4)
        yield f'<text x="{x_of(ms):.1f}" y="{bottom + 18}" text-anchor="middle">{ms:.3g}</text>'
    yield f'<text x="{(_LEFT + right) / 2}" y="{bottom + 40}" text-anchor="middle">ms a call here (logarithmic)</text>'
    if any(one.call_ms is None for one in shown):
        yield f'<text x="{right + 60}" y="{bottom + 18}" text-anchor="middle" fill="#6b7280">not timed</text>'
    for place, target in enumerate(sorted({one.candidate.target for one in shown})):
        y, colour = _TOP + 4 + 18 * place, _COLOURS.get(target, _OTHER)
        yield f'<circle cx="{_WIDTH - 62}" cy="{y}" r="5" fill="{colour}" fill-opacity="0.5"/>'
        yield f'<text x="{_WIDTH - 50}" y="{y + 4}">{target}</text>'


def _names(shown: Sequence[Tried], front: Sequence[Tried], x_of: Any, y_of: Any) -> Iterator[str]:
    """Names of what nothing beats and of float32, each where none is yet."""
    taken: list[tuple[float, float]] = []
    for one in shown:
        if one not in front and one.candidate.scheme != "float32":
            continue
        x, y = x_of(one.call_ms) + 8, y_of(one) - 8
        while any(abs(x - other) < 110 and abs(y - height) < 13 for other, height in taken):
            y += 13
        taken.append((x, y))
        yield f'<text x="{x:.1f}" y="{y:.1f}">{escape(one.candidate.name)}</text>'


def _converted(one: Tried) -> float:
    return one.metric.converted if one.metric else math.nan


def _bound(shown: Sequence[Tried], original: float, budget: Budget) -> float:
    """The value of the metric at the edge of the budget."""
    loss = next(one.metric for one in shown if one.metric)
    if loss.relative:
        # An error may grow, a score may shrink.
        from edgekit.metrics.metric import metric_named

        return original * (1 - budget.drop if metric_named(budget.metric).higher else 1 + budget.drop)
    return original - budget.drop
