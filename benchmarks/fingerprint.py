"""What the results of a benchmark depend on, as one short word: an interrupted run goes on where it is the same."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


def fingerprint(packages: Iterable[str], paths: Iterable[Path], *settings: object) -> str:
    """A digest of versions, of Python files, and of settings.

    Args:
        packages: distributions; what is not installed counts as that.
        paths: Python files, or folders with all that are inside.
        settings: whatever else results depend on.
    """
    digest = hashlib.sha256(json.dumps([versions(packages), *map(str, settings)]).encode())
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The installed version of each distribution that is installed."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """The processor's name and the number of its cores that are here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
