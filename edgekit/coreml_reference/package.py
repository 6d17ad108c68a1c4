"""A saved Core ML model on disk: a .mlpackage folder or a .mlmodel file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgekit.coreml_reference.messages import Message, parse_model
from edgekit.coreml_reference.schema import NEWEST_SPECIFICATION
from edgekit.errors import InputError


@dataclass(frozen=True)
class Package:
    """A model's description and the folder from which its weights are read.

    Attributes:
        path: the package or file, as it was given.
        model: the ``Model`` message.
        folder: what ``@model_path`` stands for in the names of weight files.
    """

    path: Path
    model: Message
    folder: Path


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
    if not data or model.specificationVersion < 1 or model.WhichOneof("Type") is None:
        raise InputError(asked, f"{file.name} holds no Core ML model", "copy the model again")
    if model.specificationVersion > NEWEST_SPECIFICATION:
        raise InputError(
            asked,
            f"its specification version is {model.specificationVersion}, the newest known here is "
            f"{NEWEST_SPECIFICATION}",
            "update edgekit, or convert the model for an older system",
        )
    return Package(path, model, file.parent)


def _model_file(path: Path, asked: str) -> Path:
    """The root model inside a package, as its manifest names it."""
    manifest = path / "Manifest.json"
    try:
        items = json.loads(manifest.read_text(encoding="utf-8"))
        relative = items["itemInfoEntries"][items["rootModelIdentifier"]]["path"]
    except OSError as error:
        raise InputError(asked, "it has no Manifest.json", "copy the whole package again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(asked, "its Manifest.json is damaged", "copy the whole package again") from error
    data = (path / "Data").resolve()
    file = (data / str(relative)).resolve()
    if not file.is_relative_to(data):
        raise InputError(asked, f"its manifest points outside the package ({relative})", "do not trust this package")
    if not file.is_file():
        raise InputError(asked, f"{relative} is missing", "copy the whole package again")
    return file
