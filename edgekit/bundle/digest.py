"""SHA-256 digests of model files and of models that are several files.

The digest of several files is that of the text ``<path> NUL <sha256 of the file> LF``, one line a file, sorted by path;
paths are relative, with ``/`` between their parts.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.errors import InputError

BLOCK = 1 << 20


@dataclass(frozen=True)
class FileDigest:
    """One file: the SHA-256 of its content in lower-case hexadecimal, and its size in bytes."""

    sha256: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """``{"sha256", "bytes"}``."""
        return {"sha256": self.sha256, "bytes": self.bytes}


@dataclass(frozen=True)
class ModelDigest:
    """One model: the arguments ``sha256``, ``bytes`` and ``files`` of an :class:`~edgekit.bundle.manifest.Artifact`."""

    sha256: str
    bytes: int
    files: Mapping[str, FileDigest] = field(default_factory=dict)


def file_digest(path: Path) -> FileDigest:
    """The digest of one file, read block by block."""
    state, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
            size += len(block)
    return FileDigest(state.hexdigest(), size)


def tree_digest(files: Mapping[str, FileDigest]) -> FileDigest:
    """The digest of several files together, and the sum of their sizes."""
    lines = "".join(f"{path}\0{files[path].sha256}\n" for path in sorted(files))
    return FileDigest(hashlib.sha256(lines.encode()).hexdigest(), sum(file.bytes for file in files.values()))


def companions(path: Path) -> list[str]:
    """The names of the files beside a model that belong to it: ONNX keeps more than 2 GB of weights so."""
    return [item.name for item in path.parent.glob(f"{glob.escape(path.name)}.data")] if path.is_file() else []


def measure(path: Path, name: str | None = None, companions: Iterable[str] = ()) -> ModelDigest:
    """The digest of a model: of one file, of a folder (``.mlpackage``), or of a file with others beside it.

    Args:
        path: the model file or folder.
        name: what the file is called in the bundle, where that is not its name here.
        companions: the names of files beside it that belong to it (ONNX external data).

    Raises:
        InputError: a file is missing or cannot be read.
    """
    try:
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.is_file())
            files = {file.relative_to(path).as_posix(): file_digest(file) for file in found}
        else:
            whole = file_digest(path)
            files = {beside: file_digest(path.parent / beside) for beside in companions}
            if not files:
                return ModelDigest(whole.sha256, whole.bytes)
            files[name or path.name] = whole
    except OSError as error:
        raise InputError(f"read {path}", error.strerror or str(error), "give an existing model file") from error
    whole = tree_digest(files)
    return ModelDigest(whole.sha256, whole.bytes, dict(sorted(files.items())))
