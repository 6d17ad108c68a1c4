"""From what the user calls a device to the way there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgekit.bench.transports import adb, ssh
from edgekit.bench.transports.browser import BrowserTransport
from edgekit.bench.transports.browser_here import ENGINES
from edgekit.bench.transports.remote import RemoteTransport
from edgekit.errors import InputError

_ADB, _BROWSER = "adb:", "browser:"
_PYTHON = "python3"


def reach(
    host: str,
    *,
    config: Path | None = None,
    python: str | None = None,
    wheelhouse: Path | None = None,
    clean_up: bool = False,
    event: Callable[[str, float], None] = lambda *_: None,
    web_runtimes: Path | None = None,
    invite: Callable[[str], None] = lambda _: None,
    wait: float = 600.0,
) -> RemoteTransport | BrowserTransport:
    """Connect to a device; the transport is a context manager, which ends the connection.

    Args:
        host: what ``ssh`` takes: ``pi@pi5.local``, a name of the user's configuration, ``ssh://pi@pi5.local:2222``;
            or ``adb:SERIAL``, and ``adb:`` for the only device of adb; or ``browser:chromium`` (``firefox``,
            ``webkit``) for one of this machine, ``browser:lan`` or ``browser:ADDRESS:PORT`` for whoever opens the page.
        config: another ssh configuration than the user's own.
        python: the device's Python, ``python3`` if not said.
        wheelhouse: a folder with wheels for the device; ``None`` to download those that it lacks.
        clean_up: remove all that was brought there, at the end.
        event: told what is being done, and the share of it that is.
        web_runtimes: a folder with the packages that a page runs models with; ``None`` to fetch them.
        invite: told the address of a page that somebody is to open.
        wait: seconds that somebody has to open it.

    Raises:
        InputError: what cannot be meant.
        MissingDependencyError: what drives a browser is not installed.
        TransportError: the device cannot be reached, or its Python cannot be used.
        StorageError: it has no room.
    """
    name = kind_of(host)
    if name == "browser":
        for option, value in (("--ssh-config", config), ("--device-python", python), ("--wheelhouse", wheelhouse)):
            if value:
                raise InputError(option, f"{host} has no such thing", "leave it off")
        more: dict[str, Any] = {"runtimes": web_runtimes, "event": event, "invite": invite, "wait": wait}
        return _browser(host, more)
    if web_runtimes is not None:
        raise InputError("--web-runtimes", f"{host} is no browser", "leave it off, or give --host browser:chromium")
    event(f"connecting to {host}", 0.0)
    python = python or _PYTHON
    if name == "adb":
        if config is not None:
            raise InputError("--ssh-config", f"{host} is not reached by ssh", "leave it off")
        connect = adb.connector(host[len(_ADB) :], python=python)
    else:
        connect = ssh.connector(host, python=python, config=config)
    return RemoteTransport(name, connect, wheelhouse=wheelhouse, event=event, clean_up=clean_up)


def kind_of(host: str) -> str:
    """What leads to a host: ``browser``, ``adb`` or ``ssh``."""
    return "browser" if host.startswith(_BROWSER) else "adb" if host.startswith(_ADB) else "ssh"


def _browser(host: str, more: dict[str, Any]) -> BrowserTransport:
    where = host[len(_BROWSER) :]
    if where in {"", *ENGINES}:
        return BrowserTransport(where or ENGINES[0], **more)
    try:
        parts = urlsplit(f"//{where}")
        address, port = parts.hostname or "", parts.port or 0
        if address == "lan":
            address = _own_address()
        socket.getaddrinfo(address, port, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError) as error:
        todo = f"give browser:{', browser:'.join(ENGINES)}, browser:lan or browser:ADDRESS:PORT"
        raise InputError(f"connect to {host}", "no such browser, and no address", todo) from error
    return BrowserTransport(None, address=address, port=port, **more)


def _own_address() -> str:
    """This machine's address in its network: the one that it would call from; nothing is sent for that."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        # An address of no machine (RFC 5737).
        one.connect(("192.0.2.1", 9))
        return str(one.getsockname()[0])
