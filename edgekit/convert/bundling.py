"""What was made and checked, put into a bundle: rows, manifest, golden samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekit
from edgekit.bundle import Artifact, Manifest, write_bundle, write_golden
from edgekit.bundle.digest import companions, measure
from edgekit.bundle.manifest import utc_now
from edgekit.convert.job import SAMPLES, SOURCE, read_json, read_reference
from edgekit.convert.registry import SUFFIXES
from edgekit.convert.request import ConvertRequest
from edgekit.samples import Samples
from edgekit.signature import Array, Signature

if TYPE_CHECKING:
    from edgekit.convert.processes import Checked

# Recorded samples let a phone or a Pi verify itself; they must not outweigh the model.
GOLDEN_SAMPLES = 8
GOLDEN_BYTES = 16_000_000
# What a conversion's result tells of an artifact; the manifest tells more.
_ROW = ("target", "scheme", "file", "bytes", "convert_seconds", "call_ms", "verdict")

Run = tuple[Mapping[str, Array], Mapping[str, Array]]


def assemble(
    passed: Sequence[Checked],
    rejected: Sequence[Checked],
    request: ConvertRequest,
    output: Path,
    work: Path,
    *,
    force: bool,
    unpacked: bool,
    missing: Sequence[str] = (),
) -> tuple[list[dict[str, Any]], Path | None]:
    """Write the bundle of what passed (and of what could not be executed, marked so).

    Args:
        passed: what goes into the bundle.
        rejected: what failed its verification.
        request: what was asked.
        output: the bundle's path.
        work: the work folder, with what the source's worker left.
        force: replace an existing output.
        unpacked: write a folder.
        missing: what was asked for and is not in the bundle, one sentence each, for its notes.

    Returns:
        Every artifact's row, a rejected one's with ``file`` null, and the bundle's path (``None`` when nothing passed).

    Raises:
        StorageError: the disk is full.
    """
    artifacts = [_artifact(one) for one in passed]
    rows = [{key: artifact.to_json()[key] for key in _ROW} for artifact in artifacts]
    rows += [{key: _artifact(one).to_json()[key] for key in _ROW} | {"file": None} for one in rejected]
    if not passed:
        return rows, None
    facts = read_json(work / SOURCE)
    signature = Signature.from_json(facts["signature"])
    samples = Samples.load(work / SAMPLES)
    golden = work / "golden.npz"
    runs = _golden_runs(signature, samples, read_reference(work, signature))
    write_golden(golden, [inputs for inputs, _ in runs], [outputs for _, outputs in runs])
    contract = request.preprocessing
    labels = contract.get("labels") if contract else None
    manifest = Manifest(
        created=utc_now(),
        edgekit=edgekit.__version__,
        source=facts["source"],
        signature=signature,
        artifacts=tuple(artifacts),
        samples={
            "count": len(samples),
            "synthetic": samples.synthetic,
            "origin": _origin(request, samples),
            "golden": len(runs),
        },
        preprocessing=contract,
        labels=tuple(labels) if labels else None,
        seed=request.seed,
        notes=(*facts["notes"], *missing),
        columns={name: tuple(columns) for name, columns in facts["columns"].items()},
    )
    files = {artifact.file: one.made.path for one, artifact in zip(passed, artifacts, strict=True)}
    return rows, write_bundle(output, manifest, files, golden, force=force, unpacked=unpacked)


def _origin(request: ConvertRequest, samples: Samples) -> str:
    if samples.synthetic:
        return f"random, seed {request.seed}"
    return Path(request.samples).name if request.samples else "arrays"


def _artifact(one: Checked) -> Artifact:
    made = one.made
    name = f"{made.scheme}{SUFFIXES[one.target]}"
    model = measure(made.path, name, companions(made.path))
    return Artifact(
        target=one.target,
        scheme=made.scheme,
        file=f"{one.target}/{name}",
        bytes=model.bytes,
        sha256=model.sha256,
        signature=made.signature,
        inputs=made.inputs,
        outputs=made.outputs,
        convert_seconds=made.seconds,
        call_ms=one.call_ms,
        verdict=one.verdict,
        files=model.files,
        runtimes=made.runtimes,
        versions=made.versions,
    )


def _golden_runs(signature: Signature, samples: Samples, reference: Sequence[Mapping[str, Array]] | None) -> list[Run]:
    """The first samples, one a run, as many as the limits allow, at least one; without outputs where none are known."""
    chosen: list[Run] = []
    size = 0
    rows = all(spec.shape[:1] == (None,) for spec in (*signature.inputs, *signature.outputs))
    for index, inputs in enumerate(samples.runs()):
        outputs = reference[index] if reference is not None else {}
        for run in _rows(inputs, outputs) if rows else [(inputs, outputs)]:
            size += sum(array.nbytes for side in run for array in side.values())
            same = not chosen or _shapes(run) == _shapes(chosen[0])
            if chosen and (size > GOLDEN_BYTES or len(chosen) == GOLDEN_SAMPLES):
                return chosen
            if same:
                chosen.append(run)
    return chosen


def _rows(inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> list[Run]:
    count = len(next(iter(inputs.values())))
    return [
        ({n: a[i : i + 1] for n, a in inputs.items()}, {n: a[i : i + 1] for n, a in outputs.items()})
        for i in range(count)
    ]


def _shapes(run: Run) -> list[tuple[int, ...]]:
    return [array.shape for side in run for array in side.values()]
