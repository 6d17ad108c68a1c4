"""Branches, loops, and the lists that loops collect their results in.

A list is a Python list of arrays. An element that was never written is zeros; ``None`` stands for it where the
program leaves the elements' shape to the run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.lazy import array, tensor, torch
from edgekit.coreml_reference.program import KERNEL_TYPES
from edgekit.coreml_reference.registry import Arrays, Ints, op
from edgekit.errors import ExecutionError
from edgekit.signature import Array

Elements = list[Array | None]


@op("cond", spec="iOS15 control_flow")
def cond(pred: bool, context: Context) -> tuple[Any, ...]:  # noqa: FBT001 - bound by name
    """The outputs of the first nested block where pred holds, of the second otherwise."""
    return context.run_block(0 if pred else 1, ())


@op("while_loop", spec="iOS15 control_flow")
def while_loop(loop_vars: Arrays, context: Context) -> tuple[Any, ...]:
    """The loop variables after the second nested block ran for as long as the first one gives true."""
    values: tuple[Any, ...] = loop_vars
    while np.asarray(context.run_block(0, values)[0]).item():
        values = context.run_block(1, values)
    return values


@op("select", spec="iOS15 control_flow")
def select(cond: Array, a: Array, b: Array) -> Array:
    """Elements of a where cond is true, of b elsewhere; all three broadcast."""
    return array(torch.where(tensor(cond), tensor(a), tensor(b)))


@op("make_list", spec="iOS15 control_flow")
def make_list(
    elem_shape: Arrays,
    init_length: int = 1,
    dynamic_length: bool = True,  # noqa: ARG001, FBT001, FBT002 - every list here can grow
    dtype: str = "fp32",
) -> Elements:
    """A list of zeros; elem_shape holds a string for each size that only the run knows."""
    sizes = [np.asarray(size).item() for size in elem_shape]
    if any(isinstance(size, str) for size in sizes):
        return [None] * init_length
    return [np.zeros(sizes, KERNEL_TYPES[dtype])] * init_length


@op("list_length", spec="iOS15 control_flow")
def list_length(ls: Any) -> Array:
    """How many elements ls has."""
    return np.array(len(ls), np.int32)


@op("list_write", spec="iOS15 control_flow")
def list_write(ls: Any, index: int, value: Array) -> Elements:
    """The list ls with value at index; it grows to hold it."""
    written = _grown(ls, index + 1, value)
    written[index] = value
    return written


@op("list_scatter", spec="iOS15 control_flow")
def list_scatter(ls: Any, indices: Ints, value: Array) -> Elements:
    """The list ls with ``value[i]`` at ``indices[i]``; it grows to hold them."""
    if not indices:
        return list(ls)
    written = _grown(ls, max(indices) + 1, value[0])
    for index, one in zip(indices, value, strict=True):
        written[index] = one
    return written


@op("list_read", spec="iOS15 control_flow")
def list_read(ls: Any, index: int) -> Array:
    """The element at index."""
    return _known(ls, (index,))[0]


@op("list_gather", spec="iOS15 control_flow")
def list_gather(ls: Any, indices: Ints) -> Array:
    """The elements at indices, stacked: [len(indices), *element]."""
    return np.stack(_known(ls, indices))


def _grown(ls: Elements, length: int, like: Array) -> Elements:
    """A copy of at least that length, filled up with zeros like an element."""
    grown = list(ls)
    if length > len(grown):
        grown += [np.zeros_like(like)] * (length - len(grown))
    return grown


def _known(ls: Elements, indices: Ints) -> list[Array]:
    """The elements at indices; zeros of the others' shape for those that were never written."""
    outside = [index for index in indices if not -len(ls) <= index < len(ls)]
    if outside:
        raise ExecutionError(f"read element {outside[0]} of a list", f"it has {len(ls)}")
    found = [ls[index] for index in indices]
    if any(one is None for one in found):
        written = next((one for one in ls if one is not None), None)
        if written is None:
            raise ExecutionError("read a list", "nothing was written to it, and its elements' shape is not declared")
        blank = np.zeros_like(written)
        return [blank if one is None else one for one in found]
    return [one for one in found if one is not None]
