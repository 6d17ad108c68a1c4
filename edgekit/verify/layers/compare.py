"""From a bundle or model file and its original to the report of their layers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from edgekit.bundle import Artifact, Bundle
from edgekit.convert.prepare import Prepared, prepare
from edgekit.convert.request import ConvertRequest
from edgekit.errors import InputError, MissingDependencyError, UnsupportedError
from edgekit.modelfile import check_model_file
from edgekit.runtime.loading import choose, target_of
from edgekit.runtime.session import to_native
from edgekit.signature import Array
from edgekit.verify.again import refuse_other_model
from edgekit.verify.layers.distance import Distance
from edgekit.verify.layers.layout import Shape, arrange, squeezed
from edgekit.verify.layers.match import Pair, Probed, match, probe_artifact, probe_original
from edgekit.verify.layers.report import SCHEMA, LayerReport, Row, rows_of
from edgekit.verify.layers.sides import accepting, open_file, open_original
from edgekit.verify.layers.tap import Tap, Tensor
from edgekit.verify.tolerance import Tolerance

__all__ = ["SCHEMA", "LayerReport", "Row", "compare_layers"]

# What a float32 model file is held to where no route's tolerance is known.
_FLOAT32 = Tolerance(sqnr_db=90)
# Samples beyond these are left out: a layer that departs does so on all but a few.
_MOST_SAMPLES = 32
# Bytes of the original's tensors held at once; where they are more, both sides run again for the next portion.
_HELD = 512 << 20

Run = Mapping[str, Array]


def compare_layers(
    path: Path,
    *,
    against: ConvertRequest | None,
    target: str | None = None,
    scheme: str | None = None,
    tolerance: Mapping[str, float] | None = None,
    threads: int | None = None,
) -> list[LayerReport]:
    """Run the original and every chosen artifact on the same samples, and compare what is inside.

    Args:
        path: a bundle, or a model file.
        against: the original, and the samples (without them a bundle's recorded ones, else random ones).
        target: only this target.
        scheme: only this scheme.
        tolerance: bounds in place of the artifact's own.
        threads: threads of the runtime.

    Raises:
        InputError: no original, or one whose inputs are not the file's.
        UnsupportedError: nothing here can look into the original.
    """
    if against is None:
        why = "a bundle records the original's outputs, not its layers"
        raise InputError(f"verify {path} --layers", why, "name the original: --against MODEL")
    prepared = prepare(against, lambda _: None)
    if target_of(path) is not None:
        return [_compare_file(path, prepared, _FLOAT32.replaced(tolerance or {}), threads)]
    bundle = Bundle.open(path)
    chosen = [a for a in bundle.artifacts if target in {None, a.target} and scheme in {None, a.scheme}]
    if not chosen:
        choose(bundle, target, scheme)
    refuse_other_model(path, bundle, prepared)
    recorded = _recorded(bundle, against)
    runs = _at_most(recorded or prepared.samples.runs(batch=1))
    synthetic = bool(bundle.manifest.samples["synthetic"]) if recorded else prepared.samples.synthetic
    reports = []
    with _opened(prepared, runs) as original:
        for artifact in chosen:
            bounds = artifact.verdict.tolerance.replaced(tolerance or {})
            report = LayerReport(artifact.target, artifact.scheme, artifact.file, bounds)
            with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
                opening = functools.partial(_open, bundle, artifact, Path(folder), threads)
                reports.append(_compared(report, original, opening, runs, synthetic=synthetic))
    return reports


def _compare_file(path: Path, prepared: Prepared, bounds: Tolerance, threads: int | None) -> LayerReport:
    kind = check_model_file(f"verify {path}", path)
    runs = _at_most(prepared.samples.runs(batch=1))
    given = accepting(kind, path, prepared.signature)
    outputs = {name: name for name in prepared.signature.output_names}
    opening = functools.partial(open_file, kind, path, given, outputs, threads)
    with _opened(prepared, runs) as original:
        report = LayerReport(kind, "", path.name, bounds)
        return _compared(report, original, opening, runs, synthetic=prepared.samples.synthetic)


def _open(bundle: Bundle, artifact: Artifact, folder: Path, threads: int | None) -> Tap:
    def given(inputs: Run) -> Run:
        return {binding.native: to_native(inputs[binding.name], binding) for binding in artifact.inputs}

    outputs = {binding.native: binding.name for binding in artifact.outputs}
    return open_file(artifact.target, bundle.extract(artifact, folder), given, outputs, threads)


@contextlib.contextmanager
def _opened(prepared: Prepared, runs: list[Run]) -> Iterator[Tap]:
    try:
        tap = open_original(prepared.source, runs[0])
        try:
            yield tap
        finally:
            tap.close()
    finally:
        prepared.source.close()


def _recorded(bundle: Bundle, against: ConvertRequest) -> Iterator[Run] | None:
    """The bundle's recorded inputs, row by row where the batch is open; ``None`` where the user gave samples."""
    recorded = [inputs for inputs, _ in bundle.golden()] if against.samples is None else []
    if not recorded:
        return None
    if any(spec.shape[:1] != (None,) for spec in bundle.manifest.signature.inputs):
        return iter(recorded)
    return (
        {name: array[row : row + 1] for name, array in inputs.items()}
        for inputs in recorded
        for row in range(len(next(iter(inputs.values()))))
    )


def _at_most(runs: Iterator[Run]) -> list[Run]:
    return [run for run, _ in zip(runs, range(_MOST_SAMPLES), strict=False)]


def _compared(
    report: LayerReport, original: Tap, open_artifact: Callable[[], Tap], runs: list[Run], *, synthetic: bool
) -> LayerReport:
    """The report filled in; where nothing here can look into the artifact, with the reason."""
    try:
        artifact = open_artifact()
    except (UnsupportedError, MissingDependencyError) as error:
        return dataclasses.replace(report, reason=str(error))
    try:
        originals, artifacts = _probed(original, artifact, runs[0])
        pairs = match(originals, artifacts) if originals and artifacts else []
        measured = _measured(original, artifact, originals, artifacts, pairs, runs)
        rows, alone, missing = rows_of(originals, artifacts, measured, report.tolerance)
        return dataclasses.replace(
            report,
            reason="" if rows else "no layer of the one could be matched with one of the other",
            executed_by=artifact.runtime,
            original_by=original.runtime,
            samples=len(runs),
            synthetic_samples=synthetic,
            rows=rows,
            alone=alone,
            missing=missing,
            troubles=artifact.troubles(),
        )
    except UnsupportedError as error:
        return dataclasses.replace(report, reason=str(error))
    finally:
        artifact.close()


def _probed(original: Tap, artifact: Tap, run: Run) -> tuple[list[Probed], list[Probed]]:
    """Both sides' tensors on one run, as much of them as matching needs."""
    originals: list[Probed] = []
    artifacts: list[Probed] = []
    original.run(run, lambda tensor, array: originals.append(probe_original(tensor, array)))
    shapes: dict[int, set[Shape]] = {}
    for one in originals:
        shapes.setdefault(one.size, set()).add(one.shape)
    artifact.run(run, lambda tensor, array: artifacts.append(probe_artifact(tensor, array, shapes)))
    return originals, artifacts


def _measured(
    original: Tap,
    artifact: Tap,
    originals: list[Probed],
    artifacts: list[Probed],
    pairs: list[Pair],
    runs: list[Run],
) -> list[tuple[Pair, Distance]]:
    """Every pair's distance over all runs, a portion of the tensors at a time."""
    distances = [Distance() for _ in pairs]
    for portion in _portions([originals[pair.original].size for pair in pairs]):
        by_artifact = {
            artifacts[pairs[index].artifact].tensor.key: (
                originals[pairs[index].original].tensor.key,
                pairs[index],
                distances[index],
            )
            for index in portion
        }
        wanted = {key for key, _, _ in by_artifact.values()}
        for run in runs:
            _measure(original, artifact, by_artifact, wanted, run)
    return list(zip(pairs, distances, strict=True))


def _measure(
    original: Tap,
    artifact: Tap,
    by_artifact: Mapping[str, tuple[str, Pair, Distance]],
    wanted: Collection[str],
    run: Run,
) -> None:
    kept: dict[str, Array] = {}

    def keep(tensor: Tensor, array: Array) -> None:
        # Copied: a layer that works in place changes what it was given.
        kept[tensor.key] = array.reshape(-1).copy()

    def measure(tensor: Tensor, array: Array) -> None:
        key, pair, distance = by_artifact[tensor.key]
        if key not in kept:
            distance.problem = "the original does not compute it on every sample"
        elif len(pair.order) != len(squeezed(array.shape)):
            distance.problem = f"its shape is {list(array.shape)} on one sample"
        else:
            distance.add(kept[key], arrange(array, pair.order))

    original.run(run, keep, wanted)
    artifact.run(run, measure, by_artifact.keys())


def _portions(sizes: list[int]) -> Iterator[list[int]]:
    """Indices in order, as many at a time as may be held."""
    portion: list[int] = []
    held = 0
    for index, size in enumerate(sizes):
        if portion and held + 4 * size > _HELD:
            yield portion
            portion, held = [], 0
        portion.append(index)
        held += 4 * size
    if portion:
        yield portion
