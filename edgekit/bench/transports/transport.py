"""What every transport does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgekit.bench.host import Host

# Called about twice a second while a worker runs.
Tick = Callable[[], None]


class Transport(Protocol):
    """A way to a device.

    Attributes:
        name: one of :data:`edgekit.devices.TRANSPORTS`.
        host: the device's files and commands.
    """

    name: str
    host: Host

    def work(self, request: Mapping[str, Any], *, timeout: float, tick: Tick) -> dict[str, Any]:
        """One fresh worker process on the device, from its request to its answer (:mod:`edgekit.bench.worker`).

        Args:
            request: paths in it are this machine's; the transport brings the files over.
            timeout: seconds after which the worker is ended.
            tick: called while it runs.

        Raises:
            EdgekitError: what the worker refused or ran into, or that it ended without an answer.
        """
