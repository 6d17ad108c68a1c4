"""What every transport does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edgekit.bench.environment import Environment
from edgekit.bench.host import Host
from edgekit.devices import Machine
from edgekit.errors import EdgekitError, ExecutionError

# Called about twice a second while a worker runs.
Tick = Callable[[], None]
TICK_SECONDS = 0.5
# Says (what is being done, the share of the whole that is done).
Event = Callable[[str, float], None]


class Transport(Protocol):
    """A way to a device.

    Attributes:
        name: one of :data:`edgekit.devices.TRANSPORTS`.
        host: the device's files and commands.
    """

    name: str
    host: Host

    def machine(self) -> Machine:
        """What the device says of itself, by which its class is known."""

    def environment(self) -> Environment:
        """The device as it is now."""

    def formats(self) -> tuple[str, ...] | None:
        """The formats that the device runs, those that suit it first; ``None`` where it is this machine."""

    def work(self, request: Mapping[str, Any], *, timeout: float, tick: Tick) -> dict[str, Any]:
        """One fresh worker process on the device, from its request to its answer (:mod:`edgekit.bench.worker`).

        Args:
            request: paths in it are this machine's; the transport brings the files over.
            timeout: seconds after which the worker is ended.
            tick: called while it runs.

        Raises:
            EdgekitError: what the worker refused or ran into, or that it ended without an answer.
        """


def answer_of(request: Mapping[str, Any], answer: bytes, messages: bytes, code: int) -> dict[str, Any]:
    """A worker's answer, from what it printed.

    Args:
        request: what it was asked.
        answer: its standard output.
        messages: its standard error.
        code: its exit code.

    Raises:
        EdgekitError: what it refused or ran into, or that it ended without an answer.
    """
    try:
        document: dict[str, Any] = json.loads(answer)
    except ValueError as error:
        said = messages.decode("utf-8", "replace").strip().splitlines()
        why = f"its process ended with code {code}" + (f": {said[-1]}" if said else "")
        raise ExecutionError(f"measure {request['models'][0]['path']}", why, "run it alone: edgekit run") from error
    if "error" in document:
        raise EdgekitError.from_json(document["error"])
    return document


def too_long(request: Mapping[str, Any], timeout: float) -> ExecutionError:
    """The error for a worker that has not answered in time."""
    asked = f"measure {request['models'][0]['path']}"
    return ExecutionError(asked, f"one process took longer than {timeout:g} s", "give a longer --timeout")
