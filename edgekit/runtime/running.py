"""A bundle or model file run on a file of samples: what ``edgekit run`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.modelfile import check_model_file
from edgekit.outputs import written_whole
from edgekit.runtime.loading import choose, load, target_of
from edgekit.signature import Array

# The JSON document of `run --json`. 1: first.
SCHEMA = 1
# Larger outputs are described, not spelled out, in JSON; --output writes them.
_SPELLED = 10_000


@dataclass(frozen=True)
class Answers:
    """What a model said to every sample.

    Attributes:
        model: the file that was run.
        artifact: which artifact of it (``onnx/float32``), or its file name.
        runtime: what ran it.
        count: how many samples.
        sample_names: what each sample is called, for people.
        outputs: by name, stacked over the samples.
        labels: the classes' names, where the bundle has them.
    """

    model: str
    artifact: str
    runtime: str
    count: int
    sample_names: Sequence[str]
    outputs: Mapping[str, Array]
    labels: Sequence[str]

    def ranked(self, top: int) -> dict[str, list[list[tuple[str, float]]]]:
        """For each output that is scores over the labels: every sample's best ones, best first."""
        chosen = {}
        for name, array in self.outputs.items():
            if self.labels and array.ndim == 2 and array.shape[1] == len(self.labels):
                order = np.argsort(-array, axis=1, kind="stable")[:, :top]
                chosen[name] = [
                    [(self.labels[i], float(row[i])) for i in best] for row, best in zip(array, order, strict=True)
                ]
        return chosen

    def to_json(self, top: int) -> dict[str, Any]:
        """The document of ``run --json``; large outputs without their values."""
        outputs = {
            name: {
                "dtype": "string" if array.dtype.kind in "OUS" else array.dtype.name,
                "shape": list(array.shape),
                "values": _values(array) if array.size <= _SPELLED else None,
            }
            for name, array in self.outputs.items()
        }
        ranked = {
            name: [[{"label": label, "score": score} for label, score in best] for best in rows]
            for name, rows in self.ranked(top).items()
        }
        return {
            "schema": SCHEMA,
            "model": self.model,
            "artifact": self.artifact,
            "runtime": self.runtime,
            "samples": self.count,
            "outputs": outputs,
            "labels": ranked,
        }


def run_samples(
    model: Path,
    samples: Path,
    *,
    target: str | None = None,
    scheme: str | None = None,
    preprocess: Path | None = None,
    threads: int | None = None,
) -> Answers:
    """Run a bundle or model file on samples, the bundle's preprocessing contract applied to pictures.

    Raises:
        InputError: samples that do not fit, or no such artifact.
        ExecutionError: the runtime failed.
    """
    from edgekit.bundle import Bundle
    from edgekit.preprocessing import Contract
    from edgekit.samples import fit, read_samples

    contract = Contract.from_toml(preprocess) if preprocess else None
    labels: Sequence[str] = ()
    columns: Mapping[str, tuple[str, ...]] = {}
    artifact = model.name
    if target_of(model) is not None:
        check_model_file(f"run {model}", model)
    else:
        bundle = Bundle.open(model)
        if contract is None and bundle.manifest.preprocessing:
            contract = Contract.from_json(bundle.manifest.preprocessing)
        labels, columns = bundle.manifest.labels or (), bundle.manifest.columns
        chosen = choose(bundle, target, scheme)
        artifact = f"{chosen.target}/{chosen.scheme}"
    session = load(model, target=target, scheme=scheme, threads=threads)
    raw = read_samples(samples, contract)
    fitted = fit(raw, session.signature, columns)
    runs = [session.run(run) for run in fitted.runs()]
    outputs = {name: _stacked([run[name] for run in runs]) for name in session.signature.output_names}
    names = [path.name for path in _pictures(samples)] if samples.is_dir() else []
    if len(names) != len(fitted):
        names = [f"{samples.name}" if len(fitted) == 1 else f"{samples.name} [{i}]" for i in range(len(fitted))]
    return Answers(str(model), artifact, session.runtime, len(fitted), names, outputs, tuple(labels))


def write_outputs(answers: Answers, path: Path) -> None:
    """Write every output to an .npz, by name, whole or not at all.

    Raises:
        StorageError: it cannot be written.
    """
    arrays = {
        name: array.astype(np.str_) if array.dtype.kind == "O" else array for name, array in answers.outputs.items()
    }
    with written_whole(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _pictures(folder: Path) -> list[Path]:
    from edgekit.samples.raw import images_in

    return images_in(folder)


def _stacked(parts: Sequence[Array]) -> Array:
    """Runs joined along the batch where they have one, stacked where they do not."""
    return np.concatenate(parts) if parts[0].ndim else np.stack(parts)


def _values(array: Array) -> Any:
    # JSON has no NaN and no infinity.
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        spelled = array.astype(object)
        spelled[~np.isfinite(array)] = None
        return spelled.tolist()
    return array.tolist()
