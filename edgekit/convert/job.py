"""What passes between a conversion and its worker processes: requests, made files and references, as JSON and .npz."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bundle import Binding
from edgekit.convert.make import Made
from edgekit.convert.prepare import Prepared
from edgekit.signature import Array, Signature
from edgekit.verify.tolerance import Tolerance

SAMPLES = "samples.npz"
REFERENCE = "reference.npz"
SOURCE = "source.json"
# The exit code of a worker that could not write its result because the disk is full (sysexits.h: EX_IOERR).
DISK_FULL = 74


def write_reference(work: Path, prepared: Prepared, runs: Sequence[Mapping[str, Array]] | None) -> None:
    """Leave in the work folder what the verification and the bundle need of the source."""
    prepared.samples.save(work / SAMPLES)
    if runs is not None:
        # Numbered members: an output's name may be anything, a member's may not.
        names = prepared.signature.output_names
        arrays = {f"{i}.{j}": _storable(run[name]) for i, run in enumerate(runs) for j, name in enumerate(names)}
        np.savez(work / REFERENCE, **arrays)  # type: ignore[arg-type]
        if prepared.probes is not None:
            prepared.probes.save(work)
    write_json(work / SOURCE, source_facts(prepared))


def source_facts(prepared: Prepared) -> dict[str, Any]:
    """What the manifest says of the source."""
    return {
        "source": {"framework": prepared.source.framework, **prepared.source.provenance.to_json()},
        "signature": prepared.signature.to_json(),
        "notes": [*prepared.samples.notes, *prepared.source.notes, *prepared.notes],
        "columns": {name: list(columns) for name, columns in prepared.source.columns.items()},
    }


def read_reference(work: Path, signature: Signature) -> list[dict[str, Array]] | None:
    """The original's outputs that :func:`write_reference` left, run by run."""
    path = work / REFERENCE
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as stored:
        count = 1 + max(int(key.partition(".")[0]) for key in stored.files)
        return [{n: stored[f"{i}.{j}"] for j, n in enumerate(signature.output_names)} for i in range(count)]


def made_to_json(made: Made) -> dict[str, Any]:
    """A made file as a JSON object."""
    return {
        "scheme": made.scheme,
        "path": str(made.path),
        "seconds": made.seconds,
        "signature": made.signature.to_json(),
        "inputs": [binding.to_json() for binding in made.inputs],
        "outputs": [binding.to_json() for binding in made.outputs],
        "tolerance": made.tolerance.to_json(),
        "versions": dict(made.versions),
        "runtimes": dict(made.runtimes),
        "notes": list(made.notes),
        "base": made_to_json(made.base) if made.base else None,
    }


def made_from_json(data: Mapping[str, Any]) -> Made:
    """The made file that :func:`made_to_json` wrote."""
    return Made(
        data["scheme"],
        Path(data["path"]),
        data["seconds"],
        Signature.from_json(data["signature"]),
        tuple(Binding.from_json(binding) for binding in data["inputs"]),
        tuple(Binding.from_json(binding) for binding in data["outputs"]),
        Tolerance(**data["tolerance"]),
        data["versions"],
        data["runtimes"],
        tuple(data["notes"]),
        made_from_json(data["base"]) if data["base"] else None,
    )


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(data), encoding="utf-8")
    partial.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object."""
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def _storable(array: Array) -> Array:
    return array.astype(np.str_) if array.dtype.kind in "OS" else array
