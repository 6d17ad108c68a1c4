"""What a device's sensors say: temperature, throttling, power; by its profile's ``readings``, absent where it has none.

Formats: vcgencmd (``temp=48.3'C``, ``throttled=0x50005``, ``VDD_CORE_A current(7)=1.2A``) is Raspberry Pi's, tegrastats
(``VDD_IN 5023mW/4980mW cpu@49.5C``) NVIDIA's, ``dumpsys thermalservice`` (``Thermal Status: 2``,
``Temperature{mValue=37.1, mType=3, mName=skin, mStatus=0}``) Android's from version 10 on; the rest are files of the
Linux kernel (hwmon, thermal, powercap, power_supply).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from edgekit.bench.host import Host
from edgekit.devices import CommandReading, FilesReading

Reading = CommandReading | FilesReading

# What any Linux machine may have; a device's profile says more, and takes the place of these.
GENERIC: tuple[Reading, ...] = (
    FilesReading("thermal-zones", "temperature", "millidegC", "/sys/class/thermal/thermal_zone*/temp"),
    FilesReading("coretemp", "temperature", "millidegC", "/sys/class/hwmon/hwmon*/temp*_input", "coretemp"),
    FilesReading(
        "thermal-throttle",
        "throttling",
        "count",
        "/sys/devices/system/cpu/cpu*/thermal_throttle/package_throttle_count",
    ),
    FilesReading("rapl", "energy", "uJ", "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/energy_uj"),
)
_THERMALSERVICE = ("dumpsys", "thermalservice")
# What phones and tablets have; Android's own words for its levels, of which 0 is none.
ANDROID: tuple[Reading, ...] = (
    *GENERIC,
    CommandReading(
        "thermal-status",
        "throttling",
        "level",
        _THERMALSERVICE,
        {
            "1": "light throttling",
            "2": "moderate throttling",
            "3": "severe throttling",
            "4": "critical throttling",
            "5": "thermal emergency",
            "6": "thermal shutdown",
        },
    ),
    CommandReading("thermalservice", "temperature", "degC", _THERMALSERVICE),
    FilesReading("battery-voltage", "voltage", "uV", "/sys/class/power_supply/battery/voltage_now"),
    FilesReading("battery-current", "current", "uA", "/sys/class/power_supply/battery/current_now"),
)
# The kernel's own hold on the processors' clocks: above 0 it keeps them down.
_COOLING = "/sys/class/thermal/cooling_device*/cur_state"
_CLOCKS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq"
# Raspberry Pi's bits from here on tell of the time since it started.
_PAST_BITS = 16


@dataclass(frozen=True)
class Sample:
    """All sensors at one moment.

    Attributes:
        at: seconds of a clock that only goes forward.
        temperatures: degrees Celsius, by sensor.
        clocks_mhz: by processor.
        throttled: what the device says slows it now.
        throttle_counts: times that it has been slowed, by counter.
        watts: by rail; where the device gives a total (``VDD_IN``) that is among them.
        joules: counters of energy, by domain.
    """

    at: float
    temperatures: Mapping[str, float] = field(default_factory=dict)
    clocks_mhz: Mapping[str, float] = field(default_factory=dict)
    throttled: tuple[str, ...] = ()
    throttle_counts: Mapping[str, int] = field(default_factory=dict)
    watts: Mapping[str, float] = field(default_factory=dict)
    joules: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The sample as a JSON object."""
        return {**asdict(self), "throttled": list(self.throttled)}


def sample(host: Host, readings: Sequence[Reading] = GENERIC) -> Sample:
    """Read every sensor once; what cannot be read is left out."""
    found: dict[str, dict[str, float]] = {}
    throttled: list[str] = []
    # One answer may hold several readings, and takes its time.
    commands = {one.command: None for one in readings if isinstance(one, CommandReading)}
    answers = {command: host.command(command) for command in commands}
    for one in readings:
        if isinstance(one, CommandReading):
            if (answer := answers[one.command]) is not None:
                _from_command(one, answer, found, throttled)
        else:
            for name, value in _numbers(host, one):
                found.setdefault(one.quantity, {})[name] = value / _SCALE.get(one.unit, 1)
    throttled += _held_down(host)
    clocks = {path.split("/")[-3]: _number(host.text(path)) for path in host.glob(_CLOCKS)}
    watts = found.get("power", {}) | _products(found.get("voltage", {}), found.get("current", {}))
    return Sample(
        at=time.monotonic(),
        temperatures=found.get("temperature", {}),
        clocks_mhz={name: kilohertz / 1000 for name, kilohertz in clocks.items() if kilohertz},
        throttled=tuple(throttled),
        throttle_counts={name: int(count) for name, count in found.get("throttling", {}).items()},
        watts=watts,
        joules=found.get("energy", {}),
    )


def watts_between(before: Sample, after: Sample) -> float | None:
    """The mean power of the whole device between two samples; ``None`` where it cannot tell.

    Of energy counters that is their increase over the time (one that has wrapped tells nothing); of rails, the mean
    of the two moments: of a total (Jetson's ``VDD_IN``) that alone, else the sum.
    """
    counters = {name: after.joules[name] - joules for name, joules in before.joules.items() if name in after.joules}
    # intel-rapl:0:1 is a part of intel-rapl:0.
    whole = [joules for name, joules in counters.items() if name.count(":") < 2]
    if whole and min(whole) >= 0 and after.at > before.at:
        return sum(whole) / (after.at - before.at)
    both = [_total(one.watts) for one in (before, after) if one.watts]
    return sum(both) / len(both) if len(both) == 2 else None


def _total(watts: Mapping[str, float]) -> float:
    total = [value for name, value in watts.items() if name.upper().startswith("VDD_IN")]
    return total[0] if total else sum(watts.values())


_SCALE = {"millidegC": 1000.0, "uJ": 1e6, "mW": 1000.0, "mV": 1000.0, "mA": 1000.0, "uV": 1e6, "uA": 1e6}


def _held_down(host: Host) -> list[str]:
    """What of the kernel's cooling slows the processors now."""
    found = []
    for path in host.glob(_COOLING):
        # Nearly all are at 0.
        state = _number(host.text(path))
        if state and "cpufreq" in (kind := host.text(f"{path.rpartition('/')[0]}/type") or ""):
            found.append(f"{kind} holds the processor down (state {state:g})")
    return found


def _numbers(host: Host, reading: FilesReading) -> list[tuple[str, float]]:
    """The sensors that a pattern names, each called by its label where it has one."""
    found = []
    for path in host.glob(reading.files):
        folder, _, file = path.rpartition("/")
        if reading.driver is not None and host.text(f"{folder}/name") != reading.driver:
            continue
        battery = "/power_supply/" in path
        # What goes through a battery is the device's own need only where nothing charges it.
        if battery and host.text(f"{folder}/status") != "Discharging":
            continue
        if (value := _number(host.text(path))) is not None:
            # Drivers do not agree on the sign of a current that leaves it.
            found.append((_label(host, folder, file), abs(value) if battery else value))
    return found


def _label(host: Host, folder: str, file: str) -> str:
    """What hwmon's label calls a sensor (a current has its voltage's), a zone's type, else the folder."""
    sensor = re.fullmatch(r"(in|curr|temp|power)(\d+)_input", file)
    if sensor:
        kinds = ("in", "curr") if sensor[1] == "curr" else (sensor[1],)
        labels = [host.text(f"{folder}/{kind}{sensor[2]}_label") for kind in kinds]
        return next((label for label in labels if label), f"{folder.rpartition('/')[2]}/{sensor[2]}")
    zone = host.text(f"{folder}/type")
    name = folder.rpartition("/")[2]
    if name == "thermal_throttle":
        name = folder.split("/")[-2]
    return f"{zone} {name}" if zone else name


def _products(volts: Mapping[str, float], amperes: Mapping[str, float]) -> dict[str, float]:
    return {name: volts[name] * amperes[name] for name in volts if name in amperes}


def _from_command(
    reading: CommandReading, answer: str, found: dict[str, dict[str, float]], throttled: list[str]
) -> None:
    if reading.quantity == "throttling" and reading.unit == "bits":
        bits = re.search(r"0x[0-9a-fA-F]+", answer)
        value = int(bits[0], 16) if bits else 0
        for number, meaning in reading.bits.items():
            if value >> int(number) & 1 and int(number) < _PAST_BITS:
                throttled.append(meaning)
        found.setdefault("throttling", {})[reading.name] = value >> _PAST_BITS
        return
    if reading.quantity == "throttling" and reading.unit == "level":
        level = re.search(r"Thermal Status: (\d+)", answer)
        if level and level[1] in reading.bits:
            throttled.append(reading.bits[level[1]])
        return
    values = found.setdefault(reading.quantity, {})
    if reading.unit == "V and A by rail":
        rails = re.findall(r"(\w+)_([AV]) \w+\(\d+\)=([\d.]+)[AV]", answer)
        sides = {kind: {name: float(value) for name, unit, value in rails if unit == kind} for kind in "AV"}
        values.update(_products(sides["V"], sides["A"]))
    elif reading.unit == "mW":
        line = answer.strip().splitlines()[0]
        values.update({name: float(now) / 1000 for name, now in re.findall(r"(\w+) (\d+)mW(?:/\d+mW)?", line)})
    elif reading.unit == "degC" and "@" in answer:
        line = answer.strip().splitlines()[0]
        values.update({name: float(now) for name, now in re.findall(r"(\w+)@(-?[\d.]+)C\b", line)})
    elif reading.unit == "degC" and "Temperature{" in answer:
        # Cached ones may be old.
        _, _, live = answer.partition("Current temperatures from HAL:")
        pairs = re.findall(r"Temperature\{mValue=(-?[\d.]+), mType=-?\d+, mName=([^,}]+)", live)
        # A sensor that is not there says 0 or -99.9.
        values.update({name: float(now) for now, name in pairs if float(now) > 0})
    elif (lone := re.search(r"-?\d+(?:\.\d+)?", answer)) is not None:
        values[reading.name] = float(lone[0]) / _SCALE.get(reading.unit, 1)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"-?\d+(?:\.\d+)?", text) else None
