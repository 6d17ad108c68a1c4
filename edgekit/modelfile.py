"""A model file on its own, outside a bundle: what it is and what it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.bundle.digest import companions, measure
from edgekit.convert import metadata
from edgekit.errors import InputError
from edgekit.runtime.loading import target_of

# The JSON document of `inspect --json` on a model file. 1: first.
SCHEMA = 1


def check_model_file(asked: str, path: Path) -> str:
    """The format of a model file that is there to be read.

    Raises:
        InputError: missing, of another kind, or neither a file nor a folder (a pipe would be waited on without end).
    """
    target = target_of(path)
    try:
        folder = path.suffix.lower() == ".mlpackage"
        there, readable = path.exists(), path.is_dir() if folder else path.is_file()
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), "check the path") from error
    if target is None or not there:
        raise InputError(asked, "no such model file", "check the path")
    if not readable:
        wanted = "a folder" if folder else "a file"
        raise InputError(asked, f"a {path.suffix.lower()} is {wanted}, and this is none", "check the path")
    return target


def describe(path: Path) -> dict[str, Any]:
    """A model file's format, size, digest, signature and embedded preprocessing contract.

    Raises:
        InputError: missing, or not what its suffix says.
    """
    target = check_model_file(f"inspect {path}", path)
    size = measure(path, companions=companions(path))
    signature = metadata.read_signature(target, path)
    contract = metadata.read_entry(target, path)
    return {
        "schema": SCHEMA,
        "target": target,
        "file": path.name,
        "bytes": size.bytes,
        "sha256": size.sha256,
        "signature": signature.to_json(),
        "preprocessing": json.loads(contract) if contract else None,
        "runtimes": metadata.oldest_runtime(target, path),
    }
