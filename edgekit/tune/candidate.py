"""A way to quantize a target's file, and what came of trying it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.convert.make import Made, Variant
from edgekit.metrics.loss import MetricLoss
from edgekit.verify.verdict import Verdict


@dataclass(frozen=True)
class Candidate:
    """A way to quantize.

    Attributes:
        target: the format.
        scheme: the scheme.
        ranges: how ranges follow from the values seen, of calibrated schemes.
        skip: layers left in float32.
    """

    target: str
    scheme: str
    ranges: str = "minmax"
    skip: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in tables and as a file: ``int8``, ``int8-entropy``, ``int8-entropy-3-in-float``."""
        ranges = "" if self.ranges == "minmax" else f"-{self.ranges}"
        return f"{self.scheme}{ranges}{f'-{len(self.skip)}-in-float' if self.skip else ''}"

    def variant(self, seen: dict[str, Any]) -> Variant:
        """As a conversion is told; ``seen`` keeps values for other candidates of the same samples."""
        return Variant(self.name, self.ranges, frozenset(self.skip), None, seen)

    def to_json(self) -> dict[str, Any]:
        """The candidate as a JSON object."""
        return {"target": self.target, "scheme": self.scheme, "ranges": self.ranges, "skip": list(self.skip)}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Candidate:
        """The candidate that :meth:`to_json` wrote."""
        return Candidate(data["target"], data["scheme"], data["ranges"], tuple(data["skip"]))


@dataclass(frozen=True)
class Tried:
    """What came of a candidate.

    Attributes:
        candidate: the way.
        made: the file; ``None`` where none could be made.
        verdict: of its execution; ``None`` where it was not executed.
        bytes: its size.
        call_ms: one call, where a device's runtime executed it here.
        seconds: how long all of it took.
        error: why there is no file, or no verdict.
    """

    candidate: Candidate
    made: Made | None
    verdict: Verdict | None
    bytes: int
    call_ms: float | None
    seconds: float
    error: str = ""

    @property
    def speedup(self) -> float:
        """Times float32's speed; 1 where nothing was timed."""
        return self.verdict.speed.speedup if self.verdict is not None and self.verdict.speed else 1.0

    @property
    def metric(self) -> MetricLoss | None:
        """What it loses of the metric, where that was measured."""
        return self.verdict.metric if self.verdict is not None else None

    @property
    def loss(self) -> float:
        """The upper end of what it may lose; infinite where nothing tells."""
        return self.metric.high if self.metric else float("inf")
