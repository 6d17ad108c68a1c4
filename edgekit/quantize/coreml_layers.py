"""The layers of an ML Program, as quantizers need to know them; read without coremltools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.coreml_reference.decode import decode_program
from edgekit.coreml_reference.package import read_package
from edgekit.coreml_reference.program import Block, Constant, Function, Name, Operation, TensorType
from edgekit.coreml_reference.weights import WeightFiles
from edgekit.errors import ConversionError

# Operations with weights: the parameter that takes them.
_WEIGHTED = {"conv": "weight", "conv_transpose": "weight", "linear": "weight", "matmul": "y"}
# What else Apple's linear_quantize_activations gives integers: the parameters that take activations.
_PLAIN = {"add": ("x", "y"), "avg_pool": ("x",), "max_pool": ("x",)}
# What Apple's compiler computes together with the operation before: between the two nothing is rounded.
_FUSED = {"leaky_relu", "tanh", "scaled_tanh", "sigmoid", "hard_sigmoid", "relu", "relu6"}
_FLOATS = {"fp32", "fp16"}


def operations(model: Path) -> Iterator[Operation]:
    """Every operation of an ML Program.

    Raises:
        ConversionError: it is none.
    """
    for function in functions(model).values():
        yield from _inside(function.block)


def functions(model: Path) -> dict[str, Function]:
    """The functions of an ML Program; their weights stay on disk.

    Raises:
        ConversionError: it is none.
    """
    package = read_package(model)
    kind = package.model.WhichOneof("Type")
    if kind != "mlProgram":
        why = f"Core ML's schemes are for ML Programs, and this is a {kind}"
        raise ConversionError(f"quantize {model.name}", why, "convert its original again, or leave --quantize off")
    return decode_program(package.model.mlProgram, WeightFiles(package.folder)).functions


def _inside(block: Block) -> Iterator[Operation]:
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from _inside(nested)


def input_counts(model: Path) -> dict[str, int]:
    """How many inputs of the layer each weight belongs to has, by the weight's name."""
    constants: dict[str, Operation] = {}
    found: dict[str, int] = {}
    for operation in operations(model):
        if operation.type == "const":
            constants[operation.outputs[0].name] = operation
        for parameter, arguments in operation.inputs.items():
            for one in arguments:
                if isinstance(one, Name) and one.name in constants:
                    shape = _shape(constants[one.name])
                    if len(shape) > 1:
                        found[constants[one.name].name] = shape[_input_axis(operation, parameter, constants)]
    return found


def _shape(constant: Operation) -> tuple[int, ...]:
    kind = constant.outputs[0].type
    return tuple(size or 0 for size in kind.shape or ()) if isinstance(kind, TensorType) else ()


def _input_axis(operation: Operation, parameter: str, constants: Mapping[str, Operation]) -> int:
    """The axis of a weight along which a layer sums up, as coremltools' quantizer finds it."""
    if operation.type == "conv_transpose":
        return 0
    if operation.type != "matmul":
        return 1
    turned = bool(_value(operation, f"transpose_{parameter}", constants))
    return -1 if turned == (parameter == "y") else -2


def _value(operation: Operation, parameter: str, constants: Mapping[str, Operation]) -> object:
    """A parameter's value, ``None`` where it has none."""
    for one in operation.inputs.get(parameter, ()):
        held = one if isinstance(one, Constant) else constants[one.name].inputs["val"][0]
        if isinstance(held, Constant):
            return np.asarray(held.value).item()
    return None


@dataclass(frozen=True)
class Layer:
    """An operation that integers can compute.

    Attributes:
        name: of the operation.
        takes: the activations that it reads.
        gives: the activation that is rounded behind it; empty where that is an output of the model, or never read.
        weight: the name of the operation that holds its weights; empty where it has none.
    """

    name: str
    takes: tuple[str, ...]
    gives: str
    weight: str


def layers_of(function: Function) -> list[Layer]:
    """The layers of a function's body that integers can compute; those in loops and branches stay in float."""
    block = function.block
    known = {
        one.name: operation
        for operation in block.operations
        if operation.type == "const" or operation.type.startswith("constexpr_")
        for one in operation.outputs
    }
    floats = {
        one.name
        for one in (*function.inputs, *(one for operation in block.operations for one in operation.outputs))
        if isinstance(one.type, TensorType) and one.type.dtype in _FLOATS and one.type.shape != ()
    }
    readers = _Readers(block)
    found = []
    for operation in block.operations:
        weight, takes = _operands(operation, known)
        if takes and floats.issuperset(takes) and operation.outputs[0].name in floats:
            found.append(Layer(operation.name, takes, readers.end(operation), weight))
    return found


def _operands(operation: Operation, known: Mapping[str, Operation]) -> tuple[str, tuple[str, ...]]:
    """The name of an operation's weights, and the activations that it takes; none where it is no such layer."""
    named = {key: [one.name for one in values if isinstance(one, Name)] for key, values in operation.inputs.items()}
    if operation.type in _WEIGHTED:
        weights = [name for name in named.get(_WEIGHTED[operation.type], ()) if name in known]
        takes = tuple(name for name in named.get("x", ()) if name not in known)
        return (known[weights[0]].name, takes) if weights else ("", ())
    places = _PLAIN.get(operation.type, ())
    takes = tuple(name for place in places for name in named.get(place, ()) if name not in known)
    return "", takes if len(takes) == len(places) else ()


class _Readers:
    """Who reads a block's values."""

    def __init__(self, block: Block) -> None:
        self._outputs = set(block.outputs)
        self._counts = Counter(_read(block))
        self._first: dict[str, Operation] = {}
        for operation in block.operations:
            for name in _names(operation):
                self._first.setdefault(name, operation)

    def end(self, operation: Operation) -> str:
        """What an operation gives after what is computed together with it; empty where nothing reads that."""
        name = operation.outputs[0].name
        after = self._first.get(name)
        if self._counts[name] == 1 and name not in self._outputs and after is not None and after.type in _FUSED:
            name = after.outputs[0].name
        return name if self._counts[name] and name not in self._outputs else ""


def _read(block: Block) -> Iterator[str]:
    for operation in _inside(block):
        yield from _names(operation)
        for nested in operation.blocks:
            yield from nested.outputs


def _names(operation: Operation) -> Iterator[str]:
    for arguments in operation.inputs.values():
        yield from (one.name for one in arguments if isinstance(one, Name))
