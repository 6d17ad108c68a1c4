"""The runtimes that a page runs models with: packages of the npm registry, pinned by version and digest."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgekit.bench.transports.transport import Event
from edgekit.errors import InputError, StorageError, TransportError

_OF_TARGET = {"onnx": ("onnxruntime-web",), "tflite": ("@litertjs/core", "@litertjs/wasm-utils")}
_REGISTRY = "https://registry.npmjs.org"
_SECONDS = 300


@dataclass(frozen=True)
class Package:
    """A package of the npm registry.

    Attributes:
        name: as npm calls it.
        version: the one that edgekit's page is written for.
        integrity: of its archive, as npm writes it: ``sha512-`` and the digest in base64.
        files: those of them that a page loads.
    """

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]

    @property
    def wanted(self) -> str:
        """What npm is asked for: ``onnxruntime-web@1.30.0``."""
        return f"{self.name}@{self.version}"

    @property
    def archive(self) -> str:
        """The archive's file, as ``npm pack`` names it."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


@cache
def packages() -> dict[str, Package]:
    """All of them, by name."""
    document = json.loads((pages() / "runtimes.json").read_text(encoding="utf-8"))
    return {
        name: Package(name, one["version"], one["integrity"], tuple(one["files"])) for name, one in document.items()
    }


def pages() -> Path:
    """The folder with the page itself."""
    return Path(__file__).parents[1] / "web"


def runtime_of(target: str) -> str:
    """The runtime of a format, and its version."""
    package = packages()[_OF_TARGET[target][0]]
    return f"{'litert.js' if target == 'tflite' else package.name} {package.version}"


def provide(targets: Sequence[str], folder: Path | None, event: Event = lambda *_: None) -> dict[str, Path]:
    """The folder of each package that these formats need.

    Args:
        targets: the formats.
        folder: where packages lie, installed by npm or as the archives of ``npm pack``; ``None`` for edgekit's cache,
            filled once from the npm registry.
        event: told what is fetched.

    Raises:
        InputError: the folder lacks one, or has another version.
        TransportError: one cannot be fetched.
        StorageError: the cache cannot be written.
    """
    wanted = [packages()[name] for target in targets for name in _OF_TARGET[target]]
    return {one.name: _cached(one, event) if folder is None else _given(one, folder) for one in wanted}


def fill(folder: Path) -> None:
    """Fetch the archives of all packages into a folder, those that are not there."""
    for one in packages().values():
        archive = folder / one.archive
        if not archive.is_file() or not _is(one, archive.read_bytes()):
            folder.mkdir(parents=True, exist_ok=True)
            archive.write_bytes(_fetched(one))


def _given(package: Package, folder: Path) -> Path:
    """A package in a user's folder."""
    asked, todo = f"--web-runtimes {folder}", f"run in it: npm install {package.wanted}"
    archive = folder / package.archive
    if archive.is_file():
        content = archive.read_bytes()
        if not _is(package, content):
            raise InputError(
                asked, f"{archive.name} is not what npm has of it", f"run in it: npm pack {package.wanted}"
            )
        return _unpacked(package, content)
    for place in (folder / "node_modules" / package.name, folder / package.name):
        if (place / "package.json").is_file():
            version = json.loads((place / "package.json").read_text(encoding="utf-8")).get("version")
            if version != package.version:
                raise InputError(
                    asked, f"{package.name} there is {version}, and the page wants {package.version}", todo
                )
            return place
    raise InputError(asked, f"{package.name} is not in it", todo)


def _cached(package: Package, event: Event) -> Path:
    place = _place(package)
    if place.is_dir():
        return place
    event(f"fetching {package.wanted} from the npm registry, once", 0.0)
    return _unpacked(package, _fetched(package))


def _place(package: Package) -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(root) / "edgekit" / "web" / package.archive.removesuffix(".tgz")


def _fetched(package: Package) -> bytes:
    """A package's archive, by npm where it is installed: it knows the user's registry and certificates."""
    asked = f"fetch {package.wanted}"
    todo = f"where there is a network: npm pack {package.wanted}, and give its folder by --web-runtimes"
    npm = shutil.which("npm")
    try:
        content = _by_npm(npm, package) if npm else _by_http(package)
    except (OSError, subprocess.SubprocessError) as error:
        raise TransportError(asked, f"the npm registry does not answer ({_reason(error)})", todo) from error
    if not _is(package, content):
        raise TransportError(asked, "what came is not what was pinned: its digest is another", todo)
    return content


def _by_npm(npm: str, package: Package) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgekit-npm-") as folder:
        command = [npm, "pack", package.wanted, "--pack-destination", folder, "--loglevel", "error"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS, cwd=folder)
        return (Path(folder) / package.archive).read_bytes()


def _by_http(package: Package) -> bytes:
    names = ("NPM_CONFIG_REGISTRY", "npm_config_registry")
    registry = next(filter(None, map(os.environ.get, names)), _REGISTRY).rstrip("/")
    file = f"{package.name.rpartition('/')[2]}-{package.version}.tgz"
    url = f"{registry}/{package.name}/-/{file}"
    if not url.startswith(("https://", "http://")):
        raise OSError(f"{registry} is not an address")
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - checked above
        content: bytes = answer.read()
        return content


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = [line for line in str(error.stderr).splitlines() if line.strip()]
        return lines[0] if lines else f"npm ended with code {error.returncode}"
    return str(error.reason) if isinstance(error, urllib.error.URLError) else str(error)


def _is(package: Package, content: bytes) -> bool:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode("ascii")
    return hmac.compare_digest(f"sha512-{digest}", package.integrity)


def _unpacked(package: Package, archive: bytes) -> Path:
    """The files of an archive in the cache, all of them or none."""
    place = _place(package)
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=place.parent) as folder:
            whole = Path(folder) / "package"
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
                for name in package.files:
                    content = tar.extractfile(f"package/{name}")
                    if content is None:
                        raise OSError(f"{name} of {package.wanted} is no file")
                    (whole / name).parent.mkdir(parents=True, exist_ok=True)
                    (whole / name).write_bytes(content.read())
            # Another process may have been first.
            if not place.is_dir():
                whole.rename(place)
    except OSError as error:
        raise StorageError(f"unpack {package.wanted} into {place.parent}", str(error), "make room there") from error
    return place


if __name__ == "__main__":
    fill(Path(sys.argv[1]))
