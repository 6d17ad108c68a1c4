"""From protobuf messages to a program."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.program import (
    ELEMENT_TYPES,
    NUMPY_TYPES,
    SMALL_TYPES,
    Argument,
    Block,
    Constant,
    Declared,
    Function,
    ListType,
    Name,
    Operation,
    Program,
    StateType,
    TensorType,
    Unread,
    ValueType,
)
from edgekit.coreml_reference.weights import Blob, WeightFiles, unpack
from edgekit.errors import InputError
from edgekit.signature import Array

# Which fields hold which elements: whole numbers of up to 32 bits share one.
_FLOATS = frozenset({"fp16", "fp32"})
_SMALLER = frozenset(name for name in NUMPY_TYPES if name.startswith(("int", "uint")))
_HOLDERS: dict[str, frozenset[str]] = {
    "floats": _FLOATS,
    "doubles": frozenset({"fp64"}),
    "ints": _SMALLER,
    "longInts": frozenset({"int64", "uint64"}),
    "bools": frozenset({"bool"}),
    "strings": frozenset({"string"}),
    "bytes": frozenset(NUMPY_TYPES) - {"string"},
}
_LARGEST = 2**31
_SMALL = frozenset(number for number, (name, _) in ELEMENT_TYPES.items() if name in SMALL_TYPES)


def decode_program(message: Message, weights: WeightFiles) -> Program:
    """The program in a ``MILSpec.Program`` message; constants that lie in weight files are mapped, not copied.

    Raises:
        InputError: a weight file is missing or truncated, or the program is of an unknown kind.
    """
    decoder = _Decoder(weights)
    return Program({entry.key: decoder.function(entry.key, entry.value) for entry in message.functions})


class _Decoder:
    """Holds what every part of a program needs: its weight files."""

    def __init__(self, weights: WeightFiles) -> None:
        self.weights = weights

    def function(self, name: str, message: Message) -> Function:
        blocks = {entry.key: entry.value for entry in message.block_specializations}
        if message.opset not in blocks:
            raise InputError(f"read function {name!r}", f"it has no block for opset {message.opset}", "convert again")
        inputs = tuple(Declared(one.name, value_type(one.type)) for one in message.inputs)
        return Function(name, message.opset, inputs, self.block(blocks[message.opset]))

    def block(self, message: Message) -> Block:
        return Block(
            tuple(Declared(one.name, value_type(one.type)) for one in message.inputs),
            tuple(self.operation(one) for one in message.operations),
            tuple(message.outputs),
        )

    def operation(self, message: Message) -> Operation:
        outputs = tuple(Declared(one.name, value_type(one.type)) for one in message.outputs)
        attributes = {entry.key: entry.value for entry in message.attributes}
        inputs = {entry.key: self.arguments(entry.value) for entry in message.inputs}
        if message.type == "const" or message.type.startswith("constexpr_"):
            # Their operands stand among the attributes up to iOS 17, among the inputs from iOS 18 on.
            operands = {key: value for key, value in attributes.items() if key != "name"}
            inputs.update({key: (self.constant(value),) for key, value in operands.items()})
        name = str(self.value(attributes["name"])) if "name" in attributes else outputs[0].name if outputs else ""
        return Operation(message.type, name, inputs, outputs, tuple(self.block(one) for one in message.blocks))

    def arguments(self, message: Message) -> tuple[Argument, ...]:
        return tuple(
            Name(one.name) if one.WhichOneof("binding") == "name" else self.constant(one.value)
            for one in message.arguments
        )

    def constant(self, message: Message) -> Constant:
        """A constant; one of elements smaller than a byte is unpacked whenever it is asked for."""
        if message.WhichOneof("value") != "blobFileValue" or message.type.tensorType.dataType not in _SMALL:
            return Constant(self.value(message))
        kind = _tensor_type(message.type.tensorType)
        blob = self.blob(message.blobFileValue, kind)
        return Unread(lambda: _shaped(blob.read(), kind))

    def blob(self, message: Message, kind: TensorType) -> Blob:
        blob = self.weights.find(message.fileName, message.offset)
        if blob.dtype != kind.dtype or blob.size != _count(kind):
            asked = f"read weights at {message.offset} of {message.fileName}"
            why = f"it holds {blob.size} of {blob.dtype}, the program says {kind}"
            raise InputError(asked, why, "copy it again")
        return blob

    def value(self, message: Message) -> Array | tuple[Array, ...]:
        """A constant's value; lists and tuples of tensors as a tuple."""
        if message.WhichOneof("value") == "blobFileValue":
            kind = _tensor_type(message.type.tensorType)
            return _shaped(self.blob(message.blobFileValue, kind).read(), kind)
        immediate = message.immediateValue
        which = immediate.WhichOneof("value")
        if which in {"list", "tuple"}:
            return tuple(_array(self.value(one)) for one in getattr(immediate, which).values)
        if which != "tensor":
            raise InputError("read a constant", f"a {which or 'missing'} value is not known here", "convert again")
        return _immediate(immediate.tensor, _tensor_type(message.type.tensorType))


def value_type(message: Message) -> ValueType:
    """A declared type; ``None`` for tuples and dictionaries, which no operation here computes with."""
    which = message.WhichOneof("type")
    if which == "tensorType":
        return _tensor_type(message.tensorType)
    if which == "listType":
        element = value_type(message.listType.type)
        if isinstance(element, TensorType):
            return ListType(element, _size(message.listType.length))
    if which == "stateType":
        wrapped = value_type(message.stateType.wrappedType)
        if isinstance(wrapped, TensorType):
            return StateType(wrapped)
    return None


def _tensor_type(message: Message) -> TensorType:
    if message.dataType not in ELEMENT_TYPES:
        raise InputError("read a tensor type", f"element type {message.dataType} is unknown here", "update edgekit")
    # A rank of -1, or a variadic dimension, says that the rank is unknown.
    if message.rank < 0 or any(one.unknown.variadic for one in message.dimensions):
        shape = None
    else:
        shape = tuple(_size(one) for one in message.dimensions)
        if message.rank != len(shape):
            raise InputError("read a tensor type", f"{len(shape)} sizes for rank {message.rank}", "copy it again")
    return TensorType(ELEMENT_TYPES[message.dataType][0], shape)


def _size(dimension: Message) -> int | None:
    return int(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else None


def _immediate(tensor: Message, kind: TensorType) -> Array:
    which = tensor.WhichOneof("value")
    if which is None:
        return _shaped(np.zeros(0, NUMPY_TYPES[kind.dtype]), kind)
    values: Any = getattr(tensor, which).values
    if kind.dtype not in _HOLDERS[which]:
        raise InputError("read a constant", f"{which} for elements of type {kind.dtype}", "copy it again")
    if which != "bytes":
        try:
            flat = np.array(values, dtype=object if kind.dtype == "string" else NUMPY_TYPES[kind.dtype])
        except OverflowError as error:
            raise InputError("read a constant", str(error), "copy it again") from error
        return _shaped(flat, kind)
    raw = np.frombuffer(values, np.uint8)
    if kind.dtype in SMALL_TYPES:
        bits, signed = SMALL_TYPES[kind.dtype]
        return _shaped(unpack(raw, bits, _count(kind), signed=signed), kind)
    if raw.size % np.dtype(NUMPY_TYPES[kind.dtype]).itemsize:
        raise InputError("read a constant", f"{raw.size} bytes are no whole number of elements", "copy it again")
    return _shaped(raw.view(NUMPY_TYPES[kind.dtype]), kind)


def _count(kind: TensorType) -> int:
    return math.prod(size or 0 for size in kind.shape or ())


def _shaped(flat: Array, kind: TensorType) -> Array:
    shape = tuple(size or 0 for size in kind.shape or ())
    # An array of no elements may still declare sizes that none can have.
    if flat.size != _count(kind) or max(shape, default=0) > _LARGEST:
        raise InputError("read a constant", f"it has {flat.size} elements for shape {list(shape)}", "copy it again")
    return flat.reshape(shape)


def _array(value: Array | tuple[Array, ...]) -> Array:
    if isinstance(value, tuple):
        raise InputError("read a constant", "a list of lists is not known here", "convert the model again")
    return value
