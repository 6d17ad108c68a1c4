"""What a measurement was taken on, and what of it must be the same for two of them to be compared."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.bench.emulation import emulator
from edgekit.bench.host import Host, usable_cpus

_CPU = "/sys/devices/system/cpu"


@dataclass(frozen=True)
class Environment:
    """A machine and how it is set; ``None`` where it does not tell.

    Attributes:
        system: ``Linux``, ``Darwin``, ``Windows``.
        kernel: its release.
        architecture: as the system calls it.
        board: the device's own name, of boards that have one (device tree, DMI).
        processor: its name.
        cpus: processors that this process may use.
        memory_bytes: of the whole machine.
        governor: what sets the clocks; several joined by commas.
        clock_range_mhz: the lowest and highest clock that the governor may choose.
        boost: whether clocks above the nominal one are allowed.
        power_mode: the device's own (nvpmodel, platform profile).
        on_battery: a laptop or phone that is not plugged in.
        load: how many tasks ran or waited to run in the last minute, at the start.
        emulated: the program that imitates the processor; then no duration says anything of a device.
        browser: of a page that measures: the browser's name, version and user agent, whether each measurement has a
            fresh ``process`` or ``page``, whether the page is isolated (else no threads), its clock's steps, its GPU.
    """

    system: str
    kernel: str
    architecture: str
    board: str | None
    processor: str | None
    cpus: int
    memory_bytes: int | None
    governor: str | None
    clock_range_mhz: tuple[float, float] | None
    boost: bool | None
    power_mode: str | None
    on_battery: bool | None
    load: float | None
    emulated: str | None = None
    browser: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The environment as a JSON object."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Environment:
        """The environment that :meth:`to_json` wrote."""
        clocks = data["clock_range_mhz"]
        return Environment(**{**data, "clock_range_mhz": None if clocks is None else tuple(clocks)})

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same in two measurements that are compared."""
        kept = (
            *("system", "architecture", "board", "processor", "cpus"),
            *("governor", "clock_range_mhz", "boost", "power_mode", "on_battery"),
        )
        same = {name: getattr(self, name) for name in kept}
        if self.browser is not None:
            of_browser = ("name", "version", "fresh", "isolated", "gpu")
            same["browser"] = {name: self.browser[name] for name in of_browser}
        return same if self.emulated is None else {**same, "emulated": self.emulated}


def observe(host: Host) -> Environment:
    """The environment of this machine, its files read through ``host``."""
    lowest = _numbers(host, f"{_CPU}/cpu*/cpufreq/scaling_min_freq")
    highest = _numbers(host, f"{_CPU}/cpu*/cpufreq/scaling_max_freq")
    load = (host.text("/proc/loadavg") or "").split()
    governors = {host.text(path) for path in host.glob(f"{_CPU}/cpu*/cpufreq/scaling_governor")} - {None}
    return Environment(
        system=platform.system(),
        kernel=platform.release(),
        architecture=platform.machine(),
        board=host.text("/proc/device-tree/model") or host.text("/sys/class/dmi/id/product_name") or None,
        processor=_processor(host),
        cpus=usable_cpus(),
        memory_bytes=_memory(host),
        governor=",".join(sorted(filter(None, governors))) or None,
        clock_range_mhz=(min(lowest) / 1000, max(highest) / 1000) if lowest and highest else None,
        boost=_boost(host),
        power_mode=_power_mode(host),
        on_battery=_on_battery(host),
        load=float(load[0]) if load else None,
        emulated=emulator(host),
    )


def _processor(host: Host) -> str | None:
    lines = (host.text("/proc/cpuinfo") or "").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    # x86 names the model, Arm the parts that it is made of.
    named = facts.get("model name") or facts.get("Hardware")
    if not named and "CPU part" in facts:
        named = f"Arm implementer {facts.get('CPU implementer', '?')} part {facts['CPU part']}"
    return named or platform.processor() or None


def _memory(host: Host) -> int | None:
    lines = (host.text("/proc/meminfo") or "").splitlines()
    total = [line.split()[1] for line in lines if line.startswith("MemTotal:")]
    return int(total[0]) * 1024 if total else None


def _boost(host: Host) -> bool | None:
    if (off := host.text(f"{_CPU}/intel_pstate/no_turbo")) is not None:
        return off == "0"
    on = host.text(f"{_CPU}/cpufreq/boost")
    return None if on is None else on == "1"


def _power_mode(host: Host) -> str | None:
    answer = host.command(("nvpmodel", "-q"))
    if answer and "NV Power Mode:" in answer:
        return answer.partition("NV Power Mode:")[2].split("\n")[0].strip()
    return host.text("/sys/firmware/acpi/platform_profile") or None


def _on_battery(host: Host) -> bool | None:
    mains = [host.text(path) for path in host.glob("/sys/class/power_supply/*/online")]
    known = [text for text in mains if text in {"0", "1"}]
    return "1" not in known if known else None


def _numbers(host: Host, pattern: str) -> list[float]:
    texts = [host.text(path) for path in host.glob(pattern)]
    return [float(text) for text in texts if text and text.isdecimal()]
