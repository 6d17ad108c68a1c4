"""What a measurement finds against itself: sensors in fake system trees, counters, and a machine that is busy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from short_protocol import SHORT

from edgekit import devices
from edgekit.bench.counters import Counters
from edgekit.bench.environment import Environment, observe
from edgekit.bench.host import LocalHost
from edgekit.bench.measure import Settings, measure
from edgekit.bench.measured import Measured, filled, peaceful
from edgekit.bench.protocol import QUICK
from edgekit.bench.readings import Sample, sample, watts_between
from edgekit.bench.result import Result
from edgekit.bench.stability import disturbance, judge
from edgekit.bench.statistics import estimate, null
from edgekit.bench.transports import LocalTransport
from edgekit.bench.yardstick import yardstick_ns
from edgekit.devices import CommandReading

posix_only = pytest.mark.skipif(
    sys.platform == "win32", reason="fake commands are shell scripts, and files have colons in their names"
)


def tree(root: Path, files: dict[str, str]) -> LocalHost:
    """A machine of these files; what lies in usr/bin is a shell script."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{content}\n" if "usr/bin" in name else f"{content}\n", encoding="utf-8")
        path.chmod(0o755)
    return LocalHost(root)


@posix_only
def test_a_raspberry_pi_tells_heat_throttling_and_power(tmp_path: Path) -> None:
    script = """case $1 in
measure_temp) echo "temp=81.2'C";;
get_throttled) echo "throttled=0x50005";;
pmic_read_adc) printf '%s\n' '  VDD_CORE_A current(7)=2.50000000A' '  3V3_SYS_A current(1)=0.10000000A' \\
  '  VDD_CORE_V volt(15)=0.80000000V' '  3V3_SYS_V volt(9)=3.30000000V' '  EXT5V_V volt(24)=5.10000000V';;
*) exit 1;;
esac"""
    host = tree(tmp_path, {"usr/bin/vcgencmd": script})
    seen = sample(host, devices.get("raspberry-pi-5").readings)
    assert seen.temperatures == {"measure-temp": 81.2}
    assert seen.throttled == ("Undervoltage detected", "Currently throttled")
    assert seen.throttle_counts == {"get-throttled": 5}
    assert seen.watts == pytest.approx({"VDD_CORE": 2.0, "3V3_SYS": 0.33})
    assert watts_between(seen, seen) == pytest.approx(2.33)


def test_a_jetson_tells_power_by_rail(tmp_path: Path) -> None:
    chip, other = "sys/class/hwmon/hwmon1/", "sys/class/hwmon/hwmon0/"
    rails = {"1": ("VDD_IN", "5000", "1000"), "2": ("VDD_CPU_GPU_CV", "5000", "400"), "3": ("VDD_SOC", "5000", "300")}
    files = {f"{chip}name": "ina3221", f"{other}name": "pwmfan", f"{other}in1_input": "12000"}
    for number, (label, millivolts, milliamperes) in rails.items():
        files |= {f"{chip}in{number}_label": label, f"{chip}in{number}_input": millivolts}
        files |= {f"{chip}curr{number}_input": milliamperes}
    files |= {"sys/class/thermal/thermal_zone0/temp": "49500", "sys/class/thermal/thermal_zone0/type": "cpu-thermal"}
    seen = sample(tree(tmp_path, files), devices.get("jetson-orin-nano").readings)
    assert seen.temperatures == {"cpu-thermal thermal_zone0": 49.5}
    assert seen.watts == pytest.approx({"VDD_IN": 5.0, "VDD_CPU_GPU_CV": 2.0, "VDD_SOC": 1.5})
    # The rail that feeds the others is the whole.
    assert watts_between(seen, seen) == pytest.approx(5.0)


@posix_only
def test_tegrastats_which_goes_on_for_ever(tmp_path: Path) -> None:
    line = "RAM 4722/7620MB (lfb 6x4MB) CPU [12%@1510,off] GR3D_FREQ 37%@[624] cpu@49.5C soc0@48C VDD_IN 5023mW/4980mW"
    host = tree(tmp_path, {"usr/bin/tegrastats": f"echo '{line}'; exec /bin/sleep 60"})
    readings = (
        CommandReading("stats-heat", "temperature", "degC", ("tegrastats",)),
        CommandReading("stats-power", "power", "mW", ("tegrastats",)),
    )
    seen = sample(host, readings)
    assert seen.temperatures == {"cpu": 49.5, "soc0": 48.0}
    assert seen.watts == {"VDD_IN": 5.023}


@posix_only
def test_a_desktop_tells_energy_and_throttling(tmp_path: Path) -> None:
    rapl, cpu = "sys/devices/virtual/powercap/intel-rapl/", "sys/devices/system/cpu/cpu0/"
    before = {
        f"{rapl}intel-rapl:0/energy_uj": "1000000",
        f"{rapl}intel-rapl:0:0/energy_uj": "400000",
        f"{cpu}thermal_throttle/package_throttle_count": "3",
        f"{cpu}cpufreq/scaling_cur_freq": "3400000",
    }
    first = sample(tree(tmp_path, before))
    assert first.clocks_mhz == {"cpu0": 3400}
    after = {f"{rapl}intel-rapl:0/energy_uj": "31000000", f"{cpu}thermal_throttle/package_throttle_count": "4"}
    second = replace(sample(tree(tmp_path, after)), at=first.at + 2)
    # The package's 30 J in two seconds; its cores are a part of it.
    assert watts_between(first, second) == pytest.approx(15)
    assert watts_between(second, replace(first, at=second.at + 1)) is None  # the counter has wrapped
    assert verdict([first, second]) == ("the processor was throttled while it measured (cpu0)",)


THERMALSERVICE = """IsStatusOverride: false
Thermal Status: 2
Cached temperatures:
\tTemperature{mValue=51.0, mType=3, mName=skin, mStatus=2}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=44.5, mType=3, mName=skin, mStatus=2}
\tTemperature{mValue=71.25, mType=0, mName=BIG, mStatus=0}
\tTemperature{mValue=0.0, mType=4, mName=USB, mStatus=0}
\tTemperature{mValue=-99.9, mType=6, mName=TYPE_POWER_AMPLIFIER, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=3, mType=2, mName=cpu}
"""


@posix_only
@pytest.mark.parametrize(("status", "watts"), [("Discharging", {"battery": 2.0}), ("Charging", {})])
def test_a_phone_tells_heat_throttling_and_its_batterys_power(
    status: str, watts: dict[str, float], tmp_path: Path
) -> None:
    battery = "sys/class/power_supply/battery/"
    files = {
        "usr/bin/dumpsys": f'[ "$1" = thermalservice ] && echo "{THERMALSERVICE}"',
        f"{battery}status": status,
        f"{battery}voltage_now": "4000000",
        f"{battery}current_now": "-500000",
    }
    seen = sample(tree(tmp_path, files), Settings(profile=devices.get("pixel-8")).readings)
    assert seen.temperatures == {"skin": 44.5, "BIG": 71.25}
    assert seen.throttled == ("moderate throttling",)
    assert seen.watts == pytest.approx(watts)
    assert verdict([seen, seen]) == ("the device says: moderate throttling",)


def test_the_kernel_holds_the_clock_down(tmp_path: Path) -> None:
    cooling = "sys/class/thermal/cooling_device"
    states = {"0": ("cpufreq-cpu0", "3"), "1": ("cpufreq-cpu4", "0"), "2": ("pwm-fan", "2")}
    files = {f"{cooling}{number}/type": kind for number, (kind, _) in states.items()}
    files |= {f"{cooling}{number}/cur_state": state for number, (_, state) in states.items()}
    seen = sample(tree(tmp_path, files), devices.get("jetson-orin-nano").readings)
    assert verdict([seen]) == ("the device says: cpufreq-cpu0 holds the processor down (state 3)",)


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path) -> None:
    seen = sample(LocalHost(tmp_path))
    assert seen == Sample(at=seen.at)
    assert watts_between(seen, seen) is None
    bare = observe(LocalHost(tmp_path))
    assert (bare.governor, bare.board, bare.power_mode, bare.on_battery, bare.load) == (None,) * 5


def test_an_environment(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/"
    files = {
        "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b",
        "proc/meminfo": "MemTotal:        8000000 kB\nMemFree: 1 kB",
        "proc/loadavg": "0.25 0.10 0.05 1/100 1",
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        f"{cpu}cpu0/cpufreq/scaling_governor": "ondemand",
        f"{cpu}cpu1/cpufreq/scaling_governor": "performance",
        f"{cpu}cpu0/cpufreq/scaling_min_freq": "1500000",
        f"{cpu}cpu0/cpufreq/scaling_max_freq": "2400000",
        f"{cpu}intel_pstate/no_turbo": "1",
        "sys/class/power_supply/AC/online": "0",
        "sys/firmware/acpi/platform_profile": "low-power",
    }
    seen = observe(tree(tmp_path, files))
    assert seen.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert seen.processor == "Arm implementer 0x41 part 0xd0b"
    assert (seen.memory_bytes, seen.load) == (8_192_000_000, 0.25)
    assert (seen.governor, seen.clock_range_mhz, seen.boost) == ("ondemand,performance", (1500, 2400), False)
    assert (seen.power_mode, seen.on_battery) == ("low-power", True)
    assert Environment.from_json(seen.to_json()) == seen


@posix_only
def test_a_jetsons_power_mode(tmp_path: Path) -> None:
    host = tree(tmp_path, {"usr/bin/nvpmodel": "echo 'NV Power Mode: 15W'; echo 0"})
    assert observe(host).power_mode == "15W"


def test_counters_of_a_busy_machine(tmp_path: Path) -> None:
    def set_to(busy: int, stolen: int, waited_ns: int) -> None:
        files = {
            "proc/stat": f"cpu  {busy} 0 0 1000 0 0 0 {stolen} 0 0\ncpu0 0",
            "proc/self/schedstat": f"5 {waited_ns} 7",
        }
        tree(tmp_path, files)

    set_to(1000, 10, 0)
    counters = Counters(tmp_path)
    yardstick_ns(2000)
    set_to(2000, 20, 10**8)
    seen = counters.since()
    # Ten seconds of the processors' time in a moment of which this process had but a part.
    assert seen.others_cpus == pytest.approx((10 - seen.cpu_seconds) / seen.seconds)
    assert seen.stolen_cpus == pytest.approx(0.1 / seen.seconds)
    assert seen.waited == pytest.approx(0.1 / seen.seconds)


def test_counters_where_there_is_no_proc(tmp_path: Path) -> None:
    seen = Counters(tmp_path).since()
    assert (seen.others_cpus, seen.stolen_cpus, seen.waited) == (None, None, None)
    assert disturbance(seen.to_json()) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"others_cpus": 0.15}, ""),
        ({"others_cpus": 0.9}, "other processes kept 0.9 of 4 processors busy"),
        ({"stolen_cpus": 0.2}, "the hypervisor took 0.20 processors away"),
        ({"waited": 0.3}, "it waited for a processor 30% of the time"),
        ({"waited": 0.3, "cpu_seconds": 1.99}, ""),  # for its own threads
    ],
)
def test_what_disturbs_a_process(change: dict[str, float], said: str) -> None:
    quiet = {"cpus": 4, "usable_cpus": 2, "seconds": 1.0, "cpu_seconds": 1.0}
    assert disturbance({**quiet, "others_cpus": 0.0, "stolen_cpus": 0.0, "waited": 0.0, **change}) == said


def process(call_ns: float = 1e6, **changes: Any) -> Measured:
    """A process that was left in peace."""
    given: dict[str, Any] = {
        "durations_ns": tuple(int(call_ns * (1 + 0.001 * (index % 5))) for index in range(20)),
        "loops": 1,
        "singles_ns": (),
        "slices": (4,) * 5,
        "yardstick_ns": (1000,) * 5,
        "bound": True,
        "cold": {},
        "warmup": {"windows_ns": [call_ns], "settled": True},
        "conditions": {},
        "disturbed": "",
    }
    return Measured(**{**given, **changes})


def verdict(
    samples: list[Sample] | None = None, processes: tuple[Measured, ...] = (), best: float | None = None
) -> tuple[str, ...]:
    processes = processes or (process(),) * QUICK.processes
    calls = [one.calls_ns for one in processes]
    return judge(processes, QUICK, estimate(calls), null(calls), samples or [], best).reasons


def test_peace_is_stable() -> None:
    assert verdict() == ()


def test_disturbed_processes_are_left_out_where_enough_are_left() -> None:
    loud = process(3e6, disturbed="other processes kept 1.0 of 2 processors busy")
    assert verdict(processes=(*[process()] * QUICK.processes, loud)) == ()
    (said,) = verdict(processes=(*[process()] * 4, *[loud] * 6))[:1]
    assert said == "other processes kept 1.0 of 2 processors busy (6 of 10 measuring processes disturbed)"


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ([process(1e6 * level) for level in np.linspace(0.8, 1.2, 10)], "the processes disagree"),
        ([process()] * 5 + [process(1.2e6)] * 5, "the later half was 20% slower than the first"),
        ([process(), process(1.2e6)] * 5, "measured against itself it differs by 17%"),
        ([process(warmup={"windows_ns": [], "settled": False})] * 6 + [process()] * 4, "the warm-up did not settle"),
        (
            [process()] * 4 + [process(yardstick_ns=(1300,) * 5)] * 6,
            "most of the time in 6 of 10 measuring processes",
        ),
    ],
)
def test_processes_that_disagree(processes: list[Measured], said: str) -> None:
    assert any(said in one for one in verdict(processes=tuple(processes)))


@given(
    quiet=st.lists(st.integers(100, 1000), min_size=1, max_size=30),
    slowed=st.lists(st.tuples(st.integers(0, 29), st.integers(1, 10**6), st.integers(1101, 9000)), max_size=60),
)
def test_slowed_slices_leave_no_trace(quiet: list[int], slowed: list[tuple[int, int, int]]) -> None:
    """Whatever was measured beside slow fixed work, the figures are those of the rest."""
    rows = [(duration, 1000) for duration in quiet]
    for place, duration, yardstick in slowed[: 2 * len(quiet)]:
        rows.insert(place, (duration, yardstick))
    durations, yardsticks = zip(*rows, strict=True)
    mixed = process(
        durations_ns=durations, loops=2, singles_ns=durations, slices=(1,) * len(rows), yardstick_ns=yardsticks
    )
    ((number, (used,)),) = peaceful([(mixed,)], QUICK).items()
    assert number == 0
    assert sorted(used.durations_ns) == sorted(used.singles_ns) == sorted(quiet)
    assert used.yardstick_ns == (1000,) * len(quiet)


def test_how_long_processes_are_started() -> None:
    """Until as many as it wants were left in peace; not where none of the first was."""
    slowed, loud = process(yardstick_ns=(1300,) * 5), process(disturbed="other processes")
    turns = [[(process(),)], [(slowed,)], [(loud,)]]
    peace, slow, busy = turns
    wanted = QUICK.processes
    assert not filled(peace * (wanted - 1), QUICK)
    assert filled(peace * wanted, QUICK)
    for other in (slow, busy):
        assert not filled(peace * (wanted - 1) + other * 9, QUICK)
        assert filled(peace * wanted + other * 9, QUICK)
        assert not filled(peace + other * wanted, QUICK)
    assert not filled(busy * (wanted - 1), QUICK)
    assert filled(busy * wanted, QUICK)


def test_a_machine_that_was_faster_before() -> None:
    assert verdict(best=990) == ()
    (said,) = verdict(best=800)
    assert said.startswith("fixed work took over 10% longer than this machine needs, most of the time in 10 of 10")


def test_throttled_now_and_clocks_that_drop() -> None:
    cool, hot = Sample(0, clocks_mhz={"cpu0": 2400.0}), Sample(9, clocks_mhz={"cpu0": 1500.0})
    assert verdict([cool, hot]) == ("the clocks dropped by 38% while it measured",)
    assert verdict([cool, replace(cool, throttled=("Currently throttled",))]) == (
        "the device says: Currently throttled",
    )
    # That it was throttled some day is no finding; that it was while it measured is.
    past = Sample(0, throttle_counts={"get-throttled": 5})
    assert verdict([past, past]) == ()


@posix_only
def test_energy_of_a_call_where_a_sensor_tells(tmp_path: Path, bench_bundle: Path) -> None:
    """A real model beside a Raspberry Pi's power chip that always says 2 W."""
    said = "printf '%s\\n' 'VDD_CORE_A current(7)=2.5A' 'VDD_CORE_V volt(15)=0.8V'"
    host = tree(tmp_path, {"usr/bin/vcgencmd": f'[ "$1" = pmic_read_adc ] && {said}'})
    how = Settings(SHORT, target="onnx", threads=1, profile=devices.get("raspberry-pi-5"), as_told=True)
    found = measure(bench_bundle, how, transport=LocalTransport(host))
    assert found.energy is not None
    assert found.energy["watts"] == pytest.approx(2)
    # Two watts for as long as a call takes, which is about the median.
    assert found.energy["joules_a_call"] == pytest.approx(2 * found.median.value / 1e9, rel=3)
    assert found.device == "raspberry-pi-5"
    assert found.readings[0]["watts"] == {"VDD_CORE": pytest.approx(2)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what other processes do")
def test_a_busy_machine_is_no_stable_one(bench_bundle: Path) -> None:
    """Real company: one process for each processor, that does nothing but count."""
    command = [sys.executable, "-c", "while True: pass"]
    company = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        found = measure(bench_bundle, Settings(SHORT, target="onnx", threads=1))
    finally:
        for one in company:
            one.kill()
            one.wait()
    assert found.stability.verdict == "unstable"
    assert "busy" in found.stability.reasons[0]
    assert all(one.disturbed for one in found.processes)
    # The company had come to stay: no more processes were tried.
    assert len(found.processes) == SHORT.processes


def test_what_the_sensors_say_is_in_the_result(result: Result) -> None:
    assert len(result.readings) == len(result.processes) + 1
    assert result.energy is None or result.energy["watts"] > 0
    assert result.environment == replace(observe(LocalHost()), load=result.environment.load)
