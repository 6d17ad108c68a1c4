"""The one table of routes: dispatch, ``edgekit routes``, the README's matrix and the tests are produced from it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from edgekit import content
from edgekit.convert.options import ConvertOptions
from edgekit.errors import ConversionError, InputError
from edgekit.verify.tolerance import Tolerance

TARGETS = ("onnx", "tflite", "coreml")
SUFFIXES = {"onnx": ".onnx", "tflite": ".tflite", "coreml": ".mlpackage"}


class Converter(Protocol):
    """One function, one file: writes one model file for one source.

    ``source`` is the framework's own class of :class:`edgekit.sources.base.Source`; ``output`` is the path of the model
    file, whose folder exists. Raises :class:`ConversionError` naming the operator and the layer that cannot be
    converted; anything else that a vendor raises is wrapped by the caller with the log.
    """

    def __call__(self, source: Any, options: ConvertOptions, output: Path, /) -> None:
        """Write ``output``."""


@dataclass(frozen=True)
class Route:
    """A (source, target) pair and the converter that serves it.

    Attributes:
        source: the framework: ``torch``, ``tensorflow``, ``sklearn``, …
        target: the format: ``onnx``, ``tflite``, ``coreml``.
        convert: the converter.
        extra: the extra of edgekit that brings what the converter needs.
        requires: the modules that the converter imports, by the package that brings them.
        tested: the versions it was tested with, by package.
        tolerance: how far float32 outputs may be from the original's.
        schemes: the schemes that the converter itself makes; the others are made by quantizers.
        dynamic_batch: whether the model file can keep a dynamic batch dimension.
        known_gaps: what is known not to work, one phrase each.
        platforms: where the vendor has packages (``sys.platform`` values); empty for everywhere.
        via: the route that this one goes through, as ``"source → target"``, or empty.
        keeps_ranges: whether the converter makes ``int8`` itself of a model that was quantized in training.
    """

    source: str
    target: str
    convert: Converter
    extra: str
    requires: Mapping[str, str]
    tested: Mapping[str, str]
    tolerance: Tolerance
    schemes: tuple[str, ...] = ("float32",)
    dynamic_batch: bool = False
    known_gaps: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    via: str = ""
    keeps_ranges: bool = False

    def unavailable_because(self) -> str:
        """Why the route cannot be used here; empty where it can."""
        if self.platforms and sys.platform not in self.platforms:
            return f"the vendor's converter exists for {', '.join(self.platforms)} only"
        missing = sorted(package for module, package in self.requires.items() if not _importable(module))
        return f"{', '.join(missing)} not installed: pip install 'edgekit[{self.extra}]'" if missing else ""

    def installed_versions(self) -> dict[str, str]:
        """The versions of the tested packages that are installed here."""
        versions = {}
        for package in self.tested:
            try:
                versions[package] = metadata.version(package)
            except metadata.PackageNotFoundError:
                continue
        return versions


# What the converter file that is being loaded registers.
_REGISTERED: list[Route] = []


def converter(
    *,
    source: str,
    target: str,
    extra: str,
    requires: Mapping[str, str],
    tested: Mapping[str, str],
    tolerance: Tolerance,
    schemes: tuple[str, ...] = ("float32",),
    dynamic_batch: bool = False,
    known_gaps: tuple[str, ...] = (),
    platforms: tuple[str, ...] = (),
    via: str = "",
    keeps_ranges: bool = False,
) -> Callable[[Converter], Converter]:
    """Register a function as the converter of a pair; see :class:`Route` for the arguments.

    A pair that two files register is refused when they are loaded.

    Raises:
        InputError: the target is unknown.
    """

    def register(function: Converter) -> Converter:
        if target not in TARGETS:
            raise InputError(f"converter {source} → {target}", "unknown target", f"targets: {', '.join(TARGETS)}")
        _REGISTERED.append(
            Route(
                source, target, function, extra, dict(requires), dict(tested), tolerance, schemes, dynamic_batch,
                known_gaps, platforms, via, keeps_ranges,
            )
        )  # fmt: skip
        return function

    return register


@cache
def _load(path: Path) -> tuple[Route, ...]:
    """The routes of one converter file, loaded once by path as ``edgekit.converters.<stem>``."""
    name = f"edgekit.converters.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConversionError(f"load {path}", "not a Python file", "")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _REGISTERED.clear()
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, InputError):
            raise
        raise InputError(f"load converter {path.name}", f"{type(error).__name__}: {error}", "mend it") from error
    return tuple(_REGISTERED)


@cache
def _table(files: tuple[Path, ...]) -> tuple[Route, ...]:
    """The routes of all these files.

    Raises:
        InputError: two of them register the same pair.
    """
    table: dict[tuple[str, str], tuple[Route, Path]] = {}
    for path in files:
        for route in _load(path):
            pair = (route.source, route.target)
            if pair in table:
                asked = f"converter {route.source} → {route.target} in {path}"
                raise InputError(asked, f"{table[pair][1]} has registered it already", "keep one of them")
            table[pair] = (route, path)
    order = {target: index for index, target in enumerate(TARGETS)}
    found = (route for route, _ in table.values())
    return tuple(sorted(found, key=lambda route: (route.source, order[route.target])))


def routes() -> tuple[Route, ...]:
    """Every route, sorted by source, then by target in the order of :data:`TARGETS`."""
    return _table(tuple(content.files("converters", ".py")))


def get(source: str, target: str) -> Route:
    """The route of a pair.

    Raises:
        InputError: there is none; lists the targets that the source has.
    """
    for route in routes():
        if (route.source, route.target) == (source, target):
            return route
    have = [route.target for route in routes() if route.source == source]
    known = f"from {source} there are: {', '.join(have)}" if have else f"there is no route from {source}"
    if target not in TARGETS:
        raise InputError(f"target {target!r}", "unknown target", f"targets: {', '.join(TARGETS)}; {known}")
    raise InputError(f"convert {source} to {target}", "there is no such route", known)


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
