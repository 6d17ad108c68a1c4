"""What is measured: an artifact of a bundle or a model file, and the input of its calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, InputError
from edgekit.runtime.loading import choose, emulated, target_of


@dataclass(frozen=True)
class Subject:
    """One model.

    Attributes:
        path: the bundle or model file.
        target: its format.
        scheme: of a bundle's artifact; ``None`` of a model file, which does not say.
        bytes: the model's size.
        sha256: its digest.
        inputs: an ``.npz`` with the input of every call; ``None`` for the bundle's first recorded one.
    """

    path: Path
    target: str
    scheme: str | None
    bytes: int
    sha256: str
    inputs: Path | None

    @property
    def name(self) -> str:
        """``onnx/int8`` of a bundle, the file's name else."""
        return self.path.name if self.scheme is None else f"{self.target}/{self.scheme}"

    def to_request(self) -> dict[str, Any]:
        """What a worker needs of it."""
        return {
            "path": str(self.path.resolve()),
            "target": self.target,
            "scheme": self.scheme,
            "inputs": None if self.inputs is None else str(self.inputs),
        }

    def to_json(self) -> dict[str, Any]:
        """The model in a result, which says nothing of where files lay."""
        facts = {"target": self.target, "scheme": self.scheme, "bytes": self.bytes, "sha256": self.sha256}
        return {"file": self.path.name, **facts}


def resolve(
    path: Path,
    folder: Path,
    *,
    target: str | None,
    scheme: str | None,
    samples: Path | None,
    formats: Sequence[str] | None = None,
) -> Subject:
    """The artifact that suits the device, or the one that is named.

    Args:
        path: a bundle or model file.
        folder: where its input may be written; it must outlive the measurement.
        target: of a bundle's artifact, ``None`` to choose.
        scheme: likewise.
        samples: a file of samples, the first of which is the input of every call; ``None`` for the bundle's recorded
            one, or random input where it has none.
        formats: those that the device runs, the preferred one first; ``None`` where it is this machine.

    Raises:
        InputError: no such file, artifact or samples.
        ExecutionError: nothing there runs it as a device would.
    """
    from edgekit.bundle import Bundle
    from edgekit.bundle.digest import companions, measure
    from edgekit.convert import metadata
    from edgekit.modelfile import check_model_file

    if target_of(path) is not None:
        kind = check_model_file(f"measure {path}", path)
        if target not in {None, kind} or scheme is not None:
            asked = f"measure {path} as {'/'.join(filter(None, (target, scheme)))}"
            raise InputError(asked, "it is a model file", "leave target and scheme off")
        _real(path, kind, formats)
        size = measure(path, companions=companions(path))
        inputs = _first_input(metadata.read_signature(kind, path), samples, folder)
        return Subject(path, kind, None, size.bytes, size.sha256, inputs)
    bundle = Bundle.open(path)
    artifact = choose(bundle, target, scheme, formats)
    _real(path, artifact.target, formats)
    chosen = None
    if samples is not None or bundle.manifest.golden is None:
        manifest = bundle.manifest
        chosen = _first_input(manifest.signature, samples, folder, manifest.columns, manifest.preprocessing)
    return Subject(path, artifact.target, artifact.scheme, artifact.bytes, artifact.sha256, chosen)


def _real(path: Path, target: str, formats: Sequence[str] | None) -> None:
    if formats is not None:
        if target not in formats:
            asked, why = f"measure {path} ({target})", f"the device runs {', '.join(formats)}"
            raise ExecutionError(asked, why, "take another target, or another device")
    elif emulated(target):
        why = "edgekit's reference runs it here, and its time says nothing of a device"
        raise ExecutionError(f"measure {path} ({target})", why, "take another target, or measure on macOS")


def _first_input(
    signature: Any,
    samples: Path | None,
    folder: Path,
    columns: Mapping[str, tuple[str, ...]] | None = None,
    preprocessing: Any = None,
) -> Path:
    """The first of the samples, or a random one, as an ``.npz``."""
    from edgekit.preprocessing import Contract
    from edgekit.samples import fit, read_samples
    from edgekit.samples.synthetic import synthetic

    if samples is None:
        found = synthetic(signature, 1)
    else:
        contract = Contract.from_json(preprocessing) if preprocessing else None
        found = fit(read_samples(samples, contract), signature, columns or {})
    run = next(iter(found.runs()))
    path = folder / f"input-{len(list(folder.iterdir()))}.npz"
    texts = {name: array.astype(np.str_) if array.dtype.kind == "O" else array for name, array in run.items()}
    np.savez(path, **texts)  # type: ignore[arg-type]
    return path
