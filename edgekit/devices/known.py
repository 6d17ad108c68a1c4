"""The device profiles that there are: edgekit's own, and the user's project's."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgekit import content
from edgekit.devices.file import read
from edgekit.devices.profile import DeviceProfile
from edgekit.errors import InputError

# Of names nearest to one that is not known.
_LISTED = 5


def profiles() -> tuple[DeviceProfile, ...]:
    """Every device profile, edgekit's own first, then the user's project's.

    Raises:
        InputError: a file is not a valid profile, or two files have one id.
    """
    return tuple(read(file) for file in _files().values())


def get(id: str) -> DeviceProfile:  # noqa: A002 - "id" is what the field, the file and the command line call it
    """The profile of one device class.

    Raises:
        InputError: there is none of this id (lists the nearest ones, and chooses none), or its file is not a valid
            profile.
    """
    known = _files()
    if id in known:
        return read(known[id])
    nearest = sorted(known, key=lambda one: (-difflib.SequenceMatcher(None, id.lower(), one).ratio(), one))
    listed = f"the nearest names are {', '.join(nearest[:_LISTED])}" if nearest else "no device profile was found"
    todo = f"{listed}; edgekit devices list names all {len(known)}, a file devices/{id}.toml in your project adds one"
    raise InputError(f"device {id!r}", "no such device", todo)


def _files() -> dict[str, Path]:
    """The profiles' files by their ids."""
    found: dict[str, Path] = {}
    for file in content.files("devices", ".toml"):
        if file.stem in found:
            why = f"{found[file.stem]} already describes the device {file.stem!r}"
            raise InputError(f"read {file}", why, "rename one of the two files")
        found[file.stem] = file
    return found
