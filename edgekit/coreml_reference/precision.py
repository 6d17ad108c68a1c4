"""Half precision: what is rounded to it, and when.

A half-precision tensor is held as float32 with values that half precision can represent: kernels then accumulate in
float32, as Core ML's do, and only what is stored between layers is rounded.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from edgekit.coreml_reference.lazy import array, torch
from edgekit.coreml_reference.program import NUMPY_TYPES, TensorType
from edgekit.errors import InputError
from edgekit.signature import Array

# strict: every tensor in the precision that the program declares. relaxed: half-precision tensors keep float32 between
# layers. half: float32 tensors are rounded to half precision too, as a float16 conversion of the same program would.
Precision = Literal["strict", "relaxed", "half"]


def check_precision(precision: str) -> Precision:
    """The precision of that name.

    Raises:
        InputError: there is none.
    """
    for one in get_args(Precision):
        if precision == one:
            return one  # type: ignore[no-any-return]
    raise InputError(f"evaluate in precision {precision!r}", "unknown", f"use one of {', '.join(get_args(Precision))}")


def widen(value: Array) -> Array:
    """A constant as kernels take it: half precision as float32."""
    return value.astype(np.float32) if value.dtype == np.float16 else value


def round_half(value: Array) -> Array:
    """A float32 array with every element rounded to half precision (to nearest, ties to even)."""
    if value.size < 64:
        with np.errstate(over="ignore"):
            return value.astype(np.float16).astype(np.float32)
    wide = torch.from_numpy(value)
    return array(wide.to(torch.float16).to(torch.float32))


def rounds(declared: TensorType, precision: Precision) -> bool:
    """Whether a tensor of that type is rounded to half precision."""
    half = declared.dtype == "fp16"
    return (half and precision != "relaxed") or (declared.dtype == "fp32" and precision == "half")


def settle(value: Any, declared: TensorType, precision: Precision) -> Array:
    """A kernel's result in its declared dtype, rounded where the precision asks for it."""
    result = np.asarray(value)
    if declared.dtype in {"fp16", "fp32"}:
        if result.dtype != np.float32:
            result = result.astype(np.float32)
        if rounds(declared, precision):
            return round_half(np.asarray(result, order="C"))
        return result
    if declared.dtype == "string":
        return result.astype(object)
    return result.astype(NUMPY_TYPES[declared.dtype], copy=False)
