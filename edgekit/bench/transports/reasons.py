"""Why a program that leads to a device ended: what it says, and what that means to a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.bench.transports.connection import ConnectionLostError
from edgekit.errors import EdgekitError, TransportError


@dataclass(frozen=True)
class Reason:
    """One of the things that a program says.

    Attributes:
        words: by which it is known.
        why: what it means.
        todo: what the user can do; ``HOST`` stands for the device.
        passing: whether it may be otherwise a few seconds later.
    """

    words: str
    why: str
    todo: str
    passing: bool = False


@dataclass(frozen=True)
class Way:
    """A program that leads to devices.

    Attributes:
        reasons: what it says, the more telling first.
        install: how a device without Python comes to one.
        by_hand: how the user looks for themselves; ``HOST`` stands for the device.
    """

    reasons: Sequence[Reason]
    install: str
    by_hand: str

    def why(self, host: str, python: str, code: int, said: str) -> EdgekitError:
        """Why the program ended with a code, from what it said."""
        asked = f"connect to {host}"
        # A shell's own codes for a command that it cannot run, or does not find.
        if code in {126, 127}:
            return TransportError(asked, f"there is no {python} on the device", self.install)
        for one in self.reasons:
            if one.words in said:
                kind = ConnectionLostError if one.passing else TransportError
                return kind(asked, one.why, one.todo.replace("HOST", host))
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = f"the connection ended with code {code}" + (f": {lines[-1]}" if lines else "")
        # The device's Python tells of its own end; else it was the way there.
        kind = TransportError if "Traceback" in said else ConnectionLostError
        return kind(asked, why, self.by_hand.replace("HOST", host))


def is_command(python: str) -> bool:
    """Whether a name or path can stand in a shell's line as it is."""
    return bool(python) and not any(one in "\"'\\$`!;&|<>()*?" or one.isspace() for one in python)
