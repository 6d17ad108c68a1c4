"""A source loaded and its samples fitted to it: what every later step of a conversion stands on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.convert.probes import Probes, behind_others, probes_of
from edgekit.convert.request import ConvertRequest
from edgekit.errors import ExecutionError, InputError
from edgekit.metrics import metric_named, read_labels, require_fit
from edgekit.preprocessing import Contract
from edgekit.quantize.calibration import for_ranges, split
from edgekit.samples import RawSamples, Samples, fit, read_samples, synthetic
from edgekit.signature import Array, Signature
from edgekit.sources import LoadRequest, Source, open_source, wrap_object

Progress = Callable[[str], None]
# Enough for the spread of a metric to show, few enough for the original to answer in a moment.
SYNTHETIC_SAMPLES = 8
OWN_SAMPLES = (
    "the samples were made from the model's own thresholds, ranges, categories and terms; give yours with --samples"
)
# What a model is that was quantized in training.
OWN_SCHEME = "int8"
_UNPROBED = "its trees were not asked at their splits, because other steps come first: a row close to a split may turn"


@dataclass
class Prepared:
    """A loaded source with samples that fit it.

    Attributes:
        source: the model.
        samples: what its files are compared on.
        contract: how pictures become inputs.
        notes: what a reader of the results should know.
        calibration: other samples, for the ranges of calibrated schemes; None where none is asked for.
        seed: of what is drawn.
        metric: what is measured by the samples' labels, by name; None: nothing.
        schemes: what is to be made: what was asked for, or what the source is already.
    """

    source: Source
    samples: Samples
    contract: Contract | None
    notes: tuple[str, ...] = ()
    calibration: Samples | None = None
    seed: int = 0
    metric: str | None = None
    schemes: tuple[str, ...] = ("float32",)

    @property
    def signature(self) -> Signature:
        """The source's signature, which becomes the bundle's."""
        return self.source.signature

    @cached_property
    def probes(self) -> Probes | None:
        """Rows at the splits of trees; ``None`` where the model has none that its rows come to as they are."""
        return probes_of(self.source, self.samples, self.seed)


def prepare(
    request: ConvertRequest, progress: Progress, native: Any = None, given: RawSamples | None = None
) -> Prepared:
    """Load the samples and the source, and fit one to the other.

    Args:
        request: what the user asked.
        progress: told the name of each step.
        native: a live object, instead of ``request.model``.
        given: samples in memory, instead of ``request.samples``.

    Raises:
        InputError: anything that does not fit.
    """
    contract = Contract.from_json(request.preprocessing) if request.preprocessing else None
    raw = given
    if request.samples is not None:
        progress("read the samples")
        raw = read_samples(Path(request.samples), contract)
    progress("load the model")
    load = LoadRequest(
        model=request.model,
        weights=request.weights,
        trust=request.trust,
        shapes=_declared_shapes(request, contract, raw),
        dtypes=request.dtypes,
        example=raw.arrays if raw is not None else {},
        table=raw is not None and raw.kind == "table",
        input_names=request.input_names,
        output_names=request.output_names,
        dynamic=request.dynamic,
        columns=request.columns,
    )
    source = wrap_object(native, load) if native is not None else open_source(load)
    if contract is not None:
        _check_contract(contract, source.signature)
    if raw is None:
        if request.metric is not None:
            raise InputError(f"--metric {request.metric}", "there are no samples to measure it on", "give --samples")
        samples = _made_up(source, request.seed)
    else:
        samples = fit(raw, source.signature, source.columns, allow_nan=source.accepts_nan)
    if request.labels is not None:
        samples = _labelled(samples, request.labels)
    schemes = _own_scheme(request) if source.quantized else request.schemes
    calibration, samples = _for_ranges(request, source, samples, contract, progress)
    notes = _notes(request, source)
    prepared = Prepared(source, samples, contract, notes, calibration, request.seed, request.metric, schemes)
    if prepared.probes is None and behind_others(source):
        prepared.notes = (*prepared.notes, _UNPROBED)
    return prepared


def _for_ranges(
    request: ConvertRequest, source: Source, samples: Samples, contract: Contract | None, progress: Progress
) -> tuple[Samples | None, Samples]:
    """Samples for the ranges of calibrated schemes, none where no scheme wants any, and those to compare on."""
    if source.quantized:
        return None, samples
    if request.calibration is None:
        return split(samples, request.schemes, request.seed)
    progress("read the samples for ranges")
    apart = fit(read_samples(Path(request.calibration), contract), source.signature, source.columns)
    return for_ranges(apart, request.schemes), samples


def _own_scheme(request: ConvertRequest) -> tuple[str, ...]:
    """The one scheme of a model that was quantized in training: its own integers, by its own ranges."""
    why = "the model was quantized in training: its files are int8, with the ranges that it has"
    others = ", ".join(scheme for scheme in request.schemes if scheme not in {"float32", OWN_SCHEME})
    if others:
        raise InputError(f"--quantize {others}", why, "leave it off, or convert the model as it was before")
    for option, given in (("--calibration", request.calibration), ("--ranges", request.ranges != "minmax")):
        if given:
            raise InputError(option, why, "leave it off")
    return (OWN_SCHEME,)


def _labelled(samples: Samples, path: str) -> Samples:
    labels = read_labels(path)
    if len(labels) != len(samples):
        why = f"it holds {len(labels)} labels, and there are {len(samples)} samples"
        raise InputError(f"--labels {path}", why, "give one label a sample, in the samples' order")
    return dataclasses.replace(samples, labels=labels)


def _made_up(source: Source, seed: int) -> Samples:
    """Samples where the user gave none: from what the model has learned, or random ones."""
    own = source.own_samples(seed)
    if own is None:
        return synthetic(source.signature, SYNTHETIC_SAMPLES, seed)
    return Samples(own, batched=True, synthetic=True, notes=(OWN_SAMPLES,))


def _notes(request: ConvertRequest, source: Source) -> tuple[str, ...]:
    if request.layout == "nhwc" and source.framework == "tensorflow":
        return ("--layout nhwc changed nothing: TensorFlow models take images channel-last already",)
    return ()


def _declared_shapes(
    request: ConvertRequest, contract: Contract | None, raw: RawSamples | None
) -> dict[str, tuple[int | None, ...]]:
    shapes: dict[str, tuple[int | None, ...]] = dict(request.shapes)
    # A contract tells its input's shape where nothing else does.
    if contract is not None and contract.input and raw is None and contract.input not in shapes:
        shapes[contract.input] = contract.tensor_shape
    return shapes


def _check_contract(contract: Contract, signature: Signature) -> None:
    if contract.input is None and len(signature.inputs) != 1:
        names = ", ".join(signature.input_names)
        raise InputError("preprocessing contract", f"the model has several inputs: {names}", 'say which: input = "…"')
    name = contract.input or signature.input_names[0]
    if name not in signature.input_names:
        takes = ", ".join(signature.input_names)
        raise InputError(f"preprocessing contract for {name!r}", f"the model takes {takes}", "correct `input` in it")
    contract.check_against(signature.input(name))


def reference_runs(prepared: Prepared) -> list[dict[str, Array]] | None:
    """The original's outputs, run by run; ``None`` where nothing here can run the original.

    Raises:
        InputError: the original answers differently each time: nothing can be compared with it.
    """
    try:
        runs = [prepared.source.predict(run) for run in prepared.samples.runs()]
        again = prepared.source.predict(next(prepared.samples.runs()))
    except ExecutionError:
        if prepared.source.framework == "coreml":
            return None
        raise
    for name, value in again.items():
        if not _same(value, runs[0][name]):
            raise InputError(
                f"run the original {prepared.source.framework} model twice",
                f"output {name!r} differs on the same input (random layers, dropout, or a state kept between calls?)",
                "make it deterministic, or its state an input and an output",
            )
    samples, labels = prepared.samples, prepared.samples.labels
    if prepared.metric is not None and labels is not None:
        require_fit(metric_named(prepared.metric), runs, labels, batched=samples.batched)
    return runs


def _same(value: Array, other: Array) -> bool:
    # Threads may add in another order from one call to the next: rounding is no randomness.
    if value.dtype.kind != "f":
        return np.array_equal(value, other)
    scale = float(np.max(np.abs(other), initial=0.0, where=np.isfinite(other)))
    return bool(np.allclose(value, other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True))
