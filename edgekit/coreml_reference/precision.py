"""Half precision: what it rounds, and where it breaks.

A half-precision tensor is held as float32 with values that half precision can represent: kernels then accumulate in
float32, as Core ML's do, and only what is stored between layers is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from edgekit.coreml_reference.lazy import array, torch
from edgekit.coreml_reference.program import NUMPY_TYPES, Operation, TensorType
from edgekit.errors import InputError
from edgekit.signature import Array

# strict: every tensor in the precision that the program declares. relaxed: half-precision tensors keep float32 between
# layers. half: float32 tensors are rounded to half precision too, as a float16 conversion of the same program would.
Precision = Literal["strict", "relaxed", "half"]

_LARGEST_HALF = 65504.0


def check_precision(precision: str) -> Precision:
    """The precision of that name.

    Raises:
        InputError: there is none.
    """
    for one in get_args(Precision):
        if precision == one:
            return one  # type: ignore[no-any-return]
    raise InputError(f"evaluate in precision {precision!r}", "unknown", f"use one of {', '.join(get_args(Precision))}")


@dataclass(frozen=True)
class Trouble:
    """Where half precision changed a result beyond rounding.

    Attributes:
        layer: the operation's name.
        op: its type.
        kind: ``overflow``, ``vanished`` or ``saturated``.
        detail: the numbers, for people.
    """

    layer: str
    op: str
    kind: str
    detail: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.layer} ({self.op}): {self.detail}"


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


def settle(value: Any, declared: TensorType, precision: Precision) -> Array:
    """A kernel's result in its declared dtype, rounded where the precision asks for it."""
    result = np.asarray(value)
    if declared.dtype in {"fp16", "fp32"}:
        if result.dtype != np.float32:
            result = result.astype(np.float32)
        if precision == "half" or (precision == "strict" and declared.dtype == "fp16"):
            return round_half(np.ascontiguousarray(result))
        return result
    if declared.dtype == "string":
        return result.astype(object)
    return result.astype(NUMPY_TYPES[declared.dtype], copy=False)


def find_trouble(operation: Operation, exact: Array, rounded: Array) -> Trouble | None:
    """What rounding did to a result beyond rounding, if anything."""
    overflow = np.isinf(rounded) & np.isfinite(exact)
    if overflow.any():
        largest = float(np.abs(exact[np.isfinite(exact)]).max())
        detail = f"{int(overflow.sum())} of {exact.size} values overflow half precision (largest {largest:.4g})"
        return Trouble(operation.name, operation.type, "overflow", detail)
    return None
