"""One call from a trained model to the best quantized files that keep a budget, with everything tried on the way."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.bundle import check_output
from edgekit.convert.bundling import assemble
from edgekit.convert.job import write_reference
from edgekit.convert.prepare import Prepared, prepare, reference_runs
from edgekit.convert.processes import Checked
from edgekit.convert.request import ConvertRequest
from edgekit.convert.supervisor import Event
from edgekit.errors import InputError, StorageError, VerificationError
from edgekit.samples import RawSamples
from edgekit.signature import Array
from edgekit.tune.budget import OBJECTIVES, Budget
from edgekit.tune.candidate import Candidate, Tried
from edgekit.tune.journal import Journal
from edgekit.tune.pareto import as_svg, row_of
from edgekit.tune.search import frontier, may_win, search
from edgekit.tune.workshop import Step, Workshop

# The JSON document of `tune --json`, and tune.json beside the candidates. 1: first.
SCHEMA = 1
# A scheme that takes ranges makes the samples be split, whether or not it wins.
_CALIBRATED = "int8"
_PACKAGES = (
    *("torch", "tensorflow", "scikit-learn", "onnx", "onnxruntime"),
    *("ai-edge-litert", "ai-edge-quantizer", "coremltools"),
)


@dataclass(frozen=True)
class TuneResult:
    """What a search found.

    Attributes:
        bundle: the bundle of float32 and each target's best file; ``None`` where nothing keeps the budget.
        budget: what may be lost.
        objective: ``speed`` or ``size``.
        best: by target, the best file that keeps the budget; targets without one are absent.
        tried: every candidate.
        folder: where the candidates' files, ``tune.json`` and ``pareto.svg`` are.
        artifacts: the bundle's rows.
        notes: what a reader of the results should know.
    """

    bundle: Path | None
    budget: Budget
    objective: str
    best: dict[str, Tried]
    tried: tuple[Tried, ...]
    folder: Path
    artifacts: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether a quantized file keeps the budget."""
        return bool(self.best)

    def to_json(self) -> dict[str, Any]:
        """The document of ``tune --json``."""
        front, best = frontier(self.tried), list(self.best.values())
        return {
            "schema": SCHEMA,
            "metric": self.budget.metric,
            "max_drop": self.budget.drop,
            "objective": self.objective,
            "bundle": str(self.bundle) if self.bundle else None,
            "folder": str(self.folder),
            "best": {target: one.candidate.name for target, one in self.best.items()},
            "candidates": [row_of(one, self.budget, pareto=one in front, best=one in best) for one in self.tried],
        }


def tune(
    request: ConvertRequest,
    output: Path,
    *,
    drop: float,
    objective: str = "speed",
    native: Any = None,
    given: RawSamples | None = None,
    force: bool = False,
    unpacked: bool = False,
    fresh: bool = False,
    event: Event | None = None,
) -> TuneResult:
    """Search for the fastest or smallest file of each target that keeps a budget, and bundle the best with float32.

    Args:
        request: the model, targets, samples, labels and metric; its schemes do not matter.
        output: the bundle; candidates are kept in the folder beside it that is called so with ``.tune`` behind.
        drop: the most that may be lost: points of metrics between 0 and 1, a share of errors.
        objective: ``speed`` or ``size``.
        native: a live model, instead of ``request.model``.
        given: samples in memory, instead of ``request.samples``.
        force: replace an existing bundle.
        unpacked: write a folder.
        fresh: forget what an interrupted search of the same has tried.
        event: told (task, step, seconds).

    Raises:
        InputError: no metric, no labels, too few labels to tell; nothing is written.
        VerificationError: nothing keeps the budget; names the nearest candidate.
        StorageError: the disk is full.
    """
    if request.metric is None:
        raise InputError("tune", "no metric says what may be lost", "give --metric accuracy --labels y.npy")
    if objective not in OBJECTIVES:
        raise InputError(f"--for {objective}", "there is no such aim", f"aims: {', '.join(OBJECTIVES)}")
    check_output(output, force=force, unpacked=unpacked)
    budget = Budget(request.metric, drop)
    started = time.perf_counter()
    request = replace(request, schemes=("float32",))

    def step(text: str) -> None:
        if event is not None:
            event("tune", text, time.perf_counter() - started)

    prepared = prepare(replace(request, schemes=(_CALIBRATED,)), step, native, given)
    folder = output.with_name(f"{output.name}.tune")
    try:
        budget.require_labels(len(prepared.samples))
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        shop = open_workshop(prepared, request, folder, step, objective)
        found = {target: search(shop, target, budget, objective) for target in request.targets}
        best = {target: one for target, one in found.items() if one is not None}
        result = TuneResult(None, budget, objective, best, shop.journal.all, folder, (), prepared.notes)
        if best:
            kept = [one for target in best for one in (shop.tried(Candidate(target, "float32")), best[target])]
            rows, bundle = assemble(
                [_checked(one) for one in kept if one.made and one.verdict is not None], [], request, output, folder,
                force=force, unpacked=unpacked,
            )  # fmt: skip
            result = replace(result, bundle=bundle, artifacts=tuple(rows))
        (folder / "tune.json").write_text(json.dumps(result.to_json(), indent=1) + "\n", encoding="utf-8")
        (folder / "pareto.svg").write_text(as_svg(result.tried, budget), encoding="utf-8")
        step("")
    except OSError as error:
        raise StorageError(f"write {folder}", error.strerror or str(error), "free some space, or another -o") from error
    finally:
        prepared.source.close()
    if not best:
        raise nothing_keeps(budget, shop.journal.all)
    return result


def open_workshop(
    prepared: Prepared, request: ConvertRequest, folder: Path, step: Step, objective: str = "speed"
) -> Workshop:
    """Where candidates are made and measured, with what an interrupted search of the same has left in the folder.

    Args:
        prepared: the original and its samples.
        request: the targets and settings; its schemes do not matter.
        folder: of files and the journal; made where it is missing.
        step: told what is being done.
        objective: ``speed`` or ``size``.
    """
    step("run the original")
    reference = reference_runs(prepared)
    folder.mkdir(exist_ok=True)
    write_reference(folder, prepared, reference)
    journal = Journal(folder, _fingerprint(prepared, request, reference, objective))
    return Workshop(prepared, request, reference, journal, folder, step, for_speed=objective == "speed")


def nothing_keeps(budget: Budget, tried: Sequence[Tried]) -> VerificationError:
    """The error for a budget that no candidate keeps: names the nearest, and what would tell more."""
    measured = [one for one in tried if one.metric and one.candidate.scheme != "float32"]
    if not measured:
        reasons = "; ".join(f"{one.candidate.target} {one.candidate.name}: {one.error}" for one in tried if one.error)
        return VerificationError(str(budget), f"no quantized file was executed: {reasons}", "")
    nearest = min(measured, key=lambda one: one.loss)
    loss = nearest.metric
    name = f"{nearest.candidate.target} {nearest.candidate.name}"
    if not math.isfinite(nearest.loss):
        todo = "an original without error has nothing that a share could be lost of: use another metric"
    elif loss is not None and (needed := budget.needed(loss)) is not None:
        todo = f"about {needed:,} labelled samples would tell whether it keeps the budget"
    else:
        todo = f"allow {100 * nearest.loss:.2f}%, or train with quantization"
    if not any(may_win(one, "speed") for one in measured):
        least = max(measured, key=lambda one: one.speedup)
        fast = least.verdict.speed if least.verdict is not None else None
        why = f"every file is slower than float32, the least {least.candidate.target} {least.candidate.name}: {fast}"
        return VerificationError(str(budget), why, "give --for size if size is worth that")
    return VerificationError(str(budget), f"nothing keeps it; the nearest is {name}: {loss}", todo)


def _checked(one: Tried) -> Checked:
    if one.made is None or one.verdict is None:
        raise ValueError("it was not made")
    return Checked(one.candidate.target, one.made, one.verdict, one.call_ms, None)


def _fingerprint(
    prepared: Prepared, request: ConvertRequest, reference: Sequence[Mapping[str, Array]] | None, objective: str
) -> str:
    """What the candidates depend on: model, samples, labels, settings, versions."""
    digest = hashlib.sha256(edgekit.__version__.encode())
    for package in _PACKAGES:
        try:
            digest.update(f"{package} {metadata.version(package)}".encode())
        except metadata.PackageNotFoundError:
            continue
    settings = request.to_json() | {"targets": None, "objective": objective}
    digest.update(json.dumps([settings, prepared.source.provenance.to_json()], sort_keys=True, default=str).encode())
    several = [one for one in (prepared.samples, prepared.calibration) if one is not None]
    arrays = [array for one in several for array in (*one.arrays.values(), one.labels) if array is not None]
    # A live model has no file: its answers tell it from others.
    answers = reference if prepared.source.provenance.sha256 is None else None
    for array in (*arrays, *(array for run in answers or () for array in run.values())):
        digest.update(array.astype(np.str_).tobytes() if array.dtype.kind == "O" else array.tobytes())
    return digest.hexdigest()
