"""A saved Core ML model on disk: a .mlpackage folder or a .mlmodel file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgekit.coreml_reference.messages import Message, parse_model, unknown_fields
from edgekit.coreml_reference.schema import NEWEST_SPECIFICATION
from edgekit.errors import InputError


@dataclass(frozen=True)
class Package:
    """A model's description and where it lies.

    Attributes:
        path: the package or file, as it was given.
        model: the ``Model`` message.
        file: the file that holds the message.
    """

    path: Path
    model: Message
    file: Path

    @property
    def folder(self) -> Path:
        """What ``@model_path`` stands for in the names of weight files."""
        return self.file.parent


def read_package(path: Path) -> Package:
    """Read a model's description; its weights stay on disk.

    Raises:
        InputError: missing, damaged, or of a format newer than the one known here.
    """
    asked = f"load {path}"
    file = _model_file(path, asked) if path.is_dir() else path
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(asked, f"cannot read {file.name}: {error.strerror}", "copy the model again") from error
    try:
        model = parse_model(data)
    except ValueError as error:
        raise InputError(asked, f"{file.name} is damaged ({error})", "copy the model again") from error
    if not data or model.specificationVersion < 1:
        raise InputError(asked, f"{file.name} holds no Core ML model", "copy the model again")
    if model.specificationVersion > NEWEST_SPECIFICATION:
        raise InputError(
            asked,
            f"its specification version is {model.specificationVersion}, the newest known here is "
            f"{NEWEST_SPECIFICATION}",
            "update edgekit, or convert the model for an older system",
        )
    if model.WhichOneof("Type") is None:
        unknown = unknown_fields(model)
        why = f"its kind (field {unknown[0]}) is unknown here" if unknown else f"{file.name} says no kind of model"
        raise InputError(asked, why, "update edgekit" if unknown else "copy the model again")
    return Package(path, model, file)


def _model_file(path: Path, asked: str) -> Path:
    """The root model inside a package, as its manifest names it."""
    again = "copy the whole package again"
    if (path / "coremldata.bin").is_file():
        raise InputError(asked, "it is compiled (.mlmodelc)", "give the .mlpackage or .mlmodel that it was made from")
    try:
        items = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
        relative = items["itemInfoEntries"][items["rootModelIdentifier"]]["path"]
    except FileNotFoundError as error:
        raise InputError(asked, "it has no Manifest.json", again) from error
    except OSError as error:
        raise InputError(asked, f"cannot read its Manifest.json: {error.strerror}", again) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(asked, "its Manifest.json is damaged", again) from error
    if not isinstance(relative, str) or not relative:
        raise InputError(asked, "its Manifest.json is damaged", again)
    file = inside(path / "Data", relative)
    if file is None:
        raise InputError(asked, f"its manifest points outside the package ({relative})", "do not trust this package")
    if not file.is_file():
        raise InputError(asked, f"{relative} is missing", again)
    return file


def inside(folder: Path, relative: str) -> Path | None:
    """A file below a folder, links followed; ``None`` where the name leads elsewhere, or is none."""
    try:
        root = folder.resolve()
        file = (root / relative).resolve()
        file.is_file()
    except (OSError, ValueError, RuntimeError):
        return None
    return file if file.is_relative_to(root) else None
