"""The samples that a calibrated scheme takes its ranges from: apart from those that its result is compared on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError
from edgekit.quantize.schemes import SCHEMES
from edgekit.samples import Samples
from edgekit.signature import Array

# Fewer tell little of an activation's range; with more it hardly changes.
LEAST, MOST = 10, 512


@dataclass(frozen=True)
class Calibration:
    """Samples, one after the other, in a model file's own names, dtypes and layout.

    Attributes:
        samples: none of which the result is verified on.
        to_native: one run's inputs as the file takes them.
    """

    samples: Samples
    to_native: Callable[[Mapping[str, Array]], dict[str, Array]]

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[dict[str, Array]]:
        """One sample at a time, as often as asked: nothing is held that was given."""
        for run in self.samples.runs(batch=1):
            yield self.to_native(run)


def split(samples: Samples, schemes: Iterable[str], seed: int) -> tuple[Samples | None, Samples]:
    """The samples for ranges and those for the comparison, without overlap; none for ranges where no scheme wants any.

    Raises:
        InputError: samples that tell no ranges: none of the user's, too few, all alike, or with NaN.
    """
    wanted = [scheme for scheme in schemes if SCHEMES[scheme].calibrated]
    if not wanted:
        return None, samples
    asked = f"--quantize {wanted[0]}"
    want = f"give --samples with {LEAST * 10} to {MOST} inputs like those that the model will see"
    if samples.synthetic:
        raise InputError(asked, "it takes the activations' ranges from real inputs, and there are none", want)
    if len(samples) < 2 * LEAST:
        why = f"{len(samples)} samples are too few: half of them tell the ranges, the others what was lost"
        raise InputError(asked, why, f"{want}; {2 * LEAST} at least")
    for name, array in samples.arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(asked, f"the samples for input {name!r} hold NaN or infinity, which have no range", want)
    if all((array == array[:1]).all() for array in samples.arrays.values()):
        raise InputError(asked, "all samples are the same: they tell no ranges", want)
    calibration, rest = samples.split(min(len(samples) // 2, MOST), seed)
    return calibration, rest
