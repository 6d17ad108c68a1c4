"""One measurement from its start to its result: what ``edgekit bench`` does, whatever the transport."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.environment import Environment
from edgekit.bench.identify import identify, suitable
from edgekit.bench.measured import Measured, filled, peaceful, shortest
from edgekit.bench.profile import Profile, profile_of
from edgekit.bench.protocol import QUICK, Protocol
from edgekit.bench.readings import ANDROID, GENERIC, Reading, Sample, sample, watts_between
from edgekit.bench.result import Result, identity_of, likeness_of
from edgekit.bench.stability import Stability, disturbance, judge, of_emulator
from edgekit.bench.statistics import estimate, null
from edgekit.bench.subject import Subject, resolve
from edgekit.bench.transports import Event, LocalTransport, Transport
from edgekit.devices import DeviceProfile


@dataclass(frozen=True)
class Settings:
    """How a model is measured.

    Attributes:
        protocol: how long and how often.
        target: of a bundle's artifact; ``None`` for the one that suits this machine.
        scheme: likewise.
        samples: a file of samples, the first of which is the input; ``None`` for the bundle's recorded one.
        threads: of the runtime; ``None`` for the profile's cores, or the runtime's own choice.
        providers: execution providers or delegates, in order; none for the profile's, or the runtime's own.
        profile: the device's class, where one is named.
        as_told: take the class as named, where the device says that it is of another.
        sustained: seconds of an uninterrupted run at the end; ``None`` for no such run.
        profile_operators: whether to ask the runtime's profiler what each operator takes.
        seed: of everything random.
        timeout: seconds that one process may take.
    """

    protocol: Protocol = QUICK
    target: str | None = None
    scheme: str | None = None
    samples: Path | None = None
    threads: int | None = None
    providers: tuple[str, ...] = ()
    profile: DeviceProfile | None = None
    as_told: bool = False
    sustained: float | None = None
    profile_operators: bool = False
    seed: int = 0
    timeout: float = 600.0

    @property
    def readings(self) -> Sequence[Reading]:
        """How to read the device's sensors."""
        if self.profile is None:
            return GENERIC
        return self.profile.readings or (ANDROID if self.profile.kind in {"phone", "tablet"} else GENERIC)

    def request(self, kind: str, subjects: Sequence[Subject], **more: Any) -> dict[str, Any]:
        """A worker's request."""
        cores = self.profile.processor.cores if self.profile else None
        return {
            "pass": kind,
            "models": [one.to_request() for one in subjects],
            "threads": self.threads or cores,
            "providers": list(self.providers) or None,
            "preferred": _preferred(self.profile, subjects[0].target),
            "protocol": self.protocol.to_json(),
            "seed": self.seed,
        } | more


def measure(
    model: Path,
    settings: Settings,
    *,
    transport: Transport | None = None,
    event: Event = lambda *_: None,
    best_yardstick: Callable[[Mapping[str, Any]], float | None] = lambda _: None,
) -> Result:
    """Measure one model.

    Args:
        model: a bundle or model file.
        settings: how.
        transport: the way to the device; this machine if not said.
        event: told what is being done.
        best_yardstick: the shortest time that fixed work has taken beside what is alike, if known.

    Raises:
        InputError: no such model or artifact, or settings that do not fit.
        ExecutionError: the model cannot be run.
    """
    way = transport or LocalTransport()
    found = identify(settings.profile, way, as_told=settings.as_told)
    settings = replace(settings, profile=found.profile)
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        wanted = {"target": settings.target, "scheme": settings.scheme, "samples": settings.samples}
        subject = resolve(model, Path(folder), **wanted, formats=suitable(found.profile, way))  # type: ignore[arg-type]
        run = _Run(settings, subject, way, event)
        return replace(run.result(best_yardstick), identified=found.said)


def _preferred(profile: DeviceProfile | None, target: str) -> list[str]:
    """The execution providers or delegates that a device's profile prefers for a format."""
    runtimes = [one for one in profile.runtimes if one.format == target] if profile else []
    return [name for one in runtimes for name in (*one.execution_providers, *one.delegates)]


@dataclass
class _Run:
    """One measurement on its way."""

    settings: Settings
    subject: Subject
    transport: Transport
    event: Event
    samples: list[Sample] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    timed: int = 0
    known_ns: float | None = None

    def result(self, best_yardstick: Callable[[Mapping[str, Any]], float | None]) -> Result:
        environment = self.transport.environment()
        placed = self._work("which operators run where", "placement", 0.0)
        profile = self._profile()
        processes = self._time(partial(self._known, environment, best_yardstick))
        memory = self._work("memory", "memory", 0.95)
        energy = self._energy()
        sustained = self._sustain()
        seen = self.answers[0]["models"][0]
        environment = self._seen_by(environment)
        protocol = self.settings.protocol
        result = Result(
            model=self.subject.to_json(),
            measured_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            transport=self.transport.name,
            device=self.settings.profile.id if self.settings.profile else None,
            protocol=protocol,
            settings={
                "threads": self._threads,
                "providers": [Path(name).stem for name in self.settings.providers] or None,
                "preferred": _preferred(self.settings.profile, self.subject.target) or None,
                "sustained_seconds": self.settings.sustained,
                "seed": self.settings.seed,
            },
            runtime=seen["runtime"],
            providers=tuple(seen["providers"]),
            placement={name: tuple(nodes) for name, nodes in placed["placement"].items()},
            environment=environment,
            versions=self.answers[0]["versions"],
            processes=processes,
            memory=None if memory["peak_bytes"] is None else {k: memory[k] for k in ("before_bytes", "peak_bytes")},
            energy=energy,
            sustained=sustained,
            profile=profile,
            readings=tuple(one.to_json() for one in self.samples),
            stability=Stability(()),
            known_ns=self.known_ns,
            verdict=placed.get("verdict"),
        )
        judged = judge(processes, protocol, result.median, result.null, self.samples[: self.timed], self.known_ns)
        return replace(result, stability=of_emulator(judged, environment.emulated))

    def _profile(self) -> Profile | None:
        """The operators' times, of a process of its own; before the others, so that what cannot be said is refused."""
        if not self.settings.profile_operators:
            return None
        return profile_of(self._work("operators' times", "profile", 0.01), self.subject)

    @property
    def _threads(self) -> int | None:
        """What the runtime really took, where it tells."""
        asked: int | None = self.settings.request("time", [self.subject])["threads"]
        return self.answers[0]["models"][0].get("threads") or asked

    def _seen_by(self, environment: Environment) -> Environment:
        """The environment with what the first process found."""
        return replace(environment, emulated=self.answers[0]["models"][0].get("emulated") or environment.emulated)

    def _known(
        self, environment: Environment, best_yardstick: Callable[[Mapping[str, Any]], float | None]
    ) -> float | None:
        """What fixed work has taken beside the same runtime before."""
        seen = self.answers[0]["models"][0]
        where = {
            "device": self.settings.profile.id if self.settings.profile else None,
            "transport": self.transport.name,
        }
        given = self._seen_by(environment), where, seen["runtime"], seen["providers"], self._threads
        return best_yardstick(likeness_of(identity_of(*given), self.subject.to_json()))

    def _time(self, known: Callable[[], float | None]) -> tuple[Measured, ...]:
        """Fresh processes, as many as the protocol wants, and more where the first were disturbed or disagree."""
        protocol, processes = self.settings.protocol, list[Measured]()
        self._read()
        while len(processes) < protocol.most_processes and not self._enough(tuple(processes)):
            number = len(processes)
            step = f"process {number + 1} of {max(protocol.processes, number + 1)}"
            done = 0.9 * number / max(protocol.processes, number + 1)
            quiet = shortest([(one,) for one in processes], self.known_ns)
            answer = self._work(step, "time", done, seed=self.settings.seed + number, quiet_ns=quiet)
            self.answers.append(answer)
            if not processes:
                self.known_ns = known()
            processes += measured_of(answer)
            self._read()
        # What heats up in the passes that follow says nothing of these.
        self.timed = len(self.samples)
        return tuple(processes)

    def _enough(self, processes: tuple[Measured, ...]) -> bool:
        """Whether further processes would add nothing: all is well, or it cannot become so."""
        protocol, turns = self.settings.protocol, [(one,) for one in processes]
        if not filled(turns, protocol, self.known_ns):
            return False
        used = peaceful(turns, protocol, self.known_ns)
        if not protocol.processes <= len(used) < protocol.processes + protocol.more_processes:
            return True
        calls = [one.calls_ns for (one,) in used.values()]
        return not judge(processes, protocol, estimate(calls), null(calls), self.samples, self.known_ns).reasons

    def _energy(self) -> dict[str, float] | None:
        """Mean power while the model runs without a pause, and the energy of one call; without a sensor, nothing."""
        before = self.samples[-1]
        if not before.watts and not before.joules:
            return None
        during: list[Sample] = []
        seconds = self.settings.protocol.energy_seconds
        answer = self._work("power", "sustain", 0.96, tick=lambda: during.append(self._sample()), seconds=seconds)
        # The first second or so is the process's start.
        kept = during[len(during) // 4 :]
        watts = [w for a, b in itertools.pairwise(kept) if (w := watts_between(a, b)) is not None]
        if not watts:
            return None
        minute = answer["minutes"][0]
        call_seconds = float(np.mean(minute["durations_ns"])) / answer["loops"] / 1e9
        power = float(np.median(watts))
        return {"watts": power, "joules_a_call": power * call_seconds, "samples": float(len(watts))}

    def _sustain(self) -> dict[str, Any] | None:
        """Minute after minute without a pause."""
        seconds = self.settings.sustained
        if seconds is None:
            return None
        started = len(self.samples)

        def tick() -> None:
            # Sensors that are commands cost time; every few seconds is enough for what heats up in minutes.
            if len(self.samples) == started or self._seconds_since() > 5:
                self._read()

        answer = self._work(f"sustained for {seconds / 60:g} min", "sustain", 0.97, tick=tick, seconds=seconds)
        medians = [float(np.median(one["durations_ns"])) / answer["loops"] for one in answer["minutes"]]
        return {
            "loops": answer["loops"],
            "minutes": answer["minutes"],
            "medians_ns": medians,
            "last_over_first": medians[-1] / medians[0],
        }

    def _work(
        self, step: str, kind: str, done: float, *, tick: Callable[[], None] = lambda: None, **more: Any
    ) -> dict[str, Any]:
        self.event(step, done)
        request = self.settings.request(kind, [self.subject], **more)
        timeout = self.settings.timeout + float(more.get("seconds", 0))
        return self.transport.work(request, timeout=timeout, tick=tick)

    def _sample(self) -> Sample:
        return sample(self.transport.host, self.settings.readings)

    def _read(self) -> None:
        self.samples.append(self._sample())

    def _seconds_since(self) -> float:
        return time.monotonic() - self.samples[-1].at


def measured_of(answer: Mapping[str, Any]) -> list[Measured]:
    """One process's measurement of each of its models, in their order."""
    conditions = answer["conditions"]
    return [
        Measured(
            durations_ns=tuple(one["durations_ns"]),
            loops=one["loops"],
            singles_ns=tuple(one["singles_ns"]),
            slices=tuple(one["slices"]),
            yardstick_ns=tuple(one["yardstick_ns"]),
            bound=one["bound"],
            cold=one["cold"],
            warmup=one["warmup"],
            conditions=conditions,
            disturbed=disturbance(conditions),
        )
        for one in answer["models"]
    ]
