"""A second check that Apple wrote: coremltools' own numpy implementations of operations, on the values of a real run.

coremltools computes the value of an operation on constants while it builds a program (``value_inference``). Every
operation that our evaluator ran is built again with its run-time operands as constants, and the two answers compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.convert.coreml_file import import_coremltools
from edgekit.coreml_reference.model import ProgramModel
from edgekit.coreml_reference.precision import settle, widen
from edgekit.coreml_reference.program import NUMPY_TYPES, Constant, Operation, TensorType
from edgekit.coreml_reference.registry import kernels
from edgekit.signature import Array

_OPSETS = {"CoreML5": "iOS15", "CoreML6": "iOS16", "CoreML7": "iOS17", "CoreML8": "iOS18"}
# Rounding of float32, summed over a reduction; half precision is computed throughout by coremltools.
_TOLERANCES = {"fp32": (1e-5, 1e-6), "fp16": (2e-2, 2e-3)}


@dataclass
class Tally:
    """What became of an operation type.

    Attributes:
        compared: operations that both sides computed.
        silent: operations for which coremltools computed nothing, mostly because it has no implementation.
        broken: one line for each operation on which coremltools' implementation failed.
        differences: one line for each operation that differed.
    """

    compared: int = 0
    silent: int = 0
    broken: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def replay(model: ProgramModel, inputs: Mapping[str, Any]) -> dict[str, Tally]:
    """Every operation of a run, outside nested blocks, against coremltools; by operation type."""
    tallies: dict[str, Tally] = {}
    opset = model.evaluator.function.opset
    for operation, operands, results in _run(model, inputs):
        tally = tallies.setdefault(operation.type, Tally())
        try:
            wanted = _infer(operation, operands, opset)
        except Exception as error:  # noqa: BLE001 - whatever coremltools' own code raises
            tally.broken.append(f"{operation.name}: {type(error).__name__}: {error}")
            continue
        if wanted is None:
            tally.silent += 1
            continue
        tally.compared += 1
        difference = _compare(operation, results, wanted)
        if difference:
            tally.differences.append(f"{operation.name}: {difference}")
    return tallies


def _run(
    model: ProgramModel, inputs: Mapping[str, Any]
) -> Iterator[tuple[Operation, dict[str, list[Any]], tuple[Any, ...]]]:
    """Operations with their operands, as declared, and their results."""
    observed: dict[int, tuple[Any, ...]] = {}
    model.predict(inputs, observer=lambda operation, results: observed.__setitem__(id(operation), results))
    function = model.evaluator.function
    values: dict[str, Any] = {}
    for one in function.inputs:
        if isinstance(one.type, TensorType) and one.name in inputs:
            values[one.name] = np.asarray(inputs[one.name], NUMPY_TYPES[one.type.dtype]).reshape(
                () if one.type.shape == () else np.shape(inputs[one.name])
            )
    for operation in function.block.operations:
        operands: dict[str, list[Any]] = {}
        for parameter, arguments in operation.inputs.items():
            given = [one.value if isinstance(one, Constant) else values.get(one.name) for one in arguments]
            if all(one is not None for one in given):
                operands[parameter] = given
        if operation.type == "const":
            values[operation.outputs[0].name] = operands["val"][0]
            continue
        known = operands.keys() == operation.inputs.keys() and not operation.blocks
        if operation.type.startswith("constexpr_") and known:
            # The evaluator computes these once, before the run that is observed.
            observed[id(operation)] = _expand(operation, operands)
        if id(operation) not in observed:
            continue
        results = observed[id(operation)]
        for declared, result in zip(operation.outputs, results, strict=True):
            values[declared.name] = _narrow(result, declared.type)
        if known:
            yield operation, operands, results


def _expand(operation: Operation, operands: Mapping[str, list[Any]]) -> tuple[Any, ...]:
    kernel = kernels()[operation.type]
    given = {name: kernel.parameters[name].convert([widen(one) for one in some]) for name, some in operands.items()}
    results = kernel.call(**given)
    return tuple(
        settle(result, declared.type, "strict")
        for declared, result in zip(
            operation.outputs, results if isinstance(results, tuple) else (results,), strict=True
        )
        if isinstance(declared.type, TensorType)
    )


def _narrow(result: Any, declared: Any) -> Any:
    """A result in its declared dtype; the evaluator holds half precision as float32."""
    if not isinstance(declared, TensorType) or declared.dtype == "string" or not isinstance(result, np.ndarray):
        return None
    return result.astype(NUMPY_TYPES[declared.dtype], copy=False)


def _infer(operation: Operation, operands: Mapping[str, list[Any]], opset: str) -> list[Any] | None:
    """The answer of coremltools, or ``None`` where it has none."""
    coremltools = import_coremltools("torch")
    from coremltools.converters.mil import mil

    build = getattr(mil.Builder, operation.type, None)
    if build is None or opset not in _OPSETS:
        return None
    arguments = {name: _argument(operation, name, given) for name, given in operands.items()}
    with mil.Function({}, opset_version=getattr(coremltools.target, _OPSETS[opset])):
        built = build(**arguments)
        made = list(built) if isinstance(built, (list, tuple)) else [built]
        values = [one.val for one in made]
        inferred = made[0].op
        # Compressed weights are computed when asked for only.
        if values[0] is None and hasattr(inferred, "materialized_val_inference"):
            later = inferred.materialized_val_inference()
            values = list(later) if isinstance(later, tuple) else [later]
    return None if any(one is None for one in values) else values


def _argument(operation: Operation, name: str, given: list[Any]) -> Any:
    several = operation.type in {"concat", "stack", "einsum"} and name == "values"
    plain = [_plain(one) for one in given]
    return plain if several or len(plain) > 1 else plain[0]


def _plain(value: Array) -> Any:
    if value.dtype == object:
        return value.item()
    if value.dtype == np.bool_ and value.ndim == 0:
        # coremltools hands a flag on to numpy, which wants Python's.
        return bool(value)
    return value[()] if value.ndim == 0 else np.array(value)


def _compare(operation: Operation, results: tuple[Any, ...], wanted: list[Any]) -> str:
    """How the answers differ; empty where they do not."""
    for declared, result, expected in zip(operation.outputs, results, wanted, strict=True):
        ours, theirs = np.asarray(result), np.asarray(expected)
        if ours.shape != theirs.shape:
            return f"shape {list(ours.shape)}, coremltools says {list(theirs.shape)}"
        dtype = declared.type.dtype if isinstance(declared.type, TensorType) else ""
        relative, absolute = _TOLERANCES.get(dtype, (0.0, 0.0))
        same = np.isclose(ours.astype(np.float64), theirs.astype(np.float64), relative, absolute, equal_nan=True)
        if not same.all():
            worst = np.unravel_index(int(np.argmin(same)), same.shape)
            return f"{int((~same).sum())} of {same.size} values, first {ours[worst]!r} where it says {theirs[worst]!r}"
    return ""
