"""Which class a device is of: what it says of itself beside what the user says of it."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.bench.transports import Transport
from edgekit.devices import DeviceProfile, Probe, probe
from edgekit.errors import InputError


@dataclass(frozen=True)
class Identified:
    """A device's class.

    Attributes:
        profile: the class; ``None`` where none is told and none was found.
        said: how that is known; ``None`` of this machine where no class is told.
    """

    profile: DeviceProfile | None
    said: str | None


def identify(told: DeviceProfile | None, transport: Transport, *, as_told: bool = False) -> Identified:
    """The class that the user names, checked against the device itself; without a name, the one that it is found to be.

    This machine is of no class unless one is named: what runs here without is measured as it always was.

    Args:
        told: the class that is named, if one is.
        transport: the way to the device.
        as_told: take the user's word where the device says something else.

    Raises:
        InputError: the transport does not lead to such a device, or the device is of another class.
    """
    if told is None and as_told:
        raise InputError("--as-told", "no device is told", "give --device, or leave it off")
    if told is None and transport.formats() is None:
        return Identified(None, None)
    _check_reach(told, transport)
    found = probe(transport.machine())
    if told is None:
        return Identified(found.device, _words(found))
    if found.device is not None and found.device.id == told.id:
        return Identified(told, _words(found))
    if _contradicts(found, told) and not as_told:
        why = f"the device is of another class: {_words(found)}"
        raise InputError(f"measure on {told.id}", why, "name that one, leave --device off, or say --as-told")
    return Identified(told, f"{told.id} as told; the device itself: {_words(found)}")


def suitable(profile: DeviceProfile | None, transport: Transport) -> tuple[str, ...] | None:
    """The formats that a device runs, in its class's order of preference; ``None`` where it is this machine."""
    formats = transport.formats()
    if formats is None or profile is None:
        return formats
    order = [one.format for one in profile.runtimes]
    return tuple(sorted(formats, key=lambda name: order.index(name) if name in order else len(order)))


def _contradicts(found: Probe, told: DeviceProfile) -> bool:
    """Whether the device is known to be something else; a class that nothing tells by cannot be contradicted."""
    if told.match is None:
        return False
    return found.device is not None or bool(found.candidates and told not in found.candidates)


def _words(found: Probe) -> str:
    if found.device is not None:
        return f"{found.device.id}, because {found.why}"
    if found.candidates:
        return f"one of {', '.join(one.id for one in found.candidates)} ({found.why})"
    return found.why


def _check_reach(profile: DeviceProfile | None, transport: Transport) -> None:
    if profile is not None and transport.name not in profile.transports:
        ways = ", ".join(profile.transports)
        raise InputError(f"measure on {profile.id}", f"it is reached by {ways}, not {transport.name}", "leave it off")
