"""Random samples, for where the user gives none."""

from __future__ import annotations

import numpy as np

from edgekit.errors import InputError
from edgekit.samples.samples import Samples
from edgekit.signature import Array, Signature, TensorSpec


def synthetic(signature: Signature, count: int = 8, seed: int = 0) -> Samples:
    """Random samples that fit a signature's inputs.

    Floats are standard normal, uint8 takes its full range, other integers are 0 or 1 (every embedding has those rows),
    booleans both.

    Raises:
        InputError: an input is text, or has a dynamic dimension beside its leading one: only real samples will do.
    """
    if count < 1:
        raise InputError(f"{count} synthetic samples", "that is none", "ask for at least 1")
    rng = np.random.default_rng(seed)
    batched = all(spec.shape[:1] == (None,) for spec in signature.inputs)
    arrays = {}
    for spec in signature.inputs:
        if spec.dtype == "string" or None in spec.shape[1:]:
            why = "text" if spec.dtype == "string" else "a dynamic dimension that only samples can tell"
            raise InputError("synthetic samples", f"input {spec} is or has {why}", "give --samples")
        shape = tuple(size or 1 for size in spec.shape)
        arrays[spec.name] = _random(rng, spec, (count, *(shape[1:] if batched else shape)))
    return Samples(arrays, batched, synthetic=True)


def _random(rng: np.random.Generator, spec: TensorSpec, shape: tuple[int, ...]) -> Array:
    if spec.dtype.startswith("float"):
        return rng.standard_normal(shape).astype(spec.dtype)
    return rng.integers(0, 256 if spec.dtype == "uint8" else 2, shape).astype(spec.dtype)
