"""What must hold before a program runs: every name refers to something, and the description fits the program."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.coreml_reference.features import Feature
from edgekit.coreml_reference.program import (
    Block,
    Constant,
    Function,
    ListType,
    Name,
    Operation,
    StateType,
    TensorType,
    ValueType,
)
from edgekit.errors import InputError

_AGAIN = "copy the package again, or convert the model again"


def check_names(function: Function) -> None:
    """Every value is defined once, before it is read; operations stand in order, so no cycle can pass.

    Raises:
        InputError: names the operation and the value.
    """
    defined: set[str] = set()
    inputs = function.block.inputs or function.inputs
    _define(defined, (one.name for one in inputs), f"function {function.name!r}")
    _check_block(function.block, defined, set(defined), f"function {function.name!r}")


def _check_block(block: Block, defined: set[str], visible: set[str], asked: str) -> None:
    """``defined`` holds the names of the whole function, ``visible`` those that this block may read."""
    if not block.outputs:
        raise InputError(f"read {asked}", "it has no outputs", _AGAIN)
    for operation in block.operations:
        layer = f"{operation.type} in layer {operation.name!r}"
        _check_operation(operation, visible, layer)
        # A loop's two blocks name their inputs alike.
        _define(defined, dict.fromkeys(one.name for nested in operation.blocks for one in nested.inputs), layer)
        for number, nested in enumerate(operation.blocks):
            inside = [one.name for one in nested.inputs]
            _define(set(), inside, layer)
            _check_block(nested, defined, visible | set(inside), f"block {number} of {layer}")
        outputs = [one.name for one in operation.outputs]
        _define(defined, outputs, layer)
        visible.update(outputs)
    for name in block.outputs:
        if name not in visible:
            raise InputError(f"read {asked}", f"its output {name!r} is not defined", _AGAIN)


def _check_operation(operation: Operation, visible: set[str], layer: str) -> None:
    for parameter, arguments in operation.inputs.items():
        if not arguments:
            raise InputError(f"read {layer}", f"its parameter {parameter!r} has no value", _AGAIN)
        for one in arguments:
            if isinstance(one, Name) and one.name not in visible:
                raise InputError(f"read {layer}", f"its {parameter!r} {one.name!r} is not defined before it", _AGAIN)
    if operation.type == "const":
        value = operation.inputs.get("val", ())
        if len(operation.outputs) != 1 or len(value) != 1 or not isinstance(value[0], Constant):
            raise InputError(f"read {layer}", "it has not one value and one output", _AGAIN)


def _define(defined: set[str], names: Iterable[str], asked: str) -> None:
    for name in names:
        if not name or name in defined:
            why = f"value {name!r} is defined twice" if name else "a value has no name"
            raise InputError(f"read {asked}", why, _AGAIN)
        defined.add(name)


def check_interface(
    function: Function, inputs: Iterable[Feature], outputs: Iterable[Feature], states: Iterable[Feature]
) -> None:
    """What the description promises is what the program takes and gives.

    Raises:
        InputError: a name, a kind, a rank or a size that differs.
    """
    asked = f"read function {function.name!r}"
    declared = {one.name: one.type for one in function.inputs}
    described = {feature.name: feature for feature in (*inputs, *states)}
    for name in sorted(declared.keys() ^ described.keys()):
        where, other = ("program", "description") if name in declared else ("description", "program")
        raise InputError(asked, f"input {name!r} stands in its {where} and not in its {other}", _AGAIN)
    results = {one.name: one.type for operation in function.block.operations for one in operation.outputs}
    for feature in outputs:
        if feature.name not in function.block.outputs:
            raise InputError(asked, f"output {feature.name!r} stands in its description only", _AGAIN)
        _check_feature(feature, declared.get(feature.name, results.get(feature.name)), asked)
    for name, feature in described.items():
        _check_feature(feature, declared[name], asked)
        if feature.default is not None and not feature.allows(feature.shape):
            raise InputError(asked, f"{name!r} defaults to a shape that it does not take", _AGAIN)


def _check_feature(feature: Feature, kind: ValueType, asked: str) -> None:
    """A fixed shape is the program's. A scalar counts as a vector of one in descriptions."""
    if not isinstance(kind, _KINDS[feature.kind]):
        raise InputError(asked, f"{feature.name!r} is described as {feature.kind}, the program has {kind}", _AGAIN)
    tensor = kind.wrapped if isinstance(kind, StateType) else kind
    if not isinstance(tensor, TensorType) or tensor.shape is None:
        return
    shape = feature.shape
    if feature.kind == "image":
        shape = (1, 1 if feature.colour.startswith("gray") else 3, *shape)
    elif feature.kind not in {"array", "state"} or not shape:
        return
    flexible = bool(feature.ranges or feature.shapes)
    wanted = tensor.shape or (1,)
    if len(shape) != len(wanted) or (
        not flexible and any(size is not None and one != size for one, size in zip(shape, wanted, strict=True))
    ):
        raise InputError(asked, f"{feature.name!r} is described as {list(shape)}, the program has {tensor}", _AGAIN)


# Dictionaries have a type that no operation computes with.
_KINDS: dict[str, type | tuple[type, ...]] = {
    "array": TensorType,
    "image": TensorType,
    "int64": TensorType,
    "double": TensorType,
    "string": TensorType,
    "state": StateType,
    "dictionary": type(None),
    "sequence": (ListType, type(None)),
}
