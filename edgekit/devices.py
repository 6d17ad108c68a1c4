"""Device profiles: what is publicly known of a class of devices, every fact with its source.

A profile is one TOML file in ``devices/``, edgekit's own or the user's project's; its id is the file's stem. It holds
facts of the *class* (a Raspberry Pi 5), never measurements of one machine: those belong to a benchmark result. What is
not known is absent.
"""

from __future__ import annotations

import difflib
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from edgekit import content
from edgekit.errors import InputError

SCHEMA = 1  # 1: the first

KINDS = ("sbc", "module", "desktop", "laptop", "server", "phone", "tablet", "browser")
ARCHITECTURES = ("aarch64", "armv7l", "x86_64", "riscv64", "wasm32")
ACCELERATORS = ("gpu", "npu", "tpu", "dsp")
FORMATS = ("onnx", "tflite", "coreml")
TRANSPORTS = ("local", "ssh", "adb", "browser")
QUANTITIES = ("temperature", "throttling", "energy", "power", "voltage", "current")
UNITS = ("degC", "millidegC", "count", "bits", "uJ", "mW", "mV", "mA", "V and A by rail")


@dataclass(frozen=True)
class Processor:
    """The processor: cores and clock (MHz, the highest), and the instruction sets that inference kernels look for."""

    name: str
    architecture: str
    cores: int | None = None
    clock_mhz: int | None = None
    instruction_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """The main memory: sizes in GB that the class is sold with, bus width in bits, peak bandwidth in GB/s."""

    type: str | None = None
    sizes_gb: tuple[int, ...] = ()
    bus_bits: int | None = None
    bandwidth_gb_per_s: float | None = None


@dataclass(frozen=True)
class Accelerator:
    """What computes beside the processor, one of :data:`ACCELERATORS`; ``cores`` are CUDA cores on Nvidia's."""

    name: str
    kind: str
    cores: int | None = None
    tensor_cores: int | None = None
    compute_capability: str | None = None


@dataclass(frozen=True)
class Runtime:
    """A runtime that runs on the class, with its execution providers or delegates, the preferred one first."""

    name: str
    format: str
    execution_providers: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()


@dataclass(frozen=True)
class FastScheme:
    """A quantization scheme for which the class has instructions, in which runtimes, and under what condition."""

    name: str
    runtimes: tuple[str, ...]
    condition: str | None = None


@dataclass(frozen=True)
class CommandReading:
    """A quantity that a command on the device prints; ``bits`` says what a set bit means, by its number."""

    name: str
    quantity: str
    unit: str
    command: tuple[str, ...]
    bits: Mapping[str, str] = field(default_factory=dict)
    condition: str | None = None


@dataclass(frozen=True)
class FilesReading:
    """A quantity in files on the device (a glob pattern); ``driver`` is what the hwmon folder's ``name`` file says."""

    name: str
    quantity: str
    unit: str
    files: str
    driver: str | None = None
    condition: str | None = None


@dataclass(frozen=True)
class Source:
    """A public page, its words on the matter as they stand there, and the facts that it covers."""

    url: str
    says: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class DeviceProfile:
    """A class of devices.

    Attributes:
        id: the file's stem.
        name: what people call it.
        kind: one of :data:`KINDS`.
        processor: the processor.
        runtimes: what runs there, in edgekit's order of preference (a default, to be measured, not a fact).
        transports: how edgekit reaches one, one of :data:`TRANSPORTS` each.
        sources: where the facts come from.
        memory: the main memory, where known.
        accelerators: what computes beside the processor.
        schemes: the quantization schemes that the class has instructions for.
        readings: how to read temperature, throttling and power, the preferred way first.
    """

    id: str
    name: str
    kind: str
    processor: Processor
    runtimes: tuple[Runtime, ...]
    transports: tuple[str, ...]
    sources: tuple[Source, ...]
    memory: Memory | None = None
    accelerators: tuple[Accelerator, ...] = ()
    schemes: tuple[FastScheme, ...] = ()
    readings: tuple[CommandReading | FilesReading, ...] = ()

    def reading(self, quantity: str) -> tuple[CommandReading | FilesReading, ...]:
        """The ways to read one of :data:`QUANTITIES`, the preferred one first; empty where none is known."""
        return tuple(one for one in self.readings if one.quantity == quantity)

    def sources_of(self, fact: str) -> tuple[Source, ...]:
        """The sources that cover a fact (``processor.cores``, ``runtimes.litert``)."""
        return tuple(source for source in self.sources if any(_covers(entry, fact) for entry in source.facts))

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object (``docs/schemas/device.schema.json``): what is not known is absent."""
        return {"schema": SCHEMA, **_known(asdict(self))}


def profiles() -> tuple[DeviceProfile, ...]:
    """Every device profile, edgekit's own first, then the user's project's.

    Raises:
        InputError: a file is not a valid profile, or two files have one id.
    """
    found: dict[str, Path] = {}
    for file in content.files("devices", ".toml"):
        if file.stem in found:
            why = f"{found[file.stem]} already describes the device {file.stem!r}"
            raise InputError(f"read {file}", why, "rename one of the two files")
        found[file.stem] = file
    return tuple(read(file) for file in found.values())


def get(id: str) -> DeviceProfile:  # noqa: A002 - "id" is what the field, the file and the command line call it
    """The profile of one device class.

    Raises:
        InputError: there is none of this id; lists the known ones, the nearest first, and chooses none.
    """
    known = {profile.id: profile for profile in profiles()}
    if id in known:
        return known[id]
    nearest = sorted(known, key=lambda one: (-difflib.SequenceMatcher(None, id.lower(), one).ratio(), one))
    listed = f"the known devices are {', '.join(nearest)}" if nearest else "no device profile was found"
    raise InputError(f"device {id!r}", "no such device", f"{listed}; a file devices/{id}.toml in your project adds one")


def read(file: Path) -> DeviceProfile:
    """The profile that a TOML file holds.

    Raises:
        InputError: the file is not TOML, has an unknown key, lacks one, has a value of the wrong type, names one thing
            twice, or has a fact that no source covers.
    """
    table = content.read_toml(file)
    _known_keys(table, set(_PARTS) | {"name", "kind", "transports"}, file, "")
    for key in ("name", "kind", "processor", "runtimes", "transports", "sources"):
        if key not in table:
            raise _wrong(file, f"{key!r} is missing", f"add {key!r}")
    profile = DeviceProfile(
        id=file.stem,
        name=_value(table["name"], str, file, "name"),
        kind=_one_of(_value(table["kind"], str, file, "kind"), KINDS, file, "kind"),
        transports=_value(table["transports"], tuple[str, ...], file, "transports"),
        **{key: build(table[key], file, key) for key, build in _PARTS.items() if key in table},
    )
    _check_values(profile, file)
    _check_sources(profile, list(_facts(table)), file)
    return profile


def _check_values(profile: DeviceProfile, file: Path) -> None:
    _one_of(profile.processor.architecture, ARCHITECTURES, file, "processor.architecture")
    for transport in profile.transports:
        _one_of(transport, TRANSPORTS, file, "transports")
    for accelerator in profile.accelerators:
        _one_of(accelerator.kind, ACCELERATORS, file, f"accelerators.{accelerator.name}.kind")
    for runtime in profile.runtimes:
        _one_of(runtime.format, FORMATS, file, f"runtimes.{runtime.name}.format")
    for reading in profile.readings:
        _one_of(reading.quantity, QUANTITIES, file, f"readings.{reading.name}.quantity")
        _one_of(reading.unit, UNITS, file, f"readings.{reading.name}.unit")
        for bit in reading.bits if isinstance(reading, CommandReading) else ():
            if not bit.isdecimal():
                raise _wrong(file, f"'readings.{reading.name}.bits' has {bit!r}", "number the bits from 0")
    runtimes = tuple(runtime.name for runtime in profile.runtimes)
    for scheme in profile.schemes:
        for name in scheme.runtimes:
            _one_of(name, runtimes, file, f"schemes.{scheme.name}.runtimes")


def _check_sources(profile: DeviceProfile, facts: list[str], file: Path) -> None:
    for source in profile.sources:
        if not source.url.startswith("https://"):
            raise _wrong(file, f"the source {source.url!r} is no https:// address", "give the page's address")
        for entry in source.facts:
            if entry != "transports" and not any(_covers(entry, fact) for fact in facts):
                raise _wrong(file, f"a source names {entry!r}, which the file does not have", "correct the name")
    bare = [fact for fact in facts if not profile.sources_of(fact)]
    if bare:
        raise _wrong(file, f"no source covers {', '.join(bare)}", "name a source that says so, or leave the fact out")


def _facts(table: Mapping[str, Any]) -> Iterator[str]:
    """The dotted name of every fact in a profile's table: ``processor.cores``, ``runtimes.litert.format``."""
    for part in _PARTS:
        if part == "sources" or part not in table:
            continue
        value = table[part]
        if isinstance(value, dict):
            yield from (f"{part}.{key}" for key in value)
        else:
            yield from (f"{part}.{item['name']}.{key}" for item in value for key in item if key != "name")


def _covers(entry: str, fact: str) -> bool:
    return fact == entry or fact.startswith(f"{entry}.")


def _build(kind: type[Any], table: Any, file: Path, where: str) -> Any:
    """A table as a frozen dataclass; unknown keys, missing keys and wrong types are refused by name."""
    if not isinstance(table, dict):
        raise _wrong(file, f"{where!r} is no table", f"write it as [{where}]")
    declared = {one.name: one for one in fields(kind)}
    _known_keys(table, set(declared), file, f" in {where!r}")
    for name, one in declared.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise _wrong(file, f"{name!r} is missing in {where!r}", f"add {name!r}")
    hints = typing.get_type_hints(kind)
    return kind(**{key: _value(value, hints[key], file, f"{where}.{key}") for key, value in table.items()})


def _build_all(items: Any, file: Path, where: str, kind: Callable[[Any], type[Any]]) -> tuple[Any, ...]:
    """A list of tables, each as the class that ``kind`` says it is; names are given once."""
    if not isinstance(items, list) or not items:
        raise _wrong(file, f"{where!r} is no list of tables", f"write each as [[{where}]], or leave {where!r} out")
    built = tuple(_build(kind(item), item, file, where) for item in items)
    names = [one.name for one in built if hasattr(one, "name")]
    for name in names:
        if "." in name:
            raise _wrong(file, f"the name {name!r} has a dot in it", "rename it: facts are named with dots")
        if names.count(name) > 1:
            raise _wrong(file, f"{name!r} stands twice in {where!r}", "rename one")
    return built


def _reading_kind(item: Any) -> type[CommandReading | FilesReading]:
    return CommandReading if isinstance(item, dict) and "command" in item else FilesReading


def _list_of(kind: type[Any]) -> Callable[[Any, Path, str], tuple[Any, ...]]:
    return lambda items, file, where: _build_all(items, file, where, lambda _: kind)


_PARTS: dict[str, Callable[[Any, Path, str], Any]] = {
    "processor": lambda table, file, where: _build(Processor, table, file, where),
    "memory": lambda table, file, where: _build(Memory, table, file, where),
    "accelerators": _list_of(Accelerator),
    "runtimes": _list_of(Runtime),
    "schemes": _list_of(FastScheme),
    "readings": lambda items, file, where: _build_all(items, file, where, _reading_kind),
    "sources": _list_of(Source),
}


def _value(value: Any, hint: Any, file: Path, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list) or not value:
            raise _wrong(file, f"{where!r} is no list with something in it", "write a list, or leave it out")
        return tuple(_value(item, arguments[0], file, where) for item in value)
    if origin is Mapping:
        if not isinstance(value, dict) or not value:
            raise _wrong(file, f"{where!r} is no table", "write a table, or leave it out")
        return {key: _value(item, str, file, f"{where}.{key}") for key, item in value.items()}
    if hint is str:
        fits = isinstance(value, str) and bool(value.strip())
    else:  # bool is no number here
        fits = type(value) in ((int, float) if hint is float else (int,)) and 0 < value < math.inf
    if not fits:
        wanted = {str: "text", int: "a positive whole number", float: "a positive number"}[hint]
        raise _wrong(file, f"{where!r} is {value!r}", f"write {wanted}, or leave it out")
    return value


def _one_of(value: str, allowed: tuple[str, ...], file: Path, where: str) -> str:
    if value not in allowed:
        raise _wrong(file, f"{where!r} is {value!r}", f"write one of {', '.join(allowed)}")
    return value


def _known_keys(table: Mapping[str, Any], known: set[str], file: Path, where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise _wrong(file, f"unknown key {unknown[0]!r}{where}", f"the known ones are {', '.join(sorted(known))}")


def _wrong(file: Path, why: str, next_step: str) -> InputError:
    return InputError(f"device profile {file}", why, next_step)


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items() if one is not None and one not in ((), {})}
    if isinstance(value, (tuple, list)):
        return [_known(one) for one in value]
    return value
