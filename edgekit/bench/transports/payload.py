"""What a device is sent: edgekit's part for devices, and the wheels of a runtime for its Python."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import edgekit
from edgekit.errors import InputError, TransportError

OLDEST_PYTHON = (3, 10)
# What a worker, an agent and a session import, by folders and files below the package.
_PARTS = (
    "__init__.py", "errors.py", "signature.py", "content.py", "preprocessing", "bundle", "runtime", "metrics",
    "devices", "verify/__init__.py", "verify/compare.py", "verify/speed.py", "verify/tolerance.py",
    "verify/verdict.py",
    "bench/__init__.py", "bench/agent.py", "bench/counters.py", "bench/emulation.py", "bench/environment.py",
    "bench/host.py", "bench/interleaved.py", "bench/protocol.py", "bench/slices.py", "bench/statistics.py",
    "bench/telling.py", "bench/worker.py", "bench/yardstick.py",
)  # fmt: skip
_RUNTIMES = {"onnx": ("onnxruntime",), "tflite": ("ai_edge_litert", "tflite_runtime"), "coreml": ("coremltools",)}
_OLDEST_GLIBC = 17
_NAMED_GLIBC = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_PIP_SECONDS = 900


@dataclass(frozen=True)
class Archive:
    """Bytes with their digest."""

    content: bytes
    sha256: str


@cache
def part_for_devices() -> Archive:
    """The zip of edgekit's modules that run on a device; the same bytes for the same modules."""
    root = Path(edgekit.__file__).parent
    files = sorted(
        file for part in _PARTS for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            # Without the files' times, so that an equal edgekit has an equal digest.
            name = zipfile.ZipInfo(f"edgekit/{file.relative_to(root).as_posix()}")
            archive.writestr(name, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return Archive(packed.getvalue(), hashlib.sha256(packed.getvalue()).hexdigest())


def installed(facts: Mapping[str, Any], target: str) -> bool:
    """Whether a device's Python runs a format as it is."""
    has = set(facts["modules"])
    return "numpy" in has and any(module in has for module in _RUNTIMES[target])


def formats(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats that a device runs, with what it has or can be sent; those that it has a runtime for first."""
    possible = ("coreml",) if facts["system"] == "Darwin" and installed(facts, "coreml") else ()
    return tuple(sorted(("onnx", "tflite", *possible), key=lambda target: not installed(facts, target)))


def platform_tags(facts: Mapping[str, Any]) -> list[str]:
    """The platform tags of the wheels that a device takes, the newest first (PEP 600, PEP 656).

    Raises:
        TransportError: there are no wheels for such a device.
    """
    machine = str(facts["platform"]).rpartition("-")[2]
    if facts["bits"] == 32:
        # The programs' own architecture below a kernel of 64 bits, as on many a Raspberry Pi.
        machine = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}.get(machine, machine)
    if facts["system"] == "Darwin":
        newest = max(int(str(facts["macos"]).partition(".")[0] or 11), 11)
        return [f"macosx_{major}_0_{one}" for major in range(newest, 10, -1) for one in (machine, "universal2")]
    if facts["system"] == "Linux" and facts["libc"]:
        minor = int(str(facts["libc"]).split(".")[1])
        oldest = 5 if machine == "x86_64" else _OLDEST_GLIBC
        tags = [[f"manylinux_2_{one}_{machine}"] for one in range(minor, oldest - 1, -1)]
        named = [f"{name}_{machine}" for one, name in _NAMED_GLIBC.items() if oldest <= one <= minor]
        return [*(tag for one in tags for tag in one), *named, f"linux_{machine}"]
    if facts["system"] == "Linux":
        return [f"musllinux_1_{minor}_{machine}" for minor in (2, 1)] + [f"linux_{machine}"]
    why = f"it runs {facts['system']}, for which edgekit brings no runtime"
    raise TransportError("prepare the device", why, "install numpy and a runtime in its Python")


def key(facts: Mapping[str, Any], target: str, wheelhouse: Path | None) -> str:
    """The name of the folder with a runtime's packages: the same for the same Python, platform and requirements."""
    listed = sorted(file.name for file in wheelhouse.glob("*.whl")) if wheelhouse else []
    said = (facts["python"], facts["implementation"], facts["platform"], facts["libc"], _requirement(target), listed)
    return f"{target}-{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}"


def wheels(facts: Mapping[str, Any], target: str, wheelhouse: Path | None, folder: Path) -> list[Path]:
    """Numpy and the runtime of a format, with what they need, as wheels for the device's Python.

    Args:
        facts: what the agent says of the device.
        target: the format.
        wheelhouse: a folder with wheels to take them from; ``None`` to download them.
        folder: where they are put.

    Raises:
        InputError: there is no such wheelhouse.
        TransportError: there are none for this device, or pip could not get them.
    """
    if target == "coreml":
        raise TransportError("run coreml on the device", "coremltools is not installed there", "install it there")
    needed = _requirement(target)
    asked = f"get {needed} for the device"
    if wheelhouse is not None and not wheelhouse.is_dir():
        raise InputError(f"--wheelhouse {wheelhouse}", "no such folder", "give a folder with wheels")
    source = ["--no-index", "--find-links", str(wheelhouse)] if wheelhouse else []
    tags = [word for tag in platform_tags(facts) for word in ("--platform", tag)]
    version = ".".join(str(part) for part in facts["python"])
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", version, "--dest", str(folder)),
        *tags,
        *source,
        *("numpy", needed),
    ]
    try:
        environment = {**os.environ, "PIP_PROGRESS_BAR": "off"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PIP_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired as error:
        why = f"pip had not downloaded the wheels after {_PIP_SECONDS} s"
        raise TransportError(asked, why, "give them: --wheelhouse FOLDER") from error
    if done.returncode:
        raise TransportError(asked, _refusal(facts, version, done.stderr), _next_step(facts, wheelhouse))
    return sorted(folder.glob("*.whl"))


def _requirement(target: str) -> str:
    """What the extra of a format's runtime brings."""
    try:
        parts = [one.partition(";") for one in metadata.requires("edgekit") or ()]
    except metadata.PackageNotFoundError as error:
        why = "edgekit itself is not installed here, and so does not know the runtime's version"
        raise TransportError("prepare the device", why, "run: pip install edgekit") from error
    wanted = f"extra=='runtime-{target}'"
    return next(what.strip() for what, _, marker in parts if _plain(marker) == wanted)


def _plain(marker: str) -> str:
    return marker.replace(" ", "").replace('"', "'")


def _refusal(facts: Mapping[str, Any], version: str, said: str) -> str:
    where = f"Python {version} on {facts['platform']}"
    # pip goes on without an index that it cannot reach, and then finds nothing.
    if "connection broken" in said or "NewConnectionError" in said:
        return f"the index of packages cannot be reached, from which wheels for {where} would come"
    if missing := re.search(r"No matching distribution found for (\S+)", said):
        bits = " (32 bits, for which the vendors make none)" if facts["bits"] == 32 else ""
        return f"there is no wheel of {missing[1]} for {where}{bits}"
    if "No module named pip" in said:
        return "pip, which gets the wheels, is not installed beside edgekit"
    lines = [line for line in said.splitlines() if line.strip()] or ["pip said nothing"]
    return f"pip could not get the wheels for {where}: {lines[-1]}"


def _next_step(facts: Mapping[str, Any], wheelhouse: Path | None) -> str:
    if facts["bits"] == 32:
        return "take a 64-bit system, or install numpy and a runtime in the device's Python (tflite-runtime has wheels)"
    if wheelhouse is not None:
        return f"put the wheels of numpy and the runtime, with all they need, into {wheelhouse}"
    return "give them: --wheelhouse FOLDER, or install numpy and the runtime in the device's Python"


def files_of(path: Path, names: Sequence[str]) -> dict[str, Path]:
    """A model's files by their places on the device: one, several beside each other, or a folder's."""
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file())
        return {f"{path.name}/{file.relative_to(path).as_posix()}": file for file in found}
    return {name: path.parent / name for name in (path.name, *names)}
