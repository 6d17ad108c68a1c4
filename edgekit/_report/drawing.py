"""Where things lie in a drawing: axes, rows of boxes, lines and nested cells, all as shares of the drawing's width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgekit._report import numbers

# Where the largest is so many times the smallest, an axis is logarithmic.
_WIDE = 20.0
_ROOM = 0.06


@dataclass(frozen=True)
class Axis:
    """A scale from values to percent of a drawing's side.

    Attributes:
        low: the value at 0.
        high: the value at 100.
        logarithmic: equal factors lie at equal distances.
    """

    low: float
    high: float
    logarithmic: bool = False

    @staticmethod
    def of(values: Sequence[float], *, zero: bool = False, wide: bool = True) -> Axis:
        """An axis with room for the values; with ``zero`` a linear one begins there."""
        low, high = min(values), max(values)
        if wide and low > 0 and high / low > _WIDE:
            room = (high / low) ** _ROOM
            return Axis(low / room, high * room, logarithmic=True)
        room = (high - low or abs(high) or 1.0) * _ROOM
        return Axis(0.0 if zero else low - room, high + room)

    def at(self, value: float) -> float:
        """Where a value lies, in percent."""
        if self.logarithmic:
            found = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            found = (value - self.low) / (self.high - self.low)
        return 100 * min(max(found, 0.0), 1.0)

    def ticks(self, text: Callable[[float], str]) -> list[dict[str, object]]:
        """A few round values and where they lie."""
        return [
            {"at": self.at(value), "text": text(value)} for value in self._round() if self.low <= value <= self.high
        ]

    def _round(self) -> list[float]:
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if self.high / self.low < 100 else (1,)
            return [step * 10.0**power for power in powers for step in steps]
        raw = (self.high - self.low) / 4
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(one * power for one in (1, 2, 5, 10) if one * power >= raw)
        return [index * step for index in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


@dataclass(frozen=True)
class Point:
    """One mark of a scatter chart: a number that the table explains, and a shape and colour by kind."""

    number: int
    kind: str
    x: float
    y: float
    hollow: bool
    text: str


@dataclass(frozen=True)
class Scatter:
    """Marks on two axes, and the steps of what nothing else beats in both."""

    title: str
    note: str
    across: str
    up: str
    points: tuple[Point, ...]
    steps: tuple[tuple[float, float, float, float], ...]
    x_ticks: list[dict[str, object]]
    y_ticks: list[dict[str, object]]


@dataclass
class Cell:
    """A part of a whole, made of parts."""

    name: str
    value: float = 0.0
    kind: str = ""
    label: str = ""
    parts: dict[str, Cell] = field(default_factory=dict)

    def add(self, path: Sequence[str], value: float, kind: str, label: str) -> None:
        """Add a value at the end of a path, and to all above it; the end is drawn as its kind, with a label."""
        self.value += value
        if path:
            self.parts.setdefault(path[0], Cell(path[0])).add(path[1:], value, kind, label)
        else:
            self.kind, self.label = kind, label


def cells(root: Cell, total: str, text: Callable[[float], str]) -> list[dict[str, object]]:
    """The cells of an icicle chart: each below what it is part of, as wide as its share; slivers are left out."""
    found: list[dict[str, object]] = []

    def lay(cell: Cell, left: float, depth: int, path: str) -> None:
        width = 100 * cell.value / root.value
        if width < 0.15:
            return
        found.append(
            {
                "left": left,
                "width": width,
                "depth": depth,
                "name": cell.label or cell.name,
                "kind": cell.kind,
                "title": f"{path}: {text(cell.value)}, {width:.1f}{numbers.SPACE}%",
            }
        )
        for part in cell.parts.values():
            lay(part, left, depth + 1, f"{path}.{part.name}" if depth else part.name)
            left += 100 * part.value / root.value

    if root.value > 0:
        lay(root, 0.0, 0, total)
    return found


def line(values: Sequence[float], axis: Axis) -> str:
    """The corners of a line over a drawing of 100 by 100."""
    last = max(len(values) - 1, 1)
    return " ".join(f"{100 * index / last:.2f},{100 - axis.at(value):.2f}" for index, value in enumerate(values))


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of the front: the points that no other one is left of and below, from left to right."""
    front: list[tuple[float, float]] = []
    for x, y in sorted(points):
        if not front or y < front[-1][1]:
            front.append((x, y))
    return front
