"""A model of trees asked at its splits, where rounding would turn a row: a file beside the original."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import ExecutionError
from edgekit.runtime.session import Session
from edgekit.samples import Samples
from edgekit.signature import Array
from edgekit.sources.boosters import BoostedSource
from edgekit.sources.classical import ClassicalSource
from edgekit.sources.layout import MATRIX
from edgekit.sources.sklearn_columns import parts
from edgekit.verify.compare import compare
from edgekit.verify.verdict import OutputVerdict, Verdict

if TYPE_CHECKING:
    from edgekit.sources import Source
    from edgekit.verify.tolerance import Tolerance

_FILES = ("probes.npz", "probes_reference.npz")
# Rows a run, and the most that an evaluator in Python is asked.
_RUN, _EMULATED = 256, 512


@dataclass(frozen=True)
class Probes:
    """Rows at a model's splits.

    Attributes:
        given: by input name.
        reference: the original's answers, by output name; its one note says of how many splits.
    """

    given: Samples
    reference: Samples

    def save(self, work: Path) -> None:
        """Leave them in a conversion's work folder."""
        for name, samples in zip(_FILES, (self.given, self.reference), strict=True):
            samples.save(work / name)

    @staticmethod
    def load(work: Path) -> Probes | None:
        """Those that :meth:`save` left; ``None`` where there are none."""
        if not (work / _FILES[1]).exists():
            return None
        given, reference = (Samples.load(work / name) for name in _FILES)
        return Probes(given, reference)

    def judge(self, verdict: Verdict, session: Session, tolerance: Tolerance) -> Verdict:
        """A file's verdict with what the probes add to it: a note where they agree, else a problem of the outputs."""
        most = _EMULATED if session.emulated else len(self.given)
        given, reference = (list(one.head(most).runs(_RUN)) for one in (self.given, self.reference))
        found = compare(
            reference,
            [session.run(run) for run in given],
            tolerance,
            executed_by=session.runtime,
            decided_by=session.signature.decided_by,
        )
        count = len(self.given)
        asked = f"{f'{most} of ' if most < count else ''}{count} rows {self.reference.notes[0]}"
        if found:
            return dataclasses.replace(verdict, notes=(*verdict.notes, f"{asked}: as the original"))
        outputs = dict(verdict.outputs)
        for name, one in found.outputs.items():
            problems = tuple(f"of {asked}: {problem}" for problem in one.problems)
            outputs[name] = _worse(outputs[name], one, (*outputs[name].problems, *problems))
        return dataclasses.replace(verdict, passed=False, outputs=outputs)


def _worse(one: OutputVerdict, other: OutputVerdict, problems: tuple[str, ...]) -> OutputVerdict:
    """The worse of each bound's metrics, so that the tolerance that would pass holds for both."""

    def worst(choose: Any, name: str) -> Any:
        known = [value for value in (getattr(one, name), getattr(other, name)) if value is not None]
        return choose(known) if known else None

    return dataclasses.replace(
        one,
        passed=one.passed and other.passed,
        sqnr_db=worst(min, "sqnr_db"),
        label_agreement=worst(min, "label_agreement"),
        max_abs_error=worst(max, "max_abs_error"),
        max_abs_error_relative=worst(max, "max_abs_error_relative"),
        problems=problems,
    )


def behind_others(source: Source) -> bool:
    """Whether there are trees in the source: where nothing probes them, they are given what other steps compute."""
    if not isinstance(source, ClassicalSource) or isinstance(source, BoostedSource):
        return False
    every = [one for _, one in parts(source.estimator)]
    libraries = {type(one).__module__.partition(".")[0] for one in every}
    return bool(libraries & {"xgboost", "lightgbm"}) or any(
        hasattr(one, name) for one in every for name in ("tree_", "_predictors")
    )


def probes_of(source: Source, samples: Samples, seed: int) -> Probes | None:
    """A source asked at its splits, with rows made of its samples; ``None`` where it has none, or refuses such rows."""
    if not isinstance(source, ClassicalSource) or source.layout.own != "matrix":
        return None
    own = source.layout.to_own({own: samples.arrays[name] for own, name in source.input_of.items()})
    rows = own[MATRIX]
    if rows.dtype != np.float32:
        return None
    # A step that takes missing values may hand them to one that does not.
    for missing in (True, False) if source.accepts_nan else (False,):
        found = _asked(source, rows, missing=missing, seed=seed)
        if found is not None:
            return found
    return None


def _asked(source: ClassicalSource, rows: Array, *, missing: bool, seed: int) -> Probes | None:
    from edgekit.classical.probing import probed

    found = probed(source.estimator, rows, missing=missing, seed=seed)
    if found is None:
        return None
    given = Samples(_named(source, found.rows), batched=True)
    try:
        answers = [source.predict(run) for run in given.runs(_RUN)]
    except ExecutionError:
        return None
    reference = {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}
    splits = f"all {found.of}" if found.splits == found.of else f"{found.splits} of {found.of}"
    note = f"at {splits} splits (at the threshold, one float32 below and above{', and missing' if missing else ''})"
    return Probes(given, Samples(reference, batched=True, notes=(note,)))


def _named(source: ClassicalSource, rows: Array) -> Mapping[str, Array]:
    return {source.input_of[own]: array for own, array in source.layout.from_own({MATRIX: rows}).items()}
