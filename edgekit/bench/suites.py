"""Suites: what to measure, as TOML files in ``benchmarks/suites``, edgekit's own and those of the user's project."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from edgekit import content
from edgekit.errors import InputError

SCHEMA = 1  # 1: the first
_TARGETS = ("onnx", "tflite", "coreml")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Model:
    """One model of a suite: a bundle that is there, or a function that makes one.

    Attributes:
        id: what it is called, in files and reports.
        bundle: its path, from the suite's file; or
        make: ``file.py:function`` beside the suite, called with the bundle's path, formats and schemes.
        targets: formats, in place of the suite's.
        schemes: in place of the suite's.
    """

    id: str
    bundle: str = ""
    make: str = ""
    targets: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        asked = f"model {self.id!r} of a suite"
        if not _ID.fullmatch(self.id):
            raise InputError(asked, "its id is no file's name", "take lower-case letters, digits and hyphens")
        if bool(self.bundle) == bool(self.make):
            raise InputError(asked, "it needs either a bundle or what makes one", "give `bundle` or `make`, not both")
        if self.make and not all(self.make.rpartition(":")[::2]):
            raise InputError(asked, f"{self.make!r} names no function", "write file.py:function")


@dataclass(frozen=True)
class Place:
    """Where models are measured; this machine without a host.

    Attributes:
        host: as ssh takes it.
        device: the device's class.
        python: the device's Python, where it is not the one that is found.
        wheelhouse: a folder of wheels for it, from the suite's file, instead of a download.
    """

    host: str | None = None
    device: str | None = None
    python: str | None = None
    wheelhouse: str | None = None

    def __post_init__(self) -> None:
        if self.host is None and (self.python or self.wheelhouse):
            raise InputError("a place of a suite", "it has a Python or wheels, but no host", "give `host` too")

    def __str__(self) -> str:
        """What it is called: the class, the host, both, or neither."""
        return " at ".join(filter(None, (self.device, self.host))) or "here"


@dataclass(frozen=True)
class Suite:
    """Models, formats, schemes, threads and places: all of each with all of the others.

    Attributes:
        path: its file.
        name: its heading.
        models: what is measured.
        targets: formats.
        schemes: of each format.
        threads: of the runtime.
        places: where.
        full: by the full protocol.
        seed: of everything random.
    """

    path: Path
    name: str
    models: tuple[Model, ...]
    targets: tuple[str, ...]
    schemes: tuple[str, ...] = ("float32",)
    threads: tuple[int, ...] = (1,)
    places: tuple[Place, ...] = (Place(),)
    full: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        ids = [one.id for one in self.models]
        asked = f"suite {self.id}"
        if not ids or len(set(ids)) < len(ids):
            raise InputError(asked, "it has no models, or two of one id", "give each [[models]] an id of its own")
        for target in itertools.chain(self.targets, *(one.targets for one in self.models)):
            if target not in _TARGETS:
                raise InputError(asked, f"there is no format {target!r}", f"take of {', '.join(_TARGETS)}")
        if not (self.targets and self.schemes and self.threads and self.places) or min(self.threads) < 1:
            raise InputError(asked, "nothing would be measured", "give targets, schemes, threads of 1 or more")

    @property
    def id(self) -> str:
        """The file's name."""
        return self.path.stem

    def jobs(self, place: Place) -> Iterator[Job]:
        """What is measured at one place, model by model."""
        for model in self.models:
            for target, scheme, threads in itertools.product(
                model.targets or self.targets, model.schemes or self.schemes, self.threads
            ):
                yield Job(model, target, scheme, threads, place)


@dataclass(frozen=True)
class Job:
    """One measurement of a suite."""

    model: Model
    target: str
    scheme: str
    threads: int
    place: Place

    @property
    def name(self) -> str:
        """``digits-linear onnx/float32, 1 thread``, and where if not here."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        where = "" if self.place == Place() else f", on {self.place}"
        return f"{self.model.id} {self.target}/{self.scheme}, {threads}{where}"


def suites() -> list[Path]:
    """The files of all suites that can be found."""
    folders = [folder / "suites" for folder in content.folders("benchmarks")]
    return [
        path for folder in folders for path in sorted(folder.glob("*.toml")) if not path.name.startswith(("_", "."))
    ]


def find(name: str) -> Suite:
    """A suite by its id, or by its file's path; the user's own comes before edgekit's of the same id.

    Raises:
        InputError: there is none, or its file is not as it should be.
    """
    if name.endswith(".toml"):
        return read(Path(name))
    known = suites()
    named = [path for path in known if path.stem == name]
    if not named:
        listed = ", ".join(path.stem for path in known) or "none"
        raise InputError(f"suite {name}", "there is no such suite", f"there are: {listed}; or give a file's path")
    return read(named[-1])


def read(path: Path) -> Suite:
    """A suite from its file.

    Raises:
        InputError: the file is missing, has unknown or missing keys, or values that cannot be meant.
    """
    document = content.read_toml(path)
    asked = f"read {path}"
    if document.pop("schema", None) != SCHEMA:
        raise InputError(asked, f"it is no suite of schema {SCHEMA}", f"begin it with schema = {SCHEMA}")
    models = tuple(_made(Model, one, asked) for one in _tables(document, "models", asked))
    places = tuple(_made(Place, one, asked) for one in _tables(document, "places", asked)) or (Place(),)
    return _made(Suite, {**document, "path": path, "models": models, "places": places}, asked)


def _tables(document: dict[str, Any], name: str, asked: str) -> list[dict[str, Any]]:
    found = document.pop(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(asked, f"{name} is no list of tables", f"write [[{name}]]")
    return found


# What a value of a field's type looks like in TOML.
_KINDS: dict[str, tuple[type, type | None]] = {
    "str": (str, None),
    "str | None": (str, None),
    "int": (int, None),
    "bool": (bool, None),
    "tuple[str, ...]": (list, str),
    "tuple[int, ...]": (list, int),
}


def _made(kind: type[_Made], given: Mapping[str, Any], asked: str) -> _Made:
    """A table as a dataclass, nothing more and nothing less."""
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    lacking = [name for name, one in known.items() if one.default is MISSING and name not in given]
    if unknown or lacking:
        wrong = [*(f"unknown {name}" for name in unknown), *(f"no {name}" for name in lacking)]
        raise InputError(asked, f"{kind.__name__.lower()}: {', '.join(wrong)}", f"its keys are {', '.join(known)}")
    values = {}
    for name, value in given.items():
        outer, inner = _KINDS.get(str(known[name].type), (object, None))
        whole = isinstance(value, outer) and not (outer is int and isinstance(value, bool))
        if not whole or (inner and not all(type(one) is inner for one in value)):
            raise InputError(asked, f"{name} = {value!r} is of the wrong kind", "see docs/schemas/suite.schema.json")
        values[name] = tuple(value) if inner else value
    return kind(**values)
