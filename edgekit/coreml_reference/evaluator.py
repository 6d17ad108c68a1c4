"""Evaluation of an ML Program, operation by operation, on numpy values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.precision import Precision, rounds, settle, widen
from edgekit.coreml_reference.program import Block, Constant, Function, Name, Operation, TensorType, ValueType
from edgekit.coreml_reference.registry import Kernel, kernels
from edgekit.coreml_reference.trouble import Trouble, find_trouble
from edgekit.errors import EdgekitError, ExecutionError, InputError, UnsupportedError
from edgekit.signature import Array

# Told of every operation's results, in order of execution.
Observer = Callable[[Operation, tuple[Any, ...]], None]


@dataclass(frozen=True)
class _Slot:
    """A kernel's argument that is known at run time only, wholly or in part."""

    parameter: str
    convert: Callable[[Sequence[Any]], Any]
    sources: tuple[Name | Constant, ...]


@dataclass
class _Step:
    operation: Operation
    kernel: Kernel
    fixed: dict[str, Any]
    slots: tuple[_Slot, ...]
    # Values whose last use this is.
    release: tuple[str, ...]


@dataclass
class _Plan:
    inputs: tuple[str, ...]
    steps: tuple[_Step, ...]
    outputs: tuple[str, ...]
    # Values of enclosing blocks that this one, or one nested in it, reads.
    captures: frozenset[str]


class Evaluator:
    """A function of a program, planned once and run many times.

    Attributes:
        incomparable: why two runs may differ; empty where they do not.
        troubles: where half precision broke, of all runs since the evaluator was told to ``watch``.
    """

    def __init__(self, function: Function, *, precision: Precision = "strict", seed: int = 0) -> None:
        """Find a kernel for every operation.

        Raises:
            UnsupportedError: an operation, or one of its parameters, is not covered.
        """
        self.function = function
        self.precision = precision
        self.watch = False
        self.troubles: dict[str, Trouble] = {}
        self._random = np.random.default_rng(seed)
        self._constants: dict[str, Any] = {}
        self._plans: dict[int, _Plan] = {}
        self._observer: Observer | None = None
        self.incomparable = ""
        self._declared: dict[str, ValueType] = {}
        self._check(function.block)
        self._plan: _Plan | None = None

    def run(self, inputs: Mapping[str, Any], observer: Observer | None = None) -> dict[str, Any]:
        """One call: the function's inputs to its outputs, half precision held as float32.

        Raises:
            ExecutionError: an operation failed; names it and its layer.
        """
        # Infinities and NaN are results like any other.
        with np.errstate(all="ignore"):
            if self._plan is None:
                self._plan = self._compile(self.function.block)
                self._forget(self._plan, *self._plans.values())
            self._observer = observer
            names = self._plan.inputs or tuple(one.name for one in self.function.inputs)
            results = self._run(self._plan, {name: inputs[name] for name in names})
        return dict(zip(self._plan.outputs, results, strict=True))

    def declared(self, name: str) -> ValueType:
        """The type that the program declares of a value; ``None`` where it declares none."""
        return self._declared.get(name)

    def _check(self, block: Block) -> None:
        """Refuse what no kernel covers before anything is computed."""
        for operation in block.operations:
            self._declared.update({one.name: one.type for one in operation.outputs})
            if operation.type == "const":
                continue
            kernel = kernels().get(operation.type)
            if kernel is None:
                raise _uncovered(operation, "the operation is not covered")
            unknown = sorted(operation.inputs.keys() - kernel.parameters.keys())
            if unknown:
                raise _uncovered(operation, f"its parameter {unknown[0]!r} is not covered")
            needed = {name for name, one in kernel.parameters.items() if one.required}
            for parameter in sorted(needed - operation.inputs.keys()):
                asked = f"read {operation.type} in layer {operation.name!r}"
                raise InputError(asked, f"its parameter {parameter!r} is missing", "convert the model again")
            if kernel.random and not self.incomparable:
                self.incomparable = f"layer {operation.name!r} draws random numbers ({operation.type})"
            for nested in operation.blocks:
                self._check(nested)

    def _compile(self, block: Block) -> _Plan:
        """Bind constants, evaluate compressed weights, and find out when each value is last read."""
        steps: list[_Step] = []
        defined = {one.name for one in block.inputs}
        read: set[str] = set()
        uses: list[set[str]] = []
        for operation in block.operations:
            if operation.type == "const":
                self._constants[operation.outputs[0].name] = _constant(operation)
                continue
            step = self._bind(operation)
            if operation.type.startswith("constexpr_") and not step.slots:
                self._constants.update(zip((o.name for o in operation.outputs), self._call(step, {}), strict=True))
                continue
            used = {one.name for slot in step.slots for one in slot.sources if isinstance(one, Name)}
            for nested in operation.blocks:
                self._plans[id(nested)] = plan = self._compile(nested)
                used |= plan.captures
            used -= self._constants.keys()
            read |= used - defined
            defined |= {one.name for one in operation.outputs}
            steps.append(step)
            uses.append(used)
        kept = set(block.outputs)
        read |= kept - defined - self._constants.keys()
        for step, used in zip(reversed(steps), reversed(uses), strict=True):
            step.release = tuple(used - kept - read)
            kept |= used
        inputs = tuple(one.name for one in block.inputs)
        return _Plan(inputs, tuple(steps), block.outputs, frozenset(read))

    def _forget(self, *plans: _Plan) -> None:
        """Drop the constants that no step asks for by name: what compressed weights were made of."""
        needed = {name for plan in plans for name in plan.outputs}
        for plan in plans:
            for step in plan.steps:
                needed |= {one.name for slot in step.slots for one in slot.sources if isinstance(one, Name)}
        self._constants = {name: value for name, value in self._constants.items() if name in needed}

    def _bind(self, operation: Operation) -> _Step:
        kernel = kernels()[operation.type]
        fixed: dict[str, Any] = {}
        slots: list[_Slot] = []
        for parameter, arguments in operation.inputs.items():
            convert = kernel.parameters[parameter].convert
            if all(isinstance(one, Constant) or one.name in self._constants for one in arguments):
                try:
                    fixed[parameter] = convert([self._known(one) for one in arguments])
                except Exception as error:
                    raise _failed(operation, f"its parameter {parameter!r}: {error}") from error
            else:
                slots.append(_Slot(parameter, convert, arguments))
        return _Step(operation, kernel, fixed, tuple(slots), ())

    def _known(self, argument: Name | Constant) -> Any:
        return self._constants[argument.name] if isinstance(argument, Name) else _widened(argument.value)

    def _run(self, plan: _Plan, values: dict[str, Any]) -> tuple[Any, ...]:
        constants = self._constants
        for step in plan.steps:
            results = self._call(step, values)
            for declared, result in zip(step.operation.outputs, results, strict=True):
                values[declared.name] = result
            for name in step.release:
                del values[name]
        return tuple(values[name] if name in values else constants[name] for name in plan.outputs)

    def _call(self, step: _Step, values: dict[str, Any]) -> tuple[Any, ...]:
        arguments = dict(step.fixed)
        constants = self._constants
        operation = step.operation
        if step.kernel.context:
            arguments["context"] = self._context(operation, values)
        try:
            for slot in step.slots:
                arguments[slot.parameter] = slot.convert(
                    [
                        _widened(one.value)
                        if isinstance(one, Constant)
                        else values[one.name]
                        if one.name in values
                        else constants[one.name]
                        for one in slot.sources
                    ]
                )
            results = step.kernel.call(**arguments)
            settled = self._settle(operation, arguments, results if isinstance(results, tuple) else (results,))
        except EdgekitError:
            raise
        except Exception as error:
            raise _failed(operation, f"{type(error).__name__}: {error}") from error
        if self._observer is not None:
            self._observer(operation, settled)
        return settled

    def _settle(self, operation: Operation, arguments: dict[str, Any], results: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(results) != len(operation.outputs):
            raise _uncovered(operation, f"{len(operation.outputs)} outputs are declared, {len(results)} are covered")
        settled = []
        for declared, result in zip(operation.outputs, results, strict=True):
            if not isinstance(declared.type, TensorType) or isinstance(result, list):
                settled.append(result)
                continue
            array = settle(result, declared.type, self.precision)
            if not _fits(array.shape, declared.type.shape):
                raise _failed(operation, f"shape {list(array.shape)}, the program declares {declared.type}")
            if self.watch and operation.name not in self.troubles and rounds(declared.type, self.precision):
                trouble = find_trouble(operation, arguments, np.asarray(result), array)
                if trouble is not None:
                    self.troubles[operation.name] = trouble
            settled.append(array)
        return tuple(settled)

    def _context(self, operation: Operation, values: dict[str, Any]) -> Context:
        def run_block(number: int, given: Sequence[Any]) -> tuple[Any, ...]:
            plan = self._plans[id(operation.blocks[number])]
            inside = {name: values[name] for name in plan.captures if name in values}
            inside.update(zip(plan.inputs, given, strict=True))
            return self._run(plan, inside)

        return Context(operation, run_block, self._random, self.function.opset)


def _fits(shape: tuple[int, ...], declared: tuple[int | None, ...] | None) -> bool:
    if declared is None or shape == declared:
        return True
    return len(shape) == len(declared) and all(b is None or a == b for a, b in zip(shape, declared, strict=True))


def _constant(operation: Operation) -> Any:
    (argument,) = operation.inputs["val"]
    if isinstance(argument, Name):
        raise _uncovered(operation, "a constant refers to another value")
    return _widened(argument.value)


def _widened(value: Array | tuple[Array, ...]) -> Any:
    return [widen(one) for one in value] if isinstance(value, tuple) else widen(value)


def _failed(operation: Operation, why: str) -> ExecutionError:
    return ExecutionError(f"evaluate {operation.type} in layer {operation.name!r}", why, "run the model on a Mac")


def _uncovered(operation: Operation, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"execute {operation.type} in layer {operation.name!r}",
        f"{why} by edgekit's Core ML reference",
        "run the model on a Mac or an iPhone",
    )
