"""A measurement: everything raw, and the figures that follow from it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench.environment import Environment
from edgekit.bench.measured import Measured, counted
from edgekit.bench.profile import Profile
from edgekit.bench.protocol import VERSION, Protocol
from edgekit.bench.stability import Stability
from edgekit.bench.statistics import Estimate, Percentile, estimate, null, percentiles
from edgekit.errors import InputError
from edgekit.outputs import written_whole

SCHEMA = 1  # 1: the first


@dataclass(frozen=True)
class Result:
    """What one run of ``edgekit bench`` found.

    Attributes:
        model: file, target, scheme, bytes and digest of what was measured.
        measured_at: when, in UTC (ISO 8601).
        transport: how the device was reached.
        device: the id of its profile, where one was named.
        protocol: how it was measured.
        settings: threads, the providers asked for, the seed.
        runtime: the runtime and its version.
        providers: the execution providers or delegates that the runtime really took.
        placement: the operators by what ran them; empty where the runtime does not tell.
        environment: the machine and how it is set.
        versions: of edgekit, Python and numpy where the model ran.
        processes: what each fresh process measured.
        memory: bytes before the model was there and at the peak; ``None`` where the system does not tell.
        energy: mean power while it ran and energy a call; ``None`` where the device has no sensor for it.
        sustained: minute medians of an uninterrupted run; ``None`` where none was asked for.
        profile: what each operator takes; ``None`` where it was not asked for.
        readings: the device's sensors, in order.
        stability: whether the figures would come again.
        known_ns: the shortest that fixed work was known to take on this machine; ``None`` where nothing was known.
        identified: how the device's class is known; ``None`` where none was asked for.
        verdict: of the bundle's recorded samples, run where the model was measured; ``None`` where they were not.
    """

    model: Mapping[str, Any]
    measured_at: str
    transport: str
    device: str | None
    protocol: Protocol
    settings: Mapping[str, Any]
    runtime: str
    providers: tuple[str, ...]
    placement: Mapping[str, tuple[str, ...]]
    environment: Environment
    versions: Mapping[str, str]
    processes: tuple[Measured, ...]
    memory: Mapping[str, int | None] | None
    energy: Mapping[str, float] | None
    sustained: Mapping[str, Any] | None
    profile: Profile | None
    readings: tuple[Mapping[str, Any], ...]
    stability: Stability
    known_ns: float | None = None
    identified: str | None = None
    verdict: Mapping[str, Any] | None = None

    @property
    def used(self) -> tuple[Measured, ...]:
        """What the figures are of: the slices that count, of those processes that do."""
        return tuple(self.counted.values())

    @cached_property
    def counted(self) -> dict[int, Measured]:
        """The same by the processes' numbers."""
        turns = [(one,) for one in self.processes]
        return {number: one for number, (one,) in counted(turns, self.protocol, self.known_ns).items()}

    @property
    def set_aside(self) -> float:
        """The share of those processes' time in which fixed work was slow, and which does not count."""
        timed = sum(self.processes[number].seconds for number in self.counted)
        return 1 - sum(one.seconds for one in self.used) / timed

    @cached_property
    def median(self) -> Estimate:
        """Nanoseconds a call: the median over processes of each process's median."""
        return estimate([one.calls_ns for one in self.used], seed=int(self.settings["seed"]))

    @cached_property
    def null(self) -> Estimate:
        """The A/A test: one half of the processes over the other."""
        return null([one.calls_ns for one in self.used], seed=int(self.settings["seed"]))

    @cached_property
    def percentiles(self) -> tuple[Percentile, ...]:
        """Percentiles of calls that were timed one by one."""
        return percentiles(np.concatenate([one.single_calls_ns for one in self.used]))

    @property
    def calls(self) -> int:
        """How many calls the figures are of."""
        return sum(len(one.durations_ns) * one.loops for one in self.used)

    @property
    def extent(self) -> str:
        """What the figures are of, in words."""
        aside = f", {self.set_aside:.0%} of their time set aside as slowed" if self.set_aside >= 0.005 else ""
        return f"{self.calls:,} calls in {len(self.used)} processes{aside}"

    @property
    def cold(self) -> dict[str, float]:
        """Medians over the processes of the runtime's import, the model's load and the first call, in nanoseconds."""
        return {key: float(np.median([one.cold[key] for one in self.used])) for key in self.used[0].cold}

    @property
    def first_choice(self) -> str:
        """The execution provider or delegate that was to run all: asked for, the class's, or the runtime's own."""
        wished = self._wished or self.providers or ("",)
        return Path(wished[0]).stem

    @property
    def _wished(self) -> Sequence[str]:
        return self.settings["providers"] or self.settings.get("preferred") or ()

    @property
    def missing_providers(self) -> tuple[str, ...]:
        """Those asked for, or named by the device's class, that did not run, before the first that did."""
        wished = [Path(name).stem for name in self._wished]
        ran = {part for name in self.providers for part in name.split("+")}
        return tuple(itertools.takewhile(lambda name: name not in ran, wished)) if self.providers else ()

    @property
    def fell_back(self) -> tuple[str, ...]:
        """The operators that the first provider did not take; empty where the runtime does not tell.

        One that was asked for and could not start is not among ``providers``: then all of them.
        """
        first = self.first_choice
        return tuple(
            name
            for provider, names in self.placement.items()
            if provider != first and first not in provider.split("+")
            for name in names
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same in two results that are compared."""
        where = {"device": self.device, "transport": self.transport}
        return identity_of(self.environment, where, self.runtime, self.providers, self.settings["threads"])

    @property
    def likeness(self) -> dict[str, Any]:
        """What must be the same in two results beside which fixed work takes equally long."""
        return likeness_of(self.identity, self.model)

    def to_json(self) -> dict[str, Any]:
        """The document of ``docs/schemas/bench.schema.json``; its figures follow from its raw durations."""
        return {
            "schema": SCHEMA,
            "model": dict(self.model),
            "measured_at": self.measured_at,
            "transport": self.transport,
            "device": self.device,
            "identified": self.identified,
            "protocol": self.protocol.to_json(),
            "settings": dict(self.settings),
            "runtime": self.runtime,
            "providers": list(self.providers),
            "placement": {name: list(nodes) for name, nodes in self.placement.items()},
            "missing_providers": list(self.missing_providers),
            "fell_back": list(self.fell_back),
            "calls": self.calls,
            "set_aside": self.set_aside,
            "known_ns": self.known_ns,
            "median_ns": self.median.to_json(),
            "null": self.null.to_json(),
            "percentiles_ns": [one.to_json() for one in self.percentiles],
            "cold_ns": self.cold,
            "memory": self.memory and dict(self.memory),
            "energy": self.energy and dict(self.energy),
            "sustained": self.sustained and dict(self.sustained),
            "profile": self.profile and self.profile.to_json(),
            "stability": self.stability.to_json(),
            "verdict": self.verdict and dict(self.verdict),
            "environment": self.environment.to_json(),
            "versions": dict(self.versions),
            "readings": [dict(one) for one in self.readings],
            "processes": [one.to_json() for one in self.processes],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Result:
        """The result that :meth:`to_json` wrote, its figures computed anew.

        Raises:
            InputError: it is no result, or of another schema or protocol.
        """
        if data.get("schema") != SCHEMA:
            raise InputError("read a benchmark result", "it is none of schema 1", "give one that edgekit bench wrote")
        kept = ("model", "measured_at", "transport", "device", "settings", "runtime", "versions", "memory", "energy")
        try:
            protocol = Protocol.from_json(data["protocol"])
            if not data["processes"]:
                raise InputError("read a benchmark result", "no process has measured anything", "measure again")
            return Result(
                **{name: data[name] for name in kept},
                protocol=protocol,
                sustained=data["sustained"],
                known_ns=data["known_ns"],
                identified=data.get("identified"),
                verdict=data.get("verdict"),
                profile=Profile.from_json(data["profile"]) if data.get("profile") else None,
                providers=tuple(data["providers"]),
                placement={name: tuple(nodes) for name, nodes in data["placement"].items()},
                environment=Environment.from_json(data["environment"]),
                processes=tuple(Measured.from_json(one) for one in data["processes"]),
                readings=tuple(data["readings"]),
                stability=Stability(
                    tuple(data["stability"]["reasons"]), emulated=data["stability"]["verdict"] == "emulated"
                ),
            )
        except KeyError as error:
            todo = "give what edgekit bench wrote with --output or --json"
            raise InputError("read a benchmark result", f"it lacks {error}", todo) from error
        except (AttributeError, TypeError, ValueError) as error:
            raise InputError("read a benchmark result", f"it is damaged ({error})", "measure again") from error


def identity_of(
    environment: Environment,
    where: Mapping[str, str | None],
    runtime: str,
    providers: Sequence[str],
    threads: int | None,
) -> dict[str, Any]:
    """What must be the same in two results that are compared.

    Args:
        environment: the machine and how it is set.
        where: its profile and the way to it.
        runtime: with its version, which may differ.
        providers: those that the runtime really took.
        threads: of the runtime.
    """
    named = {"runtime": runtime.split(" ", maxsplit=1)[0], "providers": list(providers), "threads": threads}
    return {**environment.identity, **where, **named}


def likeness_of(identity: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same in two results beside which fixed work takes equally long.

    Args:
        identity: see :func:`identity_of`.
        model: what was measured: it leaves its caches and clocks to the fixed work that follows.
    """
    return {**identity, "artifact": [model["file"], model["target"], model["scheme"]], "protocol": VERSION}


def write_result(result: Result, path: Path) -> None:
    """Write what :func:`read_result` reads, the whole file or none of it."""
    with written_whole(path) as file:
        file.write(json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False).encode())


def read_result(path: Path) -> Result:
    """A result that ``edgekit bench --output`` or ``--json`` wrote.

    Raises:
        InputError: missing, or none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Result.from_json(document if isinstance(document, dict) else {})
    except OSError as error:
        raise InputError(f"read {path}", error.strerror or str(error), "give a result of edgekit bench") from error
    except ValueError as error:
        raise InputError(f"read {path}", f"not JSON ({error})", "give a result of edgekit bench") from error
    except InputError as error:
        raise InputError(f"read {path}", error.why, error.next_step) from error
