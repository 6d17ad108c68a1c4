"""The samples that a calibrated scheme takes its ranges from: apart from those that its result is compared on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.quantize.arithmetic import Arithmetic, of_this_machine
from edgekit.quantize.schemes import SCHEMES
from edgekit.samples import Samples
from edgekit.signature import Array

# Fewer tell little of an activation's range; with more it hardly changes.
LEAST, MOST = 10, 512
_WANT = f"give --samples with {LEAST * 10} to {MOST} inputs like those that the model will see"


@dataclass(frozen=True)
class Calibration:
    """Samples, one after the other, in a model file's own names, dtypes and layout.

    Attributes:
        samples: none of which the result is verified on.
        to_native: one run's inputs as the file takes them.
        method: how ranges follow from the values, one of :data:`edgekit.quantize.ranges.METHODS`.
        arithmetic: of the processor that the file is for.
        only: the layers to quantize, by the file's own names; ``None``: all.
        skip: the layers to leave in float.
        integer_io: whether inputs and outputs become integers too.
        seen: what quantizers keep of the values for another try with the same samples.
    """

    samples: Samples
    to_native: Callable[[Mapping[str, Array]], dict[str, Array]]
    method: str = "minmax"
    arithmetic: Arithmetic = field(default_factory=of_this_machine)
    only: frozenset[str] | None = None
    skip: frozenset[str] = frozenset()
    integer_io: bool = False
    seen: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.samples)

    def note(self, target: str) -> str:
        """What a reader of the verdict should know."""
        integers = f"; {self.arithmetic}" if target == "onnx" else ""
        left = f"; {', '.join(sorted(self.skip))} left in float32" if self.skip else ""
        return f"ranges by {self.method} of {len(self)} samples{integers}{left}"

    def __iter__(self) -> Iterator[dict[str, Array]]:
        """One sample at a time, as often as asked: nothing is held that was given."""
        for run in self.samples.runs(batch=1):
            yield self.to_native(run)


def for_ranges(samples: Samples, schemes: Iterable[str]) -> Samples | None:
    """Samples given for ranges alone, at most 512; ``None`` where no scheme wants any.

    Raises:
        InputError: samples that tell no ranges: too few, all alike, or with NaN; or nothing wants any.
    """
    wanted = _wanted(schemes)
    if wanted is None:
        calibrated = ", ".join(name for name, scheme in SCHEMES.items() if scheme.calibrated)
        raise InputError("--calibration", "no scheme takes ranges from samples", f"those that do are {calibrated}")
    _require_ranges(samples, f"--quantize {wanted}", LEAST)
    return samples.head(MOST)


def split(samples: Samples, schemes: Iterable[str], seed: int) -> tuple[Samples | None, Samples]:
    """The samples for ranges and those for the comparison, without overlap; none for ranges where no scheme wants any.

    Raises:
        InputError: samples that tell no ranges: none of the user's, too few, all alike, or with NaN.
    """
    wanted = _wanted(schemes)
    if wanted is None:
        return None, samples
    asked = f"--quantize {wanted}"
    if samples.synthetic:
        raise InputError(asked, "it takes the activations' ranges from real inputs, and there are none", _WANT)
    _require_ranges(samples, asked, 2 * LEAST)
    calibration, rest = samples.split(min(len(samples) // 2, MOST), seed)
    return calibration, rest


def _wanted(schemes: Iterable[str]) -> str | None:
    """The first scheme that takes ranges from samples."""
    return next((scheme for scheme in schemes if SCHEMES[scheme].calibrated), None)


def _require_ranges(samples: Samples, asked: str, least: int) -> None:
    if len(samples) < least:
        half = ": half of them tell the ranges, the others what was lost" if least > LEAST else ""
        why = f"{len(samples)} samples are too few{half}"
        raise InputError(asked, why, f"{_WANT}; {least} at least")
    for name, array in samples.arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(asked, f"the samples for input {name!r} hold NaN or infinity, which have no range", _WANT)
    if all((array == array[:1]).all() for array in samples.arrays.values()):
        raise InputError(asked, "all samples are the same: they tell no ranges", _WANT)
