"""An ML Program as data: functions, blocks and operations, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.signature import Array

# Element types of MIL.proto's DataType: the name that programs use, and the numpy dtype that holds one element here.
# Elements smaller than a byte are held one to a byte.
ELEMENT_TYPES: dict[int, tuple[str, type[Any]]] = {
    1: ("bool", np.bool_),
    2: ("string", np.str_),
    10: ("fp16", np.float16),
    11: ("fp32", np.float32),
    12: ("fp64", np.float64),
    21: ("int8", np.int8),
    22: ("int16", np.int16),
    23: ("int32", np.int32),
    24: ("int64", np.int64),
    25: ("int4", np.int8),
    31: ("uint8", np.uint8),
    32: ("uint16", np.uint16),
    33: ("uint32", np.uint32),
    34: ("uint64", np.uint64),
    35: ("uint4", np.uint8),
    36: ("uint2", np.uint8),
    37: ("uint1", np.uint8),
    38: ("uint6", np.uint8),
    39: ("uint3", np.uint8),
}
NUMPY_TYPES = dict(ELEMENT_TYPES.values())
# As kernels hold them: half precision as float32 (see ``precision``).
KERNEL_TYPES = {**NUMPY_TYPES, "fp16": np.float32}
# Bits of an element, where that is not a whole byte, and whether it has a sign.
SMALL_TYPES = {
    "int4": (4, True),
    "uint4": (4, False),
    "uint2": (2, False),
    "uint1": (1, False),
    "uint6": (6, False),
    "uint3": (3, False),
}


@dataclass(frozen=True)
class TensorType:
    """What the program declares of a tensor.

    Attributes:
        dtype: ``fp32``, ``fp16``, ``int32``, …
        shape: sizes, ``None`` where unknown; ``None`` altogether where the rank is.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """For people: ``fp32 [1, ?, 8]``."""
        if self.shape is None:
            return f"{self.dtype} of any shape"
        return f"{self.dtype} [{', '.join('?' if size is None else str(size) for size in self.shape)}]"


@dataclass(frozen=True)
class ListType:
    """A list of tensors; ``length`` is ``None`` where it varies."""

    element: TensorType
    length: int | None


@dataclass(frozen=True)
class StateType:
    """A tensor that is kept between calls."""

    wrapped: TensorType


ValueType = TensorType | ListType | StateType | None


@dataclass(frozen=True)
class Name:
    """A reference to a value by name."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A value that stands in the program, as it is declared: half precision stays half."""

    value: Array | tuple[Array, ...]


class Unread(Constant):
    """A constant that is read anew whenever its value is asked for: it would take more memory than its file does."""

    _read: Callable[[], Array]

    def __init__(self, read: Callable[[], Array]) -> None:
        # Constants are frozen.
        object.__setattr__(self, "_read", read)

    @property
    def value(self) -> Array:
        """The array, in memory of its own."""
        return self._read()


Argument = Name | Constant


@dataclass(frozen=True)
class Declared:
    """A named value and its declared type: an input or an output."""

    name: str
    type: ValueType


@dataclass
class Operation:
    """One operation.

    Attributes:
        type: its name in the opset (``conv``).
        name: the layer's name, by which messages speak of it.
        inputs: parameter to arguments; several where the parameter takes any number of tensors.
        outputs: what it defines.
        blocks: nested blocks (of ``cond`` and ``while_loop``).
    """

    type: str
    name: str
    inputs: dict[str, tuple[Argument, ...]]
    outputs: tuple[Declared, ...]
    blocks: tuple[Block, ...] = ()


@dataclass
class Block:
    """Operations in order, with the values that come in and go out."""

    inputs: tuple[Declared, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[str, ...]


@dataclass
class Function:
    """An entry point: its inputs, its opset (``CoreML7``) and its body."""

    name: str
    opset: str
    inputs: tuple[Declared, ...]
    block: Block


@dataclass
class Program:
    """Every function of a package by name."""

    functions: dict[str, Function] = field(default_factory=dict)
