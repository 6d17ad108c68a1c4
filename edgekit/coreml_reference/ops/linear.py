"""Products of matrices."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import Arrays, op
from edgekit.signature import Array


@op("linear", spec="iOS17 linear")
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``: x [..., D_in], weight [D_out, D_in], bias [D_out]."""
    if _floats(x, weight) and (bias is None or _floats(bias)):
        return array(functional.linear(tensor(x), tensor(weight), None if bias is None else tensor(bias)))
    product: Array = np.matmul(x, weight.T)
    return product if bias is None else product + bias


@op("matmul", spec="iOS17 linear")
def matmul(x: Array, y: Array, *, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """``x @ y`` with the leading dimensions broadcast; a transposed operand swaps its last two first."""
    if transpose_x and x.ndim > 1:
        x = x.swapaxes(-1, -2)
    if transpose_y and y.ndim > 1:
        y = y.swapaxes(-1, -2)
    if _floats(x, y):
        return array(torch.matmul(tensor(x), tensor(y)))
    product: Array = np.matmul(x, y)
    return product


@op("einsum", spec="iOS15 linear")
def einsum(values: Arrays, equation: str) -> Array:
    """A sum of products in Einstein's notation; a dimension of one is broadcast."""
    return array(torch.einsum(equation, *map(tensor, values)))


def _floats(*operands: Array) -> bool:
    return all(one.dtype == np.float32 for one in operands)
