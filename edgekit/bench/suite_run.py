"""A suite on its way: what has been measured stays, what fails is written down, and the rest goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import edgekit
from edgekit import devices
from edgekit.bench.identify import suitable
from edgekit.bench.make import made
from edgekit.bench.measure import Settings, measure
from edgekit.bench.protocol import FULL, QUICK
from edgekit.bench.result import Result, read_result, write_result
from edgekit.bench.selection import FAILURE_SUFFIX
from edgekit.bench.suites import Job, Model, Place, Suite
from edgekit.bench.transports import Event, LocalTransport, Transport
from edgekit.bundle import Bundle
from edgekit.errors import EdgekitError, StorageError
from edgekit.outputs import written_whole
from edgekit.runtime.loading import choose

# A way to a place, as a context; `None` for this machine.
Way = Callable[[Place], AbstractContextManager["Transport | None"]]


@dataclass(frozen=True)
class Measurement:
    """A job that was done: its result and file, and whether an earlier run had done it."""

    job: Job
    result: Result
    file: Path
    earlier: bool


@dataclass(frozen=True)
class Failure:
    """A job that could not be done, and why."""

    job: Job
    error: EdgekitError


@dataclass
class Outcome:
    """What a suite's run found, in the suite's order."""

    measured: list[Measurement] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    bundles: list[Path] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or the highest of the failures'."""
        return max((one.error.exit_code for one in self.failed), default=0)


def run(
    suite: Suite,
    folder: Path,
    way: Way,
    *,
    settings: Settings | None = None,
    event: Event = lambda *_: None,
    best_yardstick: Callable[[Mapping[str, Any]], float | None] = lambda _: None,
    kept: Callable[[Result], None] = lambda _: None,
) -> Outcome:
    """Measure what the folder does not hold yet.

    Args:
        suite: what to measure.
        folder: where results go, and models that are made; of an interrupted run, where it stopped.
        way: opens the way to a place.
        settings: protocol, seed and the like, in place of the suite's.
        event: told what is being done.
        best_yardstick: see :func:`edgekit.bench.measure.measure`.
        kept: told each new result.

    Raises:
        StorageError: the folder cannot be written.
    """
    how = settings or Settings(protocol=FULL if suite.full else QUICK, seed=suite.seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"write to {folder}", error.strerror or str(error), "give another folder") from error
    on_the_way = _Run(suite, folder, how, event, best_yardstick, kept)
    for place in suite.places:
        on_the_way.at(place, way)
    return on_the_way.outcome


@dataclass
class _Run:
    suite: Suite
    folder: Path
    settings: Settings
    event: Event
    best_yardstick: Callable[[Mapping[str, Any]], float | None]
    kept: Callable[[Result], None]
    outcome: Outcome = field(default_factory=Outcome)
    bundles: dict[str, Path | EdgekitError] = field(default_factory=dict)
    number: int = 0
    seconds: list[float] = field(default_factory=list)

    def at(self, place: Place, way: Way) -> None:
        """All jobs of one place, over one connection."""
        jobs = list(self.suite.jobs(place))
        with ExitStack() as stack:
            try:
                transport = stack.enter_context(way(place)) or LocalTransport()
                identity = transport.environment().identity
                profile = devices.get(place.device) if place.device else None
            except EdgekitError as error:
                for job in jobs:
                    self._fail(job, error)
                return
            for job in jobs:
                try:
                    self._do(job, transport, identity, profile)
                except EdgekitError as error:
                    self._fail(job, error)

    def _do(self, job: Job, transport: Transport, identity: Mapping[str, Any], profile: Any) -> None:
        bundle = self._bundle(job.model)
        opened = Bundle.open(bundle)
        if bundle not in self.outcome.bundles:
            self.outcome.bundles.append(bundle)
        artifact = choose(opened, job.target, job.scheme, suitable(profile, transport))
        key = self._key(job, artifact.sha256, identity)
        file = self.folder / f"{self._stem(job)}-{key[:12]}.json"
        if file.exists():
            self._done(Measurement(job, read_result(file), file, earlier=True))
            return
        started = time.monotonic()
        settings = replace(self.settings, target=job.target, scheme=job.scheme, threads=job.threads, profile=profile)
        total = self._total
        step = f"{self.number + 1} of {total}: {job.name}{self._left()}"
        result = measure(
            bundle,
            settings,
            transport=transport,
            event=lambda _, done: self.event(step, (self.number + done) / total),
            best_yardstick=self.best_yardstick,
        )
        write_result(result, file)
        self.seconds.append(time.monotonic() - started)
        self.kept(result)
        self._done(Measurement(job, result, file, earlier=False))

    def _bundle(self, model: Model) -> Path:
        """The model's bundle; one that is made is made once, and anew where what makes it has changed."""
        known = self.bundles.get(model.id)
        if known is None:
            try:
                known = self._made(model) if model.make else self.suite.path.parent / model.bundle
            except EdgekitError as error:
                known = error
            self.bundles[model.id] = known
        if isinstance(known, EdgekitError):
            raise known
        return known

    def _made(self, model: Model) -> Path:
        name, _, function = model.make.rpartition(":")
        file = self.suite.path.parent / name
        targets, schemes = model.targets or self.suite.targets, model.schemes or self.suite.schemes
        text = file.read_bytes() if file.is_file() else b""
        key = _digest([text.decode("utf-8", "replace"), function, targets, schemes, edgekit.__version__])
        bundle = self.folder / "models" / key[:8] / f"{model.id}.edge"
        if not bundle.exists():
            bundle.parent.mkdir(parents=True, exist_ok=True)
            self.event(f"{self.number + 1} of {self._total}: making {model.id}", self.number / self._total)
            made(file, function, bundle.resolve(), targets, schemes)
        return bundle

    def _key(self, job: Job, sha256: str, identity: Mapping[str, Any]) -> str:
        """What a measurement is the same by: model, how it is measured, and where."""
        how = [self.settings.protocol.to_json(), self.settings.seed, job.threads, job.place.device, job.place.host]
        return _digest([sha256, job.target, job.scheme, how, dict(identity)])

    def _stem(self, job: Job) -> str:
        place = "" if job.place == Place() else "-" + "".join(c if c.isalnum() else "-" for c in str(job.place))
        return f"{job.model.id}-{job.target}-{job.scheme}-{job.threads}{place}"

    def _done(self, measurement: Measurement) -> None:
        self.number += 1
        self.outcome.measured.append(measurement)
        (self.folder / f"{self._stem(measurement.job)}{FAILURE_SUFFIX}").unlink(missing_ok=True)

    def _fail(self, job: Job, error: EdgekitError) -> None:
        """A later run tries it again."""
        self.number += 1
        self.outcome.failed.append(Failure(job, error))
        document = {"schema": 1, "what": job.name, "error": str(error), "exit_code": error.exit_code}
        with written_whole(self.folder / f"{self._stem(job)}{FAILURE_SUFFIX}") as written:
            written.write(json.dumps(document, ensure_ascii=False).encode())

    @property
    def _total(self) -> int:
        return sum(len(list(self.suite.jobs(place))) for place in self.suite.places)

    def _left(self) -> str:
        """How long the rest will take, as far as can be told from what has been measured."""
        if not self.seconds:
            return ""
        left = sum(self.seconds) / len(self.seconds) * (self._total - self.number)
        return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
