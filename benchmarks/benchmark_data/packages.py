"""The Debian packages that hold the data: where their files lie, and how they come here.

A package that is installed is read where it lies. Otherwise its archive is fetched with ``apt-get download``, which
checks it against Debian's signed index, and unpacked under ``build/data``: that needs no root, and leaves out R, on
which the packages of tables depend.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from edgekit.errors import ConversionError, InputError, MissingDependencyError

ROOT = Path(__file__).resolve().parents[2]
UNPACKED = ROOT / "build" / "data"
SYSTEM = Path("/")
# A mirror's hiccup is not the end.
_DOWNLOAD = ["apt-get", "-o", "Acquire::Retries=3"]


def find(asked: str, package: str, member: str) -> Path:
    """The file of a package, as installed or as unpacked here.

    Args:
        asked: what the file is wanted for, for the message.
        package: the Debian package.
        member: the file's path in it, without the leading slash.

    Raises:
        InputError: the package is in neither place.
    """
    for root in (SYSTEM, UNPACKED / package):
        if (root / member).is_file():
            return root / member
    why = f"the Debian package {package} is neither installed nor unpacked in {UNPACKED}"
    raise InputError(asked, why, f"run: make benchmark-data (or, as root: apt-get install {package})")


def bring(package: str, sign: str) -> str:
    """Fetch and unpack a package, unless it is here; what was done, in words.

    Args:
        package: the Debian package.
        sign: the path in it of a file that is there when the package is.

    Raises:
        MissingDependencyError: this machine has no ``apt-get`` or ``dpkg-deb``.
        ConversionError: the package could not be fetched or unpacked.
    """
    if (SYSTEM / sign).is_file():
        return f"{package}: installed already"
    folder = UNPACKED / package
    if (folder / sign).is_file():
        return f"{package}: unpacked in {folder} already"
    asked = f"fetch the Debian package {package}"
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            why = f"{program} is not on this machine"
            raise MissingDependencyError(asked, why, f"unpack the package by other means into {folder}")
    UNPACKED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED) as name:
        work = Path(name)
        archive = _fetch(asked, package, work)
        _run(asked, ["dpkg-deb", "--extract", archive.name, "content"], work)
        # What an interrupted run has left is not the package; what is under the package's name is whole.
        shutil.rmtree(folder, ignore_errors=True)
        (work / "content").rename(folder)
        return f"{package}: fetched {archive.name} ({archive.stat().st_size / 1e6:.0f} MB), unpacked in {folder}"


def _fetch(asked: str, package: str, work: Path) -> Path:
    command = [*_DOWNLOAD, "download", package]
    try:
        _run(asked, command, work)
    except ConversionError:
        # A machine that is new has no list of packages, or an old one; only root may fetch it.
        if os.geteuid() != 0:
            raise
        print("apt-get update: there is no list of packages, or it is out of date", flush=True)
        _run(asked, [*_DOWNLOAD, "update"], work)
        _run(asked, command, work)
    (archive,) = work.glob("*.deb")
    return archive


def _run(asked: str, command: list[str], work: Path) -> None:
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg"))] or [done.stderr[-300:]]
        why = f"{' '.join(command)} failed: {' '.join(said)}"
        raise ConversionError(asked, why, "run: sudo apt-get update; then again: make benchmark-data")
