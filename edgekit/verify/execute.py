"""A model file executed on the samples and compared with the original's outputs, and its call timed."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgekit.errors import UnsupportedError
from edgekit.metrics import measured, metric_named
from edgekit.runtime.loading import executable, open_engine
from edgekit.runtime.session import Session
from edgekit.signature import Array, Signature
from edgekit.verify.compare import compare
from edgekit.verify.speed import Rival, Speed, beside
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

if TYPE_CHECKING:
    from edgekit.convert.make import Made
    from edgekit.convert.probes import Probes
    from edgekit.samples import Samples

# At least 11 calls: the fewest from which a median may be reported (MLPerf's early stopping, p50); at most a second.
_CALLS = (11, 101)
_SECONDS = 1.0
_WARM_UP = 3


def execute(
    target: str,
    made: Made,
    signature: Signature,
    samples: Samples,
    reference: Sequence[Mapping[str, Array]] | None,
    *,
    probes: Probes | None = None,
    metric: str | None = None,
    threads: int | None = None,
    rival: Rival | None = None,
) -> tuple[Verdict, float | None]:
    """Run a made file on every sample.

    Args:
        target: the format.
        made: the file.
        signature: the bundle's.
        samples: what it is run on.
        reference: the original's outputs; ``None`` where nothing ran it.
        probes: rows at the splits of trees, which files of the original's own precision are asked too.
        metric: what to measure by the samples' labels, by name.
        threads: threads of the runtime.
        rival: what it would have to beat, where nothing else is of interest.

    Returns:
        The verdict and the median time of one call in milliseconds on the first run's inputs, ``None`` where nothing
        here executes the target as a device would, or nothing ran the original.
    """
    synthetic = samples.synthetic
    reason = executable(target) if reference is not None else "nothing here can run the original"
    if reason or reference is None:
        return Verdict.not_executed(reason, made.tolerance, synthetic_samples=synthetic), None
    try:
        session = _opened(target, made, signature, threads)
    except UnsupportedError as error:
        return Verdict.not_executed(str(error), made.tolerance, synthetic_samples=synthetic), None
    given = list(samples.runs())
    speed = _speed(session, target, made, signature, given[0], threads, rival)
    if rival is not None and speed is not None and rival.outruns(speed) and len(given) == len(samples):
        most = rival.samples
        samples, given, reference = samples.head(most), given[:most], reference[:most]
    verdict, outputs = _judged(
        session, reference, given, made.tolerance, synthetic=synthetic, samples=_rows(given, signature)
    )
    if probes is not None and verdict.passed is not None and made.scheme == "float32":
        verdict = probes.judge(verdict, session, made.tolerance)
    if metric is not None and samples.labels is not None and outputs:
        found = measured(metric_named(metric), reference, outputs, samples.labels, batched=samples.batched)
        verdict = dataclasses.replace(verdict, metric=found)
    verdict = dataclasses.replace(verdict, notes=(*made.notes, *(samples.notes if synthetic else ()), *verdict.notes))
    # An evaluator's time says nothing of a device.
    if verdict.passed is None or session.emulated:
        return verdict, None
    call_ms = speed.ms if speed is not None else _call_ms(session, given[0])
    return dataclasses.replace(verdict, speed=speed), call_ms


def _speed(
    session: Session,
    target: str,
    made: Made,
    signature: Signature,
    inputs: Mapping[str, Array],
    threads: int | None,
    rival: Rival | None,
) -> Speed | None:
    """The speed beside float32, where a device's runtime executes both; slower only where two measurements say so.

    A file is refused for being slower. Beside a rival that is faster than both, one measurement says enough.
    """
    if made.base is None or session.emulated or session.incomparable:
        return None
    base = _opened(target, made.base, signature, threads)
    calls = (lambda: base.run(inputs), lambda: session.run(inputs))
    try:
        enough = rival.speedup if rival is not None else 0.0
        speed = beside(*calls, enough=enough)
        return beside(*calls, seed=1) if speed.word == "slower" and speed.high >= enough else speed
    except UnsupportedError:  # running it on the samples says why
        return None


def _opened(target: str, made: Made, signature: Signature, threads: int | None) -> Session:
    return Session(open_engine(target, made.path, threads=threads), signature, made.inputs, made.outputs)


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
    return _judged(session, reference, runs, tolerance, synthetic=synthetic, samples=samples)[0]


def _judged(
    session: Session,
    reference: Sequence[Mapping[str, Array]],
    runs: Iterable[Mapping[str, Array]],
    tolerance: Tolerance,
    *,
    synthetic: bool,
    samples: int | None,
) -> tuple[Verdict, list[dict[str, Array]]]:
    if session.incomparable:
        why = f"not comparable: {session.incomparable}"
        return Verdict.not_executed(why, tolerance, synthetic_samples=synthetic), []
    try:
        outputs = [session.run(run) for run in runs]
    except UnsupportedError as error:
        return Verdict.not_executed(str(error), tolerance, synthetic_samples=synthetic), []
    verdict = compare(
        reference,
        outputs,
        tolerance,
        executed_by=session.runtime,
        synthetic_samples=synthetic,
        samples=samples,
        notes=session.notes(),
        decided_by=session.signature.decided_by,
    )
    return verdict, outputs


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
