"""What a machine says of itself: device tree, ``/proc/cpuinfo``, SMBIOS, Android's properties, macOS's sysctl.

Everything is read below a root folder, programs too, so that a copy of another machine's files can be read as well.
"""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.devices.profile import known

_GETPROP = "system/bin/getprop"
_SYSCTL = "usr/sbin/sysctl"
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class Machine:
    """What a machine says of itself; what could not be read is ``None`` or empty.

    Attributes:
        system: the operating system, ``Linux`` or another of :data:`edgekit.devices.profile.SYSTEMS`.
        architecture: what this system's programs are built for (``aarch64``).
        device_tree: the strings of the device tree's ``compatible``, the most specific one first.
        model: the model in words, from the device tree or from ``/proc/cpuinfo``.
        hardware: what ``/proc/cpuinfo`` calls ``Hardware`` (on a Raspberry Pi it does not name the chip).
        processor: the processor's name.
        cores: each kind of Arm core as implementer/part, and how many there are of it.
        cpu_flags: the instruction sets that every core has, as ``/proc/cpuinfo`` calls them.
        chassis: the SMBIOS chassis type.
        product: Android's ``ro.product.model``.
        soc: Android's ``ro.soc.model``.
        apple_model: ``hw.model`` on macOS, ``hw.machine`` on iOS and iPadOS.
        user_agent: the browser's user agent.
    """

    system: str | None = None
    architecture: str | None = None
    device_tree: tuple[str, ...] = ()
    model: str | None = None
    hardware: str | None = None
    processor: str | None = None
    cores: tuple[str, ...] = ()
    cpu_flags: tuple[str, ...] = ()
    chassis: int | None = None
    product: str | None = None
    soc: str | None = None
    apple_model: str | None = None
    user_agent: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What could be read, as a JSON object."""
        found: dict[str, Any] = known(asdict(self))
        return found

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Machine:
        """The machine that :meth:`to_json` wrote."""
        values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in data.items()}
        return Machine(**values)


def browser(user_agent: str) -> Machine:
    """A browser, of which only the user agent is known."""
    return Machine(user_agent=user_agent)


def this_machine(root: Path = Path("/")) -> Machine:
    """What can be read of the machine that this runs on.

    Args:
        root: where its files are; another folder is read as a copy of another machine's, without asking Python.
    """
    cores = _cpuinfo(root)
    first: Mapping[str, str] = cores[0] if cores else {}
    flags = _common_flags(cores)
    said = _properties(root) or _sysctl(root)
    system = _system(root, said)
    tree = root / "proc" / "device-tree"
    return Machine(
        system=system,
        architecture=_architecture(root, flags),
        device_tree=tuple(text for text in (_text(tree / "compatible") or "").split("\0") if text),
        model=_text(tree / "model") or _last(cores, "Model"),
        hardware=_last(cores, "Hardware"),
        processor=first.get("model name") or said.get("machdep.cpu.brand_string"),
        cores=_parts(cores),
        cpu_flags=flags,
        chassis=_number(_text(root / "sys/class/dmi/id/chassis_type")),
        product=said.get("ro.product.model"),
        soc=said.get("ro.soc.model"),
        apple_model=said.get("hw.model") or (platform.machine() if system == "iOS" else None),
    )


def _system(root: Path, said: Mapping[str, str]) -> str | None:
    """By what its folders hold: Android has getprop, Linux /proc; a Linux may have a sysctl too."""
    if "ro.product.model" in said:
        return "Android"
    if (root / "proc/cpuinfo").exists():
        return "Linux"
    if "hw.model" in said:
        return "Darwin"
    if root != Path("/"):
        return None
    return {"iPadOS": "iOS"}.get(platform.system(), platform.system()) or None


def _architecture(root: Path, flags: Sequence[str]) -> str | None:
    if root == Path("/"):
        machine = platform.machine().lower()
        return _ARCHITECTURES.get(machine, machine) or None
    # Linux's names for long mode and for Advanced SIMD in 64 bits.
    return "x86_64" if "lm" in flags else "aarch64" if "asimd" in flags else None


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """The blocks of ``/proc/cpuinfo``, one a core; lines of the whole board come with the last core, or after it."""
    blocks = (_text(root / "proc/cpuinfo") or "").replace("\t", " ").split("\n\n")
    pairs = [[line.partition(":") for line in block.splitlines() if ":" in line] for block in blocks]
    return [{key.strip(): value.strip() for key, _, value in block} for block in pairs if block]


def _common_flags(cores: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    each = [(core.get("flags") or core.get("Features", "")).split() for core in cores if "processor" in core]
    each = [flags for flags in each if flags]
    return tuple(flag for flag in each[0] if all(flag in flags for flags in each)) if each else ()


def _parts(cores: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    kinds = Counter(f"{core.get('CPU implementer', '?')}/{core['CPU part']}" for core in cores if "CPU part" in core)
    return tuple(f"{count} x {kind}" for kind, count in kinds.items())


def _last(cores: Sequence[Mapping[str, str]], key: str) -> str | None:
    return next((core[key] for core in reversed(cores) if core.get(key)), None)


def _properties(root: Path) -> dict[str, str]:
    """Android's properties: ``[ro.product.model]: [Pixel 8]``."""
    lines = [line.partition("]: [") for line in _output(root / _GETPROP)]
    return {key.strip("["): value.rstrip("]") for key, _, value in lines}


def _sysctl(root: Path) -> dict[str, str]:
    """What macOS answers: ``hw.model: Mac14,2``. Linux's sysctl knows neither name."""
    if (root / "proc").is_dir():
        return {}
    lines = [line.partition(":") for line in _output(root / _SYSCTL, "hw.model", "machdep.cpu.brand_string")]
    return {key.strip(): value.strip() for key, _, value in lines}


def _output(program: Path, *arguments: str) -> list[str]:
    if not program.is_file():
        return []
    try:
        done = subprocess.run(
            [str(program), *arguments], capture_output=True, text=True, errors="replace", timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # not for this machine, or without an answer
        return []
    return done.stdout.splitlines()


def _text(file: Path) -> str | None:
    """A file's text without the zero that ends it; ``None`` where there is none, or it may not be read."""
    try:
        return file.read_bytes().decode("utf-8", "replace").strip("\0\n ") or None
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
