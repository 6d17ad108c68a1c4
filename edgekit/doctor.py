"""What is installed here, what it is good for, and what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import edgekit
from edgekit.convert import registry
from edgekit.convert.matrix import table_of_routes
from edgekit.runtime.loading import emulated, executable

# The JSON document of `doctor --json`. 1: first.
SCHEMA = 1


def examine() -> dict[str, Any]:
    """The machine, the packages beside the versions they were tested with, the runtimes and the routes."""
    return {
        "schema": SCHEMA,
        "edgekit": edgekit.__version__,
        "python": platform.python_version(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processors": os.cpu_count() or 1,
            "memory_bytes": _memory(),
            "disk_free_bytes": shutil.disk_usage(Path.cwd()).free,
        },
        "packages": [_package(name, window) for name, window in _tested().items()],
        "runtimes": [
            {
                "target": target,
                "available": not executable(target),
                "emulated": emulated(target),
                "reason": executable(target) or None,
            }
            for target in registry.TARGETS
        ],
        "routes": [{key: row[key] for key in ("source", "target", "available", "reason")} for row in table_of_routes()],
    }


def _tested() -> dict[str, str]:
    """Each package that a route declares, with its tested versions."""
    # The runtimes, and what the extras without a route bring.
    found = {
        "onnxruntime": ">=1.17",
        "ai-edge-litert": ">=1.0",
        "pillow": ">=10",
        "pyarrow": ">=15",
        "jinja2": ">=3.1",
        "cryptography": ">=42",
    }
    for route in registry.routes():
        found.update(route.tested)
    return dict(sorted(found.items()))


def _package(name: str, window: str) -> dict[str, Any]:
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return {"package": name, "installed": None, "tested": window, "state": "missing"}
    state = "tested" if _within(installed, window) else "untested version"
    return {"package": name, "installed": installed, "tested": window, "state": state}


def _within(version: str, window: str) -> bool:
    """Whether a version lies in a window of ``>=``, ``<``, ``<=`` and ``==X.*`` clauses, all that routes declare."""
    have = _numbers(version)
    for clause in window.split(","):
        operator = clause.rstrip("0123456789.*").strip()
        bound = _numbers(clause[len(operator) :].rstrip(".*"))
        same = have[: len(bound)]
        checks = {">=": same >= bound, "<": same < bound, "<=": same <= bound, "==": same == bound}
        if not checks[operator]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    release = version.partition("+")[0]
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def _memory() -> int | None:
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
