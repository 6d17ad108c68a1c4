"""The user's own OpenSSH: their configuration, agent, jump hosts and known hosts are as they are for ``ssh HOST``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from edgekit.bench.transports.connection import SILENCE_SECONDS, STARTER, Connection
from edgekit.bench.transports.reasons import Reason, Way, is_command
from edgekit.errors import InputError, TransportError

_CONNECT_SECONDS = 10
# Nobody is asked anything, no key is taken on trust, and nothing else of the configuration takes part.
_OPTIONS = (
    "BatchMode=yes", "StrictHostKeyChecking=yes", f"ConnectTimeout={_CONNECT_SECONDS}", "ServerAliveInterval=5",
    "ServerAliveCountMax=3", "RequestTTY=no", "RemoteCommand=none", "PermitLocalCommand=no", "ClearAllForwardings=yes",
    "ForwardAgent=no", "ForwardX11=no",
)  # fmt: skip
_UNKNOWN = ("its host key is not known", "connect once by hand and compare the key: ssh HOST")
_WAY = Way(
    (
        Reason(
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            "its host key is not the one that is known",
            "find out why; if the device was set up anew: ssh-keygen -R HOST, then ssh HOST once",
        ),
        Reason("host key is known for", *_UNKNOWN),
        Reason("Host key verification failed", *_UNKNOWN),
        Reason(
            "Permission denied",
            "it accepted none of your keys (passwords are not asked for)",
            "make ssh HOST work without a password: ssh-copy-id HOST",
        ),
        Reason("Too many authentication failures", "it refused after several keys", "name the key in your ssh config"),
        Reason("Bad configuration option", "your ssh config is not valid", "correct it"),
        Reason("Can't open user config file", "there is no such ssh config", "check --ssh-config"),
        Reason(
            "Could not resolve", "no such host", "check the name, and that the device is on the network", passing=True
        ),
        Reason("refused", "nothing there listens for ssh", "switch ssh on there, or check the port", passing=True),
        Reason("timed out", "it does not answer", "check that it is on, and on this network", passing=True),
        Reason("No route to host", "there is no way to it", "check that it is on, and on this network", passing=True),
        Reason("Network is unreachable", "there is no way to it", "check this machine's network", passing=True),
    ),
    install="install Python 3.10 or newer there, or name it: --device-python PATH",
    by_hand="try ssh HOST by hand",
)


def connector(
    host: str, *, python: str, config: Path | None = None, silence: float = SILENCE_SECONDS
) -> Callable[[], Connection]:
    """What connects to a device, each time anew.

    Args:
        host: what ``ssh`` is given: a name of the user's configuration, ``pi@pi5.local``, ``ssh://pi@pi5.local:2222``.
        python: the device's Python.
        config: another configuration than the user's own.
        silence: seconds without a word after which the device gives a connection up.

    Raises:
        InputError: no such host, or no Python, can be meant.
        TransportError: there is no OpenSSH here.
    """
    asked = f"connect to {host}"
    if not host or host.startswith("-") or any(one.isspace() for one in host):
        raise InputError(asked, "not a host", "give what ssh takes: pi@pi5.local")
    if not is_command(python):
        raise InputError(f"--device-python {python}", "not a command", "give a name or path without spaces: python3.11")
    ssh = shutil.which("ssh")
    if ssh is None:
        raise TransportError(asked, "there is no ssh on this machine", "install the OpenSSH client")
    settings = [word for option in _OPTIONS for word in ("-o", option)]
    file = ["-F", str(config)] if config else []
    command = [ssh, "-T", *file, *settings, "--", host, f'exec {python} -c "{STARTER}"']
    return lambda: Connection(
        command, python=python, explain=lambda code, said: _WAY.why(host, python, code, said), silence=silence
    )
