"""One call from a trained model to a verified bundle: prepare, convert side by side, execute, compare, bundle."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import devices
from edgekit.bundle import check_output
from edgekit.convert import inprocess, processes
from edgekit.convert.bundling import assemble
from edgekit.convert.job import SAMPLES, SOURCE, read_json
from edgekit.convert.processes import Checked
from edgekit.convert.registry import SUFFIXES
from edgekit.convert.request import ConvertRequest
from edgekit.convert.result import ConvertResult, Failure
from edgekit.convert.supervisor import Event
from edgekit.errors import InputError, StorageError, VerificationError
from edgekit.metrics.labels import checked
from edgekit.preprocessing import Contract
from edgekit.samples import RawSamples
from edgekit.samples.tables import read_frame, write_parquet
from edgekit.signature import Array

if TYPE_CHECKING:
    import pandas as pd

# The scheme that is found by searching.
_AUTOMATIC = "auto"


def convert(
    model: Any,
    to: Sequence[str] | str = ("onnx",),
    *,
    samples: str | Path | Mapping[str, Array] | Array | pd.DataFrame | None = None,
    output: str | Path = "model.edge",
    quantize: Sequence[str] | str = (),
    only: bool = False,
    weights: str | Path | None = None,
    trust: bool = False,
    preprocess: str | Path | Contract | None = None,
    layout: str | None = None,
    dynamic: Sequence[str] | str = (),
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    input_dtypes: Mapping[str, str] | None = None,
    columns: str | None = None,
    tolerance: Mapping[str, float] | None = None,
    calibration: str | Path | None = None,
    ranges: str = "minmax",
    device: str | None = None,
    metric: str | None = None,
    labels: str | Path | Array | None = None,
    max_drop: float | str | None = None,
    allow_slower: bool = False,
    integer_io: bool = False,
    seed: int = 0,
    threads: int | None = None,
    timeout: float = 1800.0,
    jobs: int | None = None,
    force: bool = False,
    unpacked: bool = False,
    keep_failed: bool = False,
    event: Event | None = None,
) -> ConvertResult:
    """Convert a trained model, execute what was made, compare it with the original, and bundle what passed.

    A path or ``package.module:factory`` is converted in worker processes, one a target, side by side; a live object in
    this process, one target after the other, because it cannot be sent to another.

    Args:
        model: a live model of a known framework, a path, or ``package.module:factory``.
        to: targets: ``onnx``, ``tflite``, ``coreml``.
        samples: inputs to compare on: a path (.npz, .npy, .csv, .parquet, images), or arrays by input name (one array
            for a model of one input), the leading dimension counting the samples, or a DataFrame. Random ones without.
        output: the bundle to write.
        quantize: schemes to add to float32; ``auto`` for each target's fastest within ``max_drop``.
        only: leave float32 out.
        weights: a .safetensors file or state dict for a factory.
        trust: load files that run code when loaded (pickles).
        preprocess: the preprocessing contract, or its TOML file.
        layout: ``nhwc`` for model files that take images channel-last; the bundle keeps the model's own layout.
        dynamic: ``batch`` keeps the batch dimension open.
        input_names: names for the inputs, in order.
        output_names: names for the outputs, in order.
        input_shapes: shapes by input name, where neither the model nor samples tell them.
        input_dtypes: dtypes by input name, likewise.
        columns: of scikit-learn, XGBoost and LightGBM models: ``named`` makes every column an input by its name,
            ``matrix`` makes one input of all; without, columns that the model selects by name or that have several
            dtypes are named.
        tolerance: bounds by metric, in place of the route's and the scheme's.
        calibration: a path of samples for the ranges of calibrated schemes; half of ``samples`` without.
        ranges: how the ranges of calibrated schemes follow from the values seen: ``minmax``, ``entropy`` or
            ``percentile``.
        device: the class of devices that the files are for (``edgekit devices list``); this machine without.
        metric: what to measure of the original and of each file: ``accuracy``, ``top5``, ``auc``, ``f1``, ``mse``,
            ``mae``, ``map``, or ``module:function``.
        labels: what is right of each sample, in their order: an array, or a path (.npy, .npz, .csv, .txt).
        max_drop: of ``quantize="auto"``: what may be lost of the metric, ``0.005`` or ``"0.5%"``.
        allow_slower: keep quantized files that are slower than float32 here.
        integer_io: TFLite files of ``int8`` and ``int16x8`` take and give integers themselves; sessions quantize.
        seed: for random samples.
        threads: threads of the runtimes that verify.
        timeout: seconds after which a target's worker is ended.
        jobs: workers at once; as many as there are processors without.
        force: replace an existing output.
        unpacked: write a folder instead of one file.
        keep_failed: keep model files that failed their verification in the work folder.
        event: told (target, step, seconds) as the work goes on; an empty step at its end.

    Returns:
        The bundle's path, a row an artifact, and what failed.

    Raises:
        InputError: something asked for is wrong; nothing is written.
        MissingDependencyError: a package is not installed; nothing is written.
        StorageError: the disk is full or the folder gone; nothing is left half-written.
        VerificationError: of ``quantize="auto"``: nothing keeps ``max_drop``.
    """
    output = Path(output)
    live = not isinstance(model, str | Path)
    automatic = _automatic(_listed(quantize), max_drop, integer_io=integer_io)
    schemes = (() if only else ("float32",)) + tuple(one for one in _listed(quantize) if one != _AUTOMATIC)
    request = ConvertRequest(
        model=type(model).__name__ if live else str(model),
        targets=tuple(dict.fromkeys(_listed(to))),
        schemes=tuple(dict.fromkeys(schemes)),
        preprocessing=_contract(preprocess),
        weights=str(weights) if weights is not None else None,
        trust=trust,
        layout=layout,
        dynamic=tuple(_listed(dynamic)),
        input_names=tuple(input_names),
        output_names=tuple(output_names),
        shapes={name: tuple(shape) for name, shape in (input_shapes or {}).items()},
        dtypes=dict(input_dtypes or {}),
        columns=columns,
        tolerance=dict(tolerance or {}),
        calibration=str(calibration) if calibration is not None else None,
        ranges=ranges,
        device=device,
        metric=metric,
        labels=None if labels is None else str(labels) if isinstance(labels, str | Path) else "labels",
        allow_slower=allow_slower,
        integer_io=integer_io,
        samples=str(samples) if isinstance(samples, str | Path) else None,
        seed=seed,
        threads=threads,
    )
    if output.suffix.lower() in SUFFIXES.values():
        raise InputError(f"write {output}", "a bundle is written, not a single model file", "name it model.edge")
    check_output(output, force=force, unpacked=unpacked)
    given = None if samples is None or isinstance(samples, str | Path) else _in_memory(samples)
    work = _work_folder(output)
    try:
        if labels is not None and not isinstance(labels, str | Path):
            request = replace(request, labels=_stored(labels, work))
        if automatic is not None:
            from edgekit.tune import tune

            source = model if live else None
            found = tune(
                request, output, drop=automatic, native=source, given=given, force=force, unpacked=unpacked, event=event
            )
            _discard(work)
            return ConvertResult(found.bundle, found.artifacts, notes=found.notes)
        run = _run(model if live else None, request, given, work, timeout, jobs, event or _silent)
        result = _finish(run, request, output, work, force=force, unpacked=unpacked, keep_failed=keep_failed)
    except OSError as error:
        _discard(work)
        raise StorageError(
            f"write {output}", error.strerror or str(error), "free some space, or choose another -o"
        ) from error
    except BaseException:
        _discard(work)
        raise
    if result.work is None:
        _discard(work)
    return result


def _automatic(schemes: Sequence[str], max_drop: float | str | None, *, integer_io: bool) -> float | None:
    """The budget of ``auto``; ``None`` where that is not asked for."""
    if _AUTOMATIC not in schemes:
        if max_drop is not None:
            raise InputError(f"--max-drop {max_drop}", "it belongs to --quantize auto", "add that, or use edgekit tune")
        return None
    if len(schemes) > 1:
        raise InputError(f"--quantize {','.join(schemes)}", "auto chooses the scheme itself", "give auto alone")
    if integer_io:
        why = "auto compares files that take and give alike"
        raise InputError("--integer-io with --quantize auto", why, "give --quantize int8 for it")
    if max_drop is None:
        raise InputError("--quantize auto", "nothing says what may be lost", "add --max-drop 0.5%")
    from edgekit.tune import parse_drop

    return parse_drop(str(max_drop))


def _run(
    native: Any,
    request: ConvertRequest,
    given: RawSamples | None,
    work: Path,
    timeout: float,
    jobs: int | None,
    event: Event,
) -> processes.Run:
    if native is not None:
        return inprocess.run(native, request, given, work, event)
    if given is not None:
        path = work / f"given-{SAMPLES}"
        if given.kind == "table":
            path = path.with_suffix(".parquet")
            write_parquet(given.arrays, path)
        elif given.kind == "nameless":
            path = path.with_suffix(".npy")
            np.save(path, next(iter(given.arrays.values())))
        else:
            np.savez(path, **given.arrays)  # type: ignore[arg-type]
        request = replace(request, samples=str(path))
    return processes.run(request, work, timeout=timeout, jobs=jobs or os.cpu_count() or 1, event=event)


def _finish(
    run: processes.Run,
    request: ConvertRequest,
    output: Path,
    work: Path,
    *,
    force: bool,
    unpacked: bool,
    keep_failed: bool,
) -> ConvertResult:
    failures = [Failure(f.target, f.scheme, f.error, f.log) for f in run.failed]
    rejected = [one for one in run.checked if one.verdict.passed is False or _refused(one, request)]
    passed = [one for one in run.checked if one not in rejected]
    failures += [Failure(one.target, one.made.scheme, _rejection(one), one.log) for one in rejected]
    missing = [f"asked for and not here: {f.target} {f.scheme} ({f.error.why})" for f in failures]
    rows, bundle = assemble(passed, rejected, request, output, work, force=force, unpacked=unpacked, missing=missing)
    notes = tuple(read_json(work / SOURCE)["notes"]) if (work / SOURCE).exists() else ()
    if not failures:
        return ConvertResult(bundle, tuple(rows), notes=notes)
    # The logs stay for the reader; of the files only what was asked for.
    kept = {one.made.path for one in rejected} if keep_failed else set()
    for path in work.iterdir():
        if path.name != "logs" and not any(path in one.parents for one in kept):
            _discard(path)
    return ConvertResult(bundle, tuple(rows), tuple(failures), work, notes)


def _discard(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _refused(one: Checked, request: ConvertRequest) -> bool:
    """Whether a file is slower than float32 where that counts: here, unless it is for another kind of processor."""
    speed = one.verdict.speed
    if speed is None or speed.word != "slower" or request.allow_slower:
        return False
    return request.device is None or devices.get(request.device).processor.architecture == platform.machine().lower()


def _rejection(one: Checked) -> VerificationError:
    if one.verdict.passed is not False:
        todo = "measure it on the device that it is for, or keep it for its size with --allow-slower"
        return VerificationError(f"--quantize {one.made.scheme} for {one.target}", f"{one.verdict.speed}", todo)
    passing = one.verdict.tolerance_that_passes
    bound = ",".join(f"{name}={value:g}" for name, value in passing.to_json().items()) if passing else ""
    advice = (
        f"if that is good enough: --tolerance {bound}" if bound else "the model file is wrong: report it with the model"
    )
    problems = "; ".join(one.verdict.problems[:3])
    return VerificationError(f"verify {one.target} {one.made.scheme}", problems, advice)


def _stored(labels: Array, work: Path) -> str:
    path = work / "given-labels.npy"
    np.save(path, checked(np.asarray(labels), "labels"))
    return str(path)


def _work_folder(output: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=f"{output.name}.work-", dir=output.parent))
    except OSError as error:
        why = f"the folder {output.parent} is not writable ({error.strerror})"
        raise InputError(f"write {output}", why, "choose another with -o") from error


def _listed(value: Sequence[str] | str) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else list(value)
    return [part.strip() for part in parts if part.strip()]


def _contract(preprocess: str | Path | Contract | None) -> dict[str, Any] | None:
    if preprocess is None:
        return None
    contract = preprocess if isinstance(preprocess, Contract) else Contract.from_toml(Path(preprocess))
    return contract.to_json()


def _in_memory(samples: Any) -> RawSamples:
    if isinstance(samples, np.ndarray):
        return RawSamples({"": samples}, "nameless", "an array")
    if isinstance(samples, Mapping) and all(isinstance(value, np.ndarray) for value in samples.values()):
        return RawSamples(dict(samples), "named", "arrays")
    if hasattr(samples, "columns") and hasattr(samples, "to_numpy"):
        return RawSamples(read_frame(samples, "samples of a DataFrame"), "table", "of a DataFrame")
    if hasattr(samples, "toarray"):
        todo = "give samples.toarray(), with the columns as a model on a device is given them"
        raise InputError(f"samples of type {type(samples).__name__}", "they are sparse", todo)
    raise InputError(
        f"samples of type {type(samples).__name__}",
        "not arrays",
        "give a path, an array, a dictionary of numpy arrays, or a DataFrame",
    )


def _silent(target: str, step: str, seconds: float) -> None:
    del target, step, seconds
