"""This machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import edgekit
from edgekit.bench.environment import Environment, observe
from edgekit.bench.host import Host, LocalHost
from edgekit.bench.telling import tell
from edgekit.bench.transports.transport import TICK_SECONDS, Tick, answer_of, too_long
from edgekit.devices import Machine, this_machine


class LocalTransport:
    """Workers as processes of this machine."""

    name = "local"

    def __init__(self, host: Host | None = None) -> None:
        """Measure here.

        Args:
            host: where environment and readings come from, if not from this system.
        """
        self.host: Host = host or LocalHost()

    def machine(self) -> Machine:
        """What this machine says of itself."""
        return this_machine()

    def environment(self) -> Environment:
        """This machine as it is now."""
        return observe(self.host)

    def formats(self) -> None:
        """What runs here is for the runtimes that are installed to say."""

    def work(self, request: Mapping[str, Any], *, timeout: float, tick: Tick) -> dict[str, Any]:
        """One fresh process of this Python."""
        with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as messages:
            worker = subprocess.Popen(
                [sys.executable, "-m", "edgekit.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=answers,
                stderr=messages,
                env=_environment(),
            )
            try:
                self._talk(worker, request, timeout, tick)
            finally:
                worker.kill()
                worker.wait()
                if worker.stdin:
                    # What a worker that died at once never read is still to be written.
                    with contextlib.suppress(BrokenPipeError):
                        worker.stdin.close()
            answers.seek(0)
            messages.seek(0)
            return answer_of(request, answers.read(), messages.read(), worker.returncode)

    def _talk(self, worker: subprocess.Popen[bytes], request: Mapping[str, Any], timeout: float, tick: Tick) -> None:
        """Send the request, and wait."""
        tell(worker, request)
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            try:
                worker.wait(TICK_SECONDS)
            except subprocess.TimeoutExpired:
                tick()
            else:
                return
        raise too_long(request, timeout)


def _environment() -> dict[str, str]:
    """This process's own, in which the worker finds the same edgekit."""
    root = str(Path(edgekit.__file__).parents[1])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
