"""From a prepared source to model files, the same in a worker process and in the caller's own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgekit import devices
from edgekit.bundle import Binding, Quantization
from edgekit.convert import metadata, registry
from edgekit.convert.options import ConvertOptions, legal_names
from edgekit.convert.prepare import OWN_SCHEME, Prepared, Progress
from edgekit.convert.registry import SUFFIXES, Route
from edgekit.convert.request import ConvertRequest
from edgekit.errors import ConversionError, InputError, MissingDependencyError
from edgekit.quantize import SCHEMES
from edgekit.quantize import registry as quantizers
from edgekit.quantize.arithmetic import of_device, of_this_machine
from edgekit.quantize.calibration import Calibration
from edgekit.quantize.ranges import TARGETS as RANGED
from edgekit.runtime.session import to_native
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.sources import Source
from edgekit.verify.tolerance import Tolerance

# Samples that a converter may try its file on.
_MOST_SAMPLES = 256


@dataclass(frozen=True)
class Made:
    """One model file that a converter or quantizer wrote, not verified yet.

    Attributes:
        scheme: the scheme.
        path: the file.
        seconds: how long it took.
        signature: the file's own.
        inputs: from the bundle's inputs to the file's.
        outputs: from the file's outputs to the bundle's.
        tolerance: what its verification is to keep.
        versions: of the packages that made it.
        runtimes: the oldest that take it.
        notes: what a reader of the verdict should know of how it was made.
        base: the float32 file that a quantizer made it of.
    """

    scheme: str
    path: Path
    seconds: float
    signature: Signature
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    tolerance: Tolerance
    versions: Mapping[str, str]
    runtimes: Mapping[str, str]
    notes: tuple[str, ...] = ()
    base: Made | None = None


@dataclass(frozen=True)
class Variant:
    """One of several ways to make a scheme's file.

    Attributes:
        name: of the file.
        ranges: how ranges follow from the values seen.
        skip: layers to leave in float.
        only: the layers to quantize; ``None``: all.
        seen: what quantizers keep of the values for other variants.
    """

    name: str
    ranges: str
    skip: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    seen: dict[str, Any] = dataclasses.field(default_factory=dict)


def check_targets(prepared: Prepared, request: ConvertRequest) -> dict[str, tuple[Route, ConvertOptions]]:
    """Each target's route and options, so that what cannot be done is refused before any work is.

    Raises:
        InputError: there is no such route, or it cannot do what was asked.
        MissingDependencyError: a route's packages are not installed.
    """
    planned = {}
    for target in request.targets:
        route = registry.get(prepared.source.framework, target)
        reason = route.unavailable_because()
        if reason:
            raise MissingDependencyError(
                f"convert {route.source} to {target}", reason, f"or leave {target} out of --to"
            )
        if prepared.source.quantized:
            _check_ranges_kept(route, request.schemes)
        for scheme in request.schemes:
            if scheme not in route.schemes and not prepared.source.quantized:
                quantizers.get(target, scheme)
            if SCHEMES[scheme].calibrated and target not in RANGED and request.ranges != "minmax":
                why = "its ranges are the least and the largest value seen"
                todo = f"leave it off, or {target} out of --to"
                raise InputError(f"--ranges {request.ranges} for {target}", why, todo)
        if request.integer_io:
            _check_integer_io(target, request.schemes)
        planned[target] = (route, make_options(prepared, request, route))
    return planned


def _check_ranges_kept(route: Route, schemes: Sequence[str]) -> None:
    why = "the model was quantized in training"
    if not route.keeps_ranges:
        why = f"{why}, and {route.source} → {route.target} would lose its ranges"
        todo = f"leave {route.target} out of --to, or convert the model as it was before"
        raise InputError(f"convert {route.source} to {route.target}", why, todo)
    if tuple(schemes) != (OWN_SCHEME,):
        why = f"{why}: it is {OWN_SCHEME} already"
        raise InputError(f"try it in {', '.join(schemes)}", why, "use edgekit convert, or the model as it was before")


def _check_integer_io(target: str, schemes: Sequence[str]) -> None:
    if target != "tflite":
        why = "of the targets TFLite alone has files that take and give integers for reals"
        raise InputError(f"--integer-io for {target}", why, f"leave it off, or {target} out of --to")
    if not any(SCHEMES[scheme].calibrated for scheme in schemes):
        calibrated = [one for one in quantizers.schemes_of(target) if SCHEMES[one].calibrated]
        why = f"nothing asked for has integer activations: {', '.join(schemes)}"
        raise InputError("--integer-io", why, f"add --quantize {' or '.join(calibrated)}, or leave it off")


def make_options(prepared: Prepared, request: ConvertRequest, route: Route) -> ConvertOptions:
    """The converter's options for one target.

    Raises:
        InputError: the route cannot do what was asked.
    """
    dynamic = "batch" in request.dynamic
    if dynamic and not route.dynamic_batch:
        raise InputError(
            f"--dynamic batch for {route.target}",
            f"{route.source} → {route.target} makes models of one batch size",
            f"leave {route.target} out of --to, or --dynamic off",
        )
    inputs, outputs = legal_names(prepared.signature, route.target)
    return ConvertOptions(
        inputs=inputs,
        outputs=outputs,
        example=_example(prepared, dynamic=any(spec.shape[:1] == (None,) for spec in prepared.signature.inputs)),
        samples=prepared.samples.head(_MOST_SAMPLES).arrays if prepared.samples.batched else {},
        probes=prepared.probes.given.arrays if prepared.probes else {},
        channels_last=_channels_last(prepared, request),
        dynamic_batch=dynamic,
        integer_io=request.integer_io,
    )


def _example(prepared: Prepared, *, dynamic: bool) -> dict[str, Array]:
    """One run's inputs; of a dynamic batch two rows, because exporters take a one for a constant."""
    first = next(prepared.samples.runs())
    if not dynamic:
        return dict(first)
    return {
        spec.name: np.resize(first[spec.name], (2, *first[spec.name].shape[1:]))
        if spec.shape[:1] == (None,)
        else first[spec.name]
        for spec in prepared.signature.inputs
    }


def _channels_last(prepared: Prepared, request: ConvertRequest) -> tuple[str, ...]:
    if request.layout != "nhwc" or prepared.source.framework == "tensorflow":  # which is channel-last already
        return ()
    if prepared.source.framework != "torch":
        framework = prepared.source.framework
        raise InputError("--layout nhwc", f"a {framework} model is taken in the layout it has", "leave it off")
    images = tuple(
        spec.name for spec in prepared.signature.inputs if len(spec.shape) == 4 and spec.dtype.startswith("float")
    )
    if not images:
        takes = "; ".join(str(spec) for spec in prepared.signature.inputs)
        raise InputError("--layout nhwc", f"no input is an image (four dimensions, float): {takes}", "leave it off")
    return images


def make_scheme(
    prepared: Prepared,
    request: ConvertRequest,
    planned: tuple[Route, ConvertOptions],
    scheme: str,
    work: Path,
    progress: Progress,
    variant: Variant | None = None,
) -> Made:
    """Convert to one target in one scheme, as the request says or in another way.

    Raises:
        ConversionError, InputError: what the converter or quantizer refused; anything else is the vendor's own.
    """
    route, options = planned
    folder = work / route.target
    folder.mkdir(parents=True, exist_ok=True)
    suffix = SUFFIXES[route.target]
    variant = variant or Variant(scheme, request.ranges)
    path = folder / f"{variant.name}{suffix}"
    started = time.perf_counter()
    base: Made | None = None
    calibration: Calibration | None = None
    if scheme in route.schemes or prepared.source.quantized:
        progress(f"convert to {route.target} {scheme}")
        route.convert(prepared.source, dataclasses.replace(options, scheme=scheme), path)
    else:
        # A quantizer starts from the float32 file, whether or not that is wanted too.
        plain = folder / f"float32{suffix}"
        if not plain.exists():
            progress(f"convert to {route.target} float32")
            route.convert(prepared.source, options, plain)
        base = _made(prepared, request, route, options, plain, "float32", 0.0)
        progress(f"quantize {route.target} to {scheme}")
        if SCHEMES[scheme].calibrated:
            calibration = _calibration(prepared, request, variant, options, route.target, plain)
        if quantizers.get(route.target, scheme)(plain, path, calibration) == 0:
            why = "not one tensor of this model was quantized"
            raise ConversionError(f"--quantize {scheme} for {route.target}", why, f"leave {scheme} out for this model")
    made = _made(prepared, request, route, options, path, scheme, time.perf_counter() - started)
    if request.integer_io and SCHEMES[scheme].calibrated:
        _require_integers(made)
    notes = [calibration.note(route.target)] if calibration is not None else []
    if prepared.source.quantized:
        notes = _notes_of_trained(made, request)
    return dataclasses.replace(made, base=base, notes=(*made.notes, *notes))


def _notes_of_trained(made: Made, request: ConvertRequest) -> list[str]:
    notes = ["ranges and weights as training left them"]
    if not request.integer_io and any(one.quantization for one in (*made.inputs, *made.outputs)):
        notes.append("the file takes and gives integers, by the model's own first and last rounding")
    return notes


def _require_integers(made: Made) -> None:
    specs = (*made.signature.inputs, *made.signature.outputs)
    left = ", ".join(str(spec) for spec in specs if spec.dtype.startswith("float"))
    if left:
        why = f"nothing with integer arithmetic takes or gives {left}"
        raise ConversionError(f"--integer-io for {made.scheme}", why, "leave --integer-io off")


def _calibration(
    prepared: Prepared, request: ConvertRequest, variant: Variant, options: ConvertOptions, target: str, model: Path
) -> Calibration | None:
    """The samples for ranges as a model file takes them."""
    if prepared.calibration is None:
        return None
    native = metadata.read_signature(target, model)
    shapes = {spec.name: spec.shape for spec in native.inputs}
    bindings = [
        _bind(spec, options.inputs, native.inputs, prepared.source, options.channels_last)
        for spec in prepared.signature.inputs
    ]

    def taken(run: Mapping[str, Array]) -> dict[str, Array]:
        given = {binding.native: to_native(run[binding.name], binding) for binding in bindings}
        # A file of several rows a call gets the one row as often as it takes.
        return {
            name: array if shapes[name][:1] in {(), (None,)} else np.resize(array, (shapes[name][0], *array.shape[1:]))
            for name, array in given.items()
        }

    arithmetic = of_device(devices.get(request.device)) if request.device else of_this_machine()
    return Calibration(
        prepared.calibration,
        taken,
        variant.ranges,
        arithmetic,
        variant.only,
        variant.skip,
        request.integer_io,
        variant.seen,
    )


def _made(
    prepared: Prepared,
    request: ConvertRequest,
    route: Route,
    options: ConvertOptions,
    path: Path,
    scheme: str,
    seconds: float,
) -> Made:
    if not path.exists():
        raise ConversionError(
            f"convert to {route.target}", "the converter wrote no file", "this is a bug in the converter"
        )
    if prepared.contract is not None:
        metadata.embed(route.target, path, prepared.contract)
    native, *scales = metadata.read_interface(route.target, path)
    tolerance = route.tolerance.looser(SCHEMES[scheme].tolerance).replaced(request.tolerance)
    return Made(
        scheme,
        path,
        seconds,
        native,
        tuple(
            _bind(spec, options.inputs, native.inputs, prepared.source, options.channels_last, scales[0])
            for spec in prepared.signature.inputs
        ),
        tuple(
            _bind(spec, options.outputs, native.outputs, prepared.source, scales=scales[1])
            for spec in prepared.signature.outputs
        ),
        tolerance,
        route.installed_versions(),
        metadata.oldest_runtime(route.target, path),
        tuple(dict.fromkeys(options.notes)),
    )


def _bind(
    spec: TensorSpec,
    names: Mapping[str, str],
    native: Sequence[TensorSpec],
    source: Source,
    turned: Sequence[str] = (),
    scales: Mapping[str, Quantization] = MappingProxyType({}),
) -> Binding:
    specs = {one.name: one for one in native}
    found = specs.get(names[spec.name])
    if found is None:
        has = ", ".join(specs) or "none"
        raise ConversionError(f"{spec.name!r}", f"the converter left it out of the model; it has: {has}", "")
    coded = spec.dtype == "string" and found.dtype != "string"
    vectorizers = source.vectorizers(spec.name) if coded else ()
    codes = source.codes.get(spec.name, ()) if coded and not vectorizers else ()
    if coded and not codes and not vectorizers:
        why = f"the model file holds numbers ({found.dtype}), and nothing says which texts they stand for"
        raise ConversionError(f"{spec.name!r}", why, "")
    transpose = (0, 2, 3, 1) if spec.name in turned else None
    # A source of integers means them as they are.
    quantization = scales.get(found.name) if spec.dtype.startswith("float") else None
    return Binding(spec.name, found.name, transpose, found.dtype, codes, vectorizers, quantization)
