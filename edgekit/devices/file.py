"""A device profile read from its TOML file; whatever is wrong in it is refused by name."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from edgekit import content
from edgekit.devices.profile import (
    ACCELERATORS,
    ARCHITECTURES,
    FORMATS,
    KINDS,
    QUANTITIES,
    SYSTEMS,
    TRANSPORTS,
    UNITS,
    Accelerator,
    CommandReading,
    DeviceProfile,
    FastScheme,
    FilesReading,
    Match,
    Memory,
    Processor,
    Runtime,
    Source,
    covers,
)
from edgekit.errors import InputError

# Edgekit's own rule, as the order of runtimes is: no page says it.
_OWN_RULE = ("transports", "match.system", "match.cpu_flags")


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
    for system in profile.match.system if profile.match else ():
        _one_of(system, SYSTEMS, file, "match.system")
    if profile.match == Match():
        raise _wrong(file, "'match' is empty", "say by what a machine is recognized, or leave it out")
    runtimes = tuple(runtime.name for runtime in profile.runtimes)
    for scheme in profile.schemes:
        for name in scheme.runtimes:
            _one_of(name, runtimes, file, f"schemes.{scheme.name}.runtimes")


def _check_sources(profile: DeviceProfile, facts: list[str], file: Path) -> None:
    for source in profile.sources:
        if not source.url.startswith("https://"):
            raise _wrong(file, f"the source {source.url!r} is no https:// address", "give the page's address")
        for entry in source.facts:
            if entry not in _OWN_RULE and not any(covers(entry, fact) for fact in facts):
                raise _wrong(file, f"a source names {entry!r}, which the file does not have", "correct the name")
    bare = [fact for fact in facts if fact not in _OWN_RULE and not profile.sources_of(fact)]
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
    "match": lambda table, file, where: _build(Match, table, file, where),
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
