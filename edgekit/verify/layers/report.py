"""What the comparison of layers found, as data and as the document of ``verify --layers --json``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.verify.layers.distance import Distance
from edgekit.verify.layers.layout import Axes
from edgekit.verify.layers.match import Pair, Probed, kind
from edgekit.verify.layers.tap import Tensor
from edgekit.verify.tolerance import Tolerance

# The JSON document of `verify --layers --json`. 1: first.
SCHEMA = 1
# A pair this far apart (in dB) whose results are right all the same, or this much better, was no pair: rounding is
# nowhere that large, and an error fades by less where it is averaged.
_HOPELESS_DB = 20.0
_FADED_DB = 40.0


@dataclass(frozen=True)
class Row:
    """A tensor of the model file beside its counterpart in the original.

    Attributes:
        original: what it is there.
        artifact: what it is in the file.
        matched_by: ``name``; ``order + shape``, or ``order + size`` where it was reshaped; ``values`` where
            the same values stand elsewhere in the order.
        layout: the order of the file's axes (those of size 1 left out) that gives the original's; ``None`` if alike.
        distance: how far they are apart over all samples.
        departs: whether that is beyond the tolerance.
        includes: the original's layers without a counterpart that lead to this one: fused into it, or left out.
    """

    original: Tensor
    artifact: Tensor
    matched_by: str
    layout: Axes | None
    distance: Distance
    departs: bool
    includes: tuple[Tensor, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The row's object."""
        sqnr = self.distance.sqnr_db
        return {
            "layer": self.original.layer,
            "op": self.original.op,
            "artifact_tensor": self.artifact.layer,
            "artifact_op": self.artifact.op,
            "output": self.artifact.output or None,
            "matched_by": self.matched_by,
            "layout": None if self.layout is None else list(self.layout),
            "identical": sqnr == math.inf and not self.distance.problem,
            "sqnr_db": sqnr if math.isfinite(sqnr) else None,
            "max_abs_error_relative": self.distance.relative,
            "problem": self.distance.problem or None,
            "departs": self.departs,
            "includes": [_described(tensor) for tensor in self.includes],
        }


@dataclass(frozen=True)
class LayerReport:
    """One artifact, layer by layer in its order of execution.

    Attributes:
        target: its format.
        scheme: its scheme; empty for a model file, which does not say.
        file: its name.
        tolerance: the bounds that a layer must keep.
        reason: why nothing was compared, where nothing was.
        executed_by: what ran the file.
        original_by: what ran the original.
        samples: how many samples were compared.
        synthetic_samples: whether they were random.
        rows: the layers that were matched.
        alone: the file's layers without a counterpart.
        missing: the original's layers without a counterpart, those that a row includes left out.
        troubles: what half precision broke, one line each.
    """

    target: str
    scheme: str
    file: str
    tolerance: Tolerance
    reason: str = ""
    executed_by: str = ""
    original_by: str = ""
    samples: int = 0
    synthetic_samples: bool = False
    rows: tuple[Row, ...] = ()
    alone: tuple[Tensor, ...] = ()
    missing: tuple[Tensor, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def passed(self) -> bool | None:
        """Whether every layer keeps the tolerance; ``None`` where none was compared."""
        return not any(row.departs for row in self.rows) if self.rows else None

    @property
    def first(self) -> int | None:
        """The first row that departs."""
        return next((index for index, row in enumerate(self.rows) if row.departs), None)

    def to_json(self) -> dict[str, Any]:
        """The report's object."""
        first = self.first
        return {
            "target": self.target,
            "scheme": self.scheme,
            "file": self.file,
            "passed": self.passed,
            "reason": self.reason,
            "executed_by": self.executed_by or None,
            "original_by": self.original_by or None,
            "samples": self.samples,
            "synthetic_samples": self.synthetic_samples,
            "tolerance": self.tolerance.to_json(),
            "first_departure": first,
            "last_good": first - 1 if first else None,
            "layers": [row.to_json() for row in self.rows],
            "unmatched": {
                "original": [_described(tensor) for tensor in self.missing],
                "artifact": [_described(tensor) for tensor in self.alone],
            },
            "troubles": list(self.troubles),
        }


def rows_of(
    originals: list[Probed], artifacts: list[Probed], pairs: list[tuple[Pair, Distance]], tolerance: Tolerance
) -> tuple[tuple[Row, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The rows in the artifact's order, its layers that are alone, and the original's that are missing."""
    kept = _believed(originals, artifacts, pairs, tolerance)
    matched = {pair.original for pair, _ in kept}
    behind = _behind(originals, matched)
    rows = tuple(
        Row(
            originals[pair.original].tensor,
            artifacts[pair.artifact].tensor,
            pair.by,
            None if pair.order == tuple(range(len(pair.order))) else pair.order,
            distance,
            distance.departs(tolerance),
            tuple(originals[index].tensor for index in behind.get(pair.original, ())),
        )
        for pair, distance in kept
    )
    known = {pair.artifact for pair, _ in kept}
    named = matched.union(*behind.values()) if behind else matched
    alone = tuple(one.tensor for index, one in enumerate(artifacts) if index not in known)
    missing = tuple(one.tensor for index, one in enumerate(originals) if index not in named)
    return rows, alone, missing


def _believed(
    originals: list[Probed], artifacts: list[Probed], pairs: list[tuple[Pair, Distance]], tolerance: Tolerance
) -> list[tuple[Pair, Distance]]:
    """The pairs without those that what comes after them refutes.

    Two tensors that are nothing like each other, while every result computed from them is right, are not the same one:
    a converter takes an operation apart in its own way. An error that any later layer shows is never dropped, nor are
    NaN and infinite values of an operation of the same kind.
    """
    readers: dict[str, list[int]] = {}
    for index, one in enumerate(artifacts):
        for key in one.tensor.reads:
            readers.setdefault(key, []).append(index)
    judged: dict[int, Distance] = {}
    kept = []
    for pair, distance in reversed(pairs):
        after = _next_matched(pair.artifact, artifacts, readers, judged)
        right = bool(after) and not any(one.departs(tolerance) for one in after)
        if right and not artifacts[pair.artifact].tensor.output and distance.departs(tolerance):
            faded = min(one.sqnr_db for one in after) - distance.sqnr_db
            alike = kind(originals[pair.original].tensor.op) == kind(artifacts[pair.artifact].tensor.op)
            broken = bool(distance.problem)
            if (broken and not alike) or (not broken and (distance.sqnr_db < _HOPELESS_DB or faded > _FADED_DB)):
                continue
        judged[pair.artifact] = distance
        kept.append((pair, distance))
    return kept[::-1]


def _next_matched(
    start: int, artifacts: list[Probed], readers: Mapping[str, list[int]], judged: Mapping[int, Distance]
) -> list[Distance]:
    """The distances of the nearest matched tensors that are computed from one."""
    found, seen, waiting = [], {start}, [start]
    while waiting:
        for index in readers.get(artifacts[waiting.pop()].tensor.key, ()):
            if index in seen:
                continue
            seen.add(index)
            if index in judged:
                found.append(judged[index])
            else:
                waiting.append(index)
    return found


def _behind(originals: list[Probed], matched: set[int]) -> dict[int, tuple[int, ...]]:
    """By matched tensor, the unmatched ones that lead to it, in order; each only once."""
    index_of = {one.tensor.key: index for index, one in enumerate(originals)}
    taken: set[int] = set()
    behind = {}
    for index in sorted(matched):
        found: set[int] = set()
        waiting = [index]
        while waiting:
            for key in originals[waiting.pop()].tensor.reads:
                other = index_of.get(key)
                if other is not None and other not in matched and other not in taken:
                    taken.add(other)
                    found.add(other)
                    waiting.append(other)
        if found:
            behind[index] = tuple(sorted(found))
    return behind


def _described(tensor: Tensor) -> dict[str, str]:
    return {"layer": tensor.layer, "op": tensor.op}
