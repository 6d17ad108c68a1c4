"""A model file executed on the samples and compared with the original's outputs, and its call timed."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.errors import UnsupportedError
from edgekit.runtime.loading import executable, open_engine
from edgekit.runtime.session import Session
from edgekit.signature import Array, Signature
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

if TYPE_CHECKING:
    from edgekit.convert.make import Made
    from edgekit.convert.probes import Probes

# At least 11 calls: the fewest from which a median may be reported (MLPerf's early stopping, p50); at most a second.
_CALLS = (11, 101)
_SECONDS = 1.0
_WARM_UP = 3


def execute(
    target: str,
    made: Made,
    signature: Signature,
    runs: Iterable[Mapping[str, Array]],
    reference: Sequence[Mapping[str, Array]] | None,
    *,
    synthetic: bool,
    probes: Probes | None = None,
    notes: Sequence[str] = (),
    threads: int | None = None,
) -> tuple[Verdict, float | None]:
    """Run a made file on every sample.

    Args:
        target: the format.
        made: the file.
        signature: the bundle's.
        runs: the samples, run by run.
        reference: the original's outputs; ``None`` where nothing ran it.
        synthetic: whether the samples are nobody's data.
        probes: rows at the splits of trees, which files of the original's own precision are asked too.
        notes: what the verdict should say of the samples.
        threads: threads of the runtime.

    Returns:
        The verdict and the median time of one call in milliseconds on the first run's inputs, ``None`` where nothing
        here executes the target as a device would, or nothing ran the original.
    """
    reason = executable(target) if reference is not None else "nothing here can run the original"
    if reason or reference is None:
        return Verdict.not_executed(reason, made.tolerance, synthetic_samples=synthetic), None
    try:
        engine = open_engine(target, made.path, threads=threads)
    except UnsupportedError as error:
        return Verdict.not_executed(str(error), made.tolerance, synthetic_samples=synthetic), None
    session = Session(engine, signature, made.inputs, made.outputs)
    given = list(runs)
    verdict = judge(session, reference, given, made.tolerance, synthetic=synthetic, samples=_rows(given, signature))
    if probes is not None and verdict.passed is not None and made.scheme == "float32":
        verdict = probes.judge(verdict, session, made.tolerance)
    verdict = dataclasses.replace(verdict, notes=(*made.notes, *notes, *verdict.notes))
    # An evaluator's time says nothing of a device.
    timed = verdict.passed is not None and not session.emulated
    return verdict, _call_ms(session, given[0]) if timed else None


def judge(
    session: Session,
    reference: Sequence[Mapping[str, Array]],
    runs: Iterable[Mapping[str, Array]],
    tolerance: Tolerance,
    *,
    synthetic: bool = False,
    samples: int | None = None,
) -> Verdict:
    """Run a session on the reference's inputs and compare; unknown where the runtime does not cover the model."""
    if session.incomparable:
        return Verdict.not_executed(f"not comparable: {session.incomparable}", tolerance, synthetic_samples=synthetic)
    try:
        outputs = [session.run(run) for run in runs]
    except UnsupportedError as error:
        return Verdict.not_executed(str(error), tolerance, synthetic_samples=synthetic)
    return compare(
        reference,
        outputs,
        tolerance,
        executed_by=session.runtime,
        synthetic_samples=synthetic,
        samples=samples,
        notes=session.notes(),
        decided_by=session.signature.decided_by,
    )


def _rows(runs: Sequence[Mapping[str, Array]], signature: Signature) -> int:
    """How many samples the runs hold: rows where the batch is dynamic, runs where it is fixed."""
    first = signature.inputs[0]
    return sum(len(run[first.name]) if first.shape[:1] == (None,) else 1 for run in runs)


def _call_ms(session: Session, inputs: Mapping[str, Array]) -> float:
    for _ in range(_WARM_UP):
        session.run(inputs)
    durations: list[float] = []
    started = time.perf_counter()
    while len(durations) < _CALLS[0] or (len(durations) < _CALLS[1] and time.perf_counter() - started < _SECONDS):
        before = time.perf_counter()
        session.run(inputs)
        durations.append(time.perf_counter() - before)
    return statistics.median(durations) * 1e3
