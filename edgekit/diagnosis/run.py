"""One call from a model and samples to what quantization will not bear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.convert.prepare import prepare
from edgekit.convert.request import ConvertRequest
from edgekit.diagnosis.bounded import beyond
from edgekit.diagnosis.findings import RULES, Finding, constants, unlike
from edgekit.diagnosis.observe import observe
from edgekit.errors import InputError
from edgekit.quantize.ranges import Spread
from edgekit.samples import RawSamples, Samples
from edgekit.verify.layers.sides import open_original

# The JSON document of `diagnose --json`. 1: first.
SCHEMA = 1
# With more, ranges hardly change, and each runs through every layer.
_MOST = 256
_FILES = ("onnx", "tflite")
# Frameworks that have pictures as [n, channels, height, width].
_CHANNELS_FIRST = ("torch", "onnx")


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        findings: one each.
        samples: how many samples were looked at.
        tensors: how many tensors inside the model.
        runtime: what ran it.
    """

    findings: tuple[Finding, ...]
    samples: int
    tensors: int
    runtime: str

    def to_json(self) -> dict[str, Any]:
        """The document of ``diagnose --json``."""
        return {
            "schema": SCHEMA,
            "findings": [one.to_json() for one in self.findings],
            "samples": self.samples,
            "tensors": self.tensors,
            "runtime": self.runtime,
        }


def diagnose(
    request: ConvertRequest,
    *,
    native: Any = None,
    given: RawSamples | None = None,
    step: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Run the original on its samples, look into every layer, and say what fewer bits will not bear.

    Args:
        request: the model and its samples; ``calibration``: samples for ranges, to be compared with the others.
        native: a live model, instead of ``request.model``.
        given: samples in memory, instead of ``request.samples``.
        step: told what goes on.

    Raises:
        InputError: no samples, or they do not fit.
        UnsupportedError: nothing looks into such a model.
    """
    step = step or _silent
    if request.samples is None and given is None:
        raise InputError("diagnose", "ranges come from real inputs, and there are none", "give --samples")
    calibration = request.calibration
    schemes = ("int8",) if calibration is not None else ("float32",)
    prepared = prepare(ConvertRequest(**{**vars(request), "schemes": schemes}), step, native, given)
    source = prepared.source
    try:
        samples = prepared.samples.head(min(_MOST, len(prepared.samples)))
        step("look into every layer")
        tap = open_original(source, next(samples.runs(batch=1)))
        try:
            found = observe(tap, samples.runs(batch=1), channels_first=source.framework in _CHANNELS_FIRST)
        finally:
            tap.close()
        findings = [finding for rule in RULES for finding in rule(found)]
        findings += constants(found, len(samples))
        if prepared.calibration is not None:
            findings += unlike(_spreads(prepared.calibration), _spreads(samples))
        if source.framework in _FILES:
            findings += beyond(source.framework, Path(source.native))
        return Diagnosis(tuple(findings), len(samples), len(found), tap.runtime)
    finally:
        source.close()


def _silent(text: str) -> None:
    del text


def _spreads(samples: Samples) -> dict[str, Spread]:
    found = {}
    for name, array in samples.arrays.items():
        if array.dtype.kind == "f":
            found[name] = Spread()
            found[name].add(array)
    return found
