"""Where a model came from: the file's digest and the framework's versions."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from edgekit.bundle.digest import measure
from edgekit.sources.base import Provenance


def file_provenance(path: Path | None, *packages: str) -> Provenance:
    """The provenance of a file or folder (``None``: a live object) and the versions of the packages that read it."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    if path is None:
        return Provenance(versions=versions)
    return Provenance(path.name, measure(path).sha256, versions)
