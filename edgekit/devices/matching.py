"""Which class of devices a machine is of, by the ``[match]`` tables of the profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from edgekit.devices.known import profiles
from edgekit.devices.machine import Machine
from edgekit.devices.profile import DeviceProfile, Match

SCHEMA = 1  # 1: the first

_MODELS = {
    "model": "the model",
    "product": "ro.product.model",
    "apple_model": "the model identifier",
    "user_agent": "the user agent",
}
# SMBIOS's "Other" and "Unknown", which is what virtual machines say.
_NO_CHASSIS = (None, 1, 2)


@dataclass(frozen=True)
class Probe:
    """What a machine says of itself, and the class that it is of.

    Attributes:
        machine: what could be read.
        device: the class; ``None`` where no class fits, or several do.
        candidates: the classes that it may be of where what was read does not decide.
        why: what decided, or what is missing.
        notes: what differs from what the class says.
    """

    machine: Machine
    device: DeviceProfile | None
    candidates: tuple[DeviceProfile, ...]
    why: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The findings as a JSON object (``docs/schemas/probe.schema.json``)."""
        return {
            "schema": SCHEMA,
            "read": self.machine.to_json(),
            "device": self.device.id if self.device else None,
            "candidates": [profile.id for profile in self.candidates],
            "why": self.why,
            "notes": list(self.notes),
        }


def probe(machine: Machine, among: Sequence[DeviceProfile] | None = None) -> Probe:
    """The class of devices that a machine is of.

    A name of the model goes before a name of the processor, and that before instruction sets and chassis. Among the
    strings of a device tree the first goes before the others, among lists of instruction sets the longest.

    Args:
        machine: what it says of itself.
        among: the classes to choose from; all that are known without.

    Raises:
        InputError: a profile is not valid.
    """
    known = [(profile, profile.match) for profile in (profiles() if among is None else among) if profile.match]
    fitting = [(found, profile) for profile, match in known if (found := _evidence(profile, match, machine))]
    if fitting:
        best = min(rank for (rank, _), _ in fitting)
        chosen = [(why, profile) for (rank, why), profile in fitting if rank == best]
        if len(chosen) == 1:
            ((why, profile),) = chosen
            return Probe(machine, profile, (), why, _notes(profile, machine))
        return Probe(machine, None, tuple(profile for _, profile in chosen), f"several classes fit: {chosen[0][0]}")
    possible = [(profile, unread) for profile, match in known if (unread := _unread(profile, match, machine))]
    if possible:
        missing = " and ".join(dict.fromkeys(what for _, unread in possible for what in unread))
        why = f"what tells these classes apart could not be read: {missing}"
        return Probe(machine, None, tuple(profile for profile, _ in possible), why)
    return Probe(machine, None, (), "no class fits what could be read")


def _evidence(profile: DeviceProfile, match: Match, machine: Machine) -> tuple[tuple[int, int], str] | None:
    """How good the reason is for which a machine is of a class (less is better), and the reason."""
    for position, text in enumerate(machine.device_tree):
        if text in match.device_tree:
            return (0, position), f"the device tree says {text}"
    for key, what in _MODELS.items():
        said = getattr(machine, key)
        if _like(said, getattr(match, key)):
            return (1, 0), f"{what} is {said}"
    if _like(machine.processor, match.processor):
        return (2, 0), f"the processor is {machine.processor}"
    met = _conditions(profile, match, machine).values()
    if not met or not all(met):
        return None
    chassis = f"chassis type {machine.chassis}" if match.chassis else ""
    flags = f"instruction sets {' '.join(match.cpu_flags)}" if match.cpu_flags else ""
    return (3, -len(match.cpu_flags)), ", ".join(one for one in (*match.system, chassis, flags) if one)


def _like(said: str | None, patterns: Sequence[str]) -> bool:
    return said is not None and any(fnmatchcase(said, pattern) for pattern in patterns)


def _conditions(profile: DeviceProfile, match: Match, machine: Machine) -> dict[str, bool | None]:
    """Whether a machine meets each condition of a class, ``None`` where that could not be read; empty without any."""
    if not (match.system or match.chassis or match.cpu_flags):
        return {}
    met = {"architecture": _met(machine.architecture, (profile.processor.architecture,))}
    if match.system:
        met["system"] = _met(machine.system, match.system)
    if match.chassis:
        met["chassis type"] = _met(None if machine.chassis in _NO_CHASSIS else machine.chassis, match.chassis)
    if match.cpu_flags:
        met["instruction sets"] = set(match.cpu_flags) <= set(machine.cpu_flags) if machine.cpu_flags else None
    return met


def _unread(profile: DeviceProfile, match: Match, machine: Machine) -> tuple[str, ...]:
    """What would have to be read to tell whether a machine is of a class; empty where it is not, or nothing says so."""
    met = _conditions(profile, match, machine)
    if False in met.values() or True not in met.values():
        return ()
    return tuple(what for what, one in met.items() if one is None)


def _met(said: object, wanted: Sequence[object]) -> bool | None:
    return None if said is None else said in wanted


def _notes(profile: DeviceProfile, machine: Machine) -> tuple[str, ...]:
    wanted = profile.processor.architecture
    if machine.architecture in {None, wanted}:
        return ()
    return (f"the programs of this system are {machine.architecture}; what the class says is of {wanted}",)
