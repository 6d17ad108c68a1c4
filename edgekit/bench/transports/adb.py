"""The user's own adb: phones, and boards with Debian's adbd, as far as they have a Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from edgekit.bench.transports.connection import SILENCE_SECONDS, STARTER, Connection
from edgekit.bench.transports.reasons import Reason, Way, is_command
from edgekit.errors import InputError, TransportError

_WAY = Way(
    (
        Reason("unauthorized", "it has not allowed this computer", "unlock it, and allow USB debugging"),
        Reason(
            "more than one device", "several devices are connected", "name one: adb:SERIAL, as adb devices lists it"
        ),
        Reason("no devices", "no device is connected", "connect it, and switch USB debugging on", passing=True),
        Reason("not found", "no such device is connected", "look for it: adb devices", passing=True),
        Reason("offline", "it does not answer", "connect it anew, then: adb reconnect", passing=True),
    ),
    install="Android has none of itself: put a Python 3.10 or newer there, and name it: --device-python PATH",
    by_hand="try it by hand: adb shell",
)


def connector(serial: str, *, python: str, silence: float = SILENCE_SECONDS) -> Callable[[], Connection]:
    """What connects to a device, each time anew.

    Args:
        serial: as ``adb devices`` lists it; empty for the only one.
        python: the device's Python.
        silence: seconds without a word after which the device gives a connection up.

    Raises:
        InputError: no such device, or no Python, can be meant.
        TransportError: there is no adb here.
    """
    host = f"adb:{serial}"
    if serial.startswith("-") or any(one.isspace() for one in serial):
        raise InputError(f"connect to {host}", "not a serial number", "give one that adb devices lists")
    if not is_command(python):
        raise InputError(f"--device-python {python}", "not a command", "give a name or path without spaces: python3.11")
    adb = shutil.which("adb")
    if adb is None:
        raise TransportError(
            f"connect to {host}", "there is no adb on this machine", "install Android's platform-tools"
        )
    which = ["-s", serial] if serial else []
    command = [adb, *which, "shell", "-T", f'exec {python} -c "{STARTER}"']
    return lambda: Connection(
        command, python=python, explain=lambda code, said: _WAY.why(host, python, code, said), silence=silence
    )
