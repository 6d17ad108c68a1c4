"""A model file executed on the samples and compared with the original's outputs, and its call timed."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from edgekit.errors import ExecutionError, UnsupportedError
from edgekit.metrics import measured, metric_named
from edgekit.runtime.loading import executable, open_engine
from edgekit.runtime.session import Session
from edgekit.signature import Array, Signature
from edgekit.verify.compare import compare
from edgekit.verify.speed import Rival, Speed, beside, glance, together
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
    at_a_glance: Speed | None = None,
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
        at_a_glance: what :func:`glanced` told of it.

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
    calls = _beside_float32(session, target, made, signature, given[0], threads)
    speed = _speed(*calls, rival, at_a_glance) if calls is not None else None
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


def glanced(
    target: str, made: Made, signature: Signature, samples: Samples, threads: int | None = None
) -> Speed | None:
    """What a second tells of a file's speed beside float32; ``None`` where nothing does.

    Args:
        target: the format.
        made: the file.
        signature: the bundle's.
        samples: the first of which it is timed on.
        threads: threads of the runtime.
    """
    if executable(target):
        return None
    try:
        session, inputs = _opened(target, made, signature, threads), next(iter(samples.runs()))
        calls = _beside_float32(session, target, made, signature, inputs, threads)
        return glance(*calls) if calls is not None else None
    except ExecutionError:  # running it on the samples says why
        return None


def timed_together(
    target: str, several: Mapping[str, Made], signature: Signature, samples: Samples, threads: int | None = None
) -> dict[str, Speed]:
    """The speeds of files of one target, all timed in one run: their ratios are what a busy machine leaves alone.

    Args:
        target: the format.
        several: the files, by any name, each made of the same float32 file and executed before.
        signature: the bundle's.
        samples: the first of which they are timed on.
        threads: threads of the runtime.
    """
    inputs = next(iter(samples.runs()))
    opened = {name: _opened(target, made, signature, threads) for name, made in several.items()}
    base = next(made.base for made in several.values() if made.base is not None)
    float32 = _opened(target, base, signature, threads)
    calls = {name: partial(session.run, inputs) for name, session in opened.items()}
    return together(partial(float32.run, inputs), calls)


_Calls = tuple[Callable[[], object], Callable[[], object]]


def _beside_float32(
    session: Session, target: str, made: Made, signature: Signature, inputs: Mapping[str, Array], threads: int | None
) -> _Calls | None:
    """A call of the float32 file and one of the file made of it, where a device's runtime executes both."""
    if made.base is None or session.emulated or session.incomparable:
        return None
    base = _opened(target, made.base, signature, threads)
    return (lambda: base.run(inputs), lambda: session.run(inputs))


def _speed(
    float32: Callable[[], object], quantized: Callable[[], object], rival: Rival | None, at_a_glance: Speed | None
) -> Speed | None:
    """The speed beside float32; slower only where two measurements say so, for a file is refused for being slower.

    Beside a rival that is faster than both, one measurement says enough.
    """
    enough = rival.speedup if rival is not None else 0.0
    try:
        speed = beside(float32, quantized, enough=enough, glance=at_a_glance)
        again = speed.word == "slower" and speed.high >= enough
        return beside(float32, quantized, seed=1) if again else speed
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
