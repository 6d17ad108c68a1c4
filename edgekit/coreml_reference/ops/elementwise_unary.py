"""Elementwise operations of one operand."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.program import KERNEL_TYPES
from edgekit.coreml_reference.registry import op
from edgekit.signature import Array


@op("abs", spec="iOS15 elementwise_unary")
def absolute(x: Array) -> Array:
    """``|x|``."""
    return np.abs(x)


@op("cast", spec="iOS17 elementwise_unary")
def cast(x: Array, dtype: str) -> Array:
    """Another dtype; fractions are cut off towards zero."""
    return x.astype(KERNEL_TYPES[dtype])
