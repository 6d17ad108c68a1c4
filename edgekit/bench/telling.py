"""Giving a worker its request, on this machine and on a device, where Python alone is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any


def tell(worker: subprocess.Popen[bytes], request: Mapping[str, Any]) -> None:
    """Write a request to a worker's standard input, which stays open: the worker ends with it.

    Args:
        worker: started with a pipe; one that died at once is told nothing, its messages say why.
        request: see :mod:`edgekit.bench.worker`.
    """
    if worker.stdin is None:
        raise TypeError("the worker was started with a pipe")
    try:
        worker.stdin.write(json.dumps(request).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass
