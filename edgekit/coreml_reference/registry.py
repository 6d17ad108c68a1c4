"""The table of operations: name to kernel, filled by the files of ``ops/``, one a family."""

from __future__ import annotations

import inspect
import pkgutil
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from edgekit.signature import Array

# How a kernel's parameters are annotated, beside Array, int, float, bool and str.
Ints = tuple[int, ...]
Bools = tuple[bool, ...]
Strs = tuple[str, ...]
Arrays = tuple[Array, ...]

Function = typing.TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter.

    Attributes:
        convert: from the bound values (one, or several for :data:`Arrays`) to what the kernel takes.
        required: whether the kernel has no default for it.
    """

    convert: Callable[[Sequence[Any]], Any]
    required: bool


@dataclass(frozen=True)
class Kernel:
    """An operation's implementation.

    Attributes:
        name: the operation's name in the opset.
        spec: the opset and family whose definition it follows, as coremltools lays them out (``iOS15 conv``).
        call: the function, by keyword arguments named as in the definition.
        parameters: what it takes.
        context: whether it also takes the evaluation's :class:`~edgekit.coreml_reference.context.Context`.
        random: whether its outputs differ from call to call on a device, so that nothing can be compared with them.
    """

    name: str
    spec: str
    call: Callable[..., Any]
    parameters: Mapping[str, Parameter]
    context: bool
    random: bool


_KERNELS: dict[str, Kernel] = {}


def op(*names: str, spec: str, random: bool = False) -> Callable[[Function], Function]:
    """Register a function as the kernel of operations.

    Parameters are bound by name and converted by annotation: ``Array`` as it is (half precision held as float32),
    ``int``, ``float``, ``bool`` and ``str`` from tensors of one element, ``Ints`` from a vector, ``Arrays`` from any
    number of tensors. ``Any`` passes the bound value on: a list, or a kept tensor. A parameter called ``context``
    gets the evaluation's. The result is an array, or a tuple of as many as the operation has outputs; the evaluator
    brings it to the declared dtype.

    Raises:
        ValueError: the name has a kernel already.
    """

    def register(function: Function) -> Function:
        hints = typing.get_type_hints(function)
        given = inspect.signature(function).parameters
        parameters = {
            name: Parameter(_converter(hints[name]), one.default is inspect.Parameter.empty)
            for name, one in given.items()
            if name != "context"
        }
        for name in names:
            if name in _KERNELS:
                raise ValueError(f"two kernels for {name}")
            _KERNELS[name] = Kernel(name, spec, function, parameters, "context" in given, random)
        return function

    return register


@cache
def kernels() -> Mapping[str, Kernel]:
    """Every kernel by its operation's name."""
    from edgekit.coreml_reference import ops

    for found in pkgutil.iter_modules(ops.__path__):
        import_module(f"{ops.__name__}.{found.name}")
    return types.MappingProxyType(_KERNELS)


def _converter(hint: Any) -> Callable[[Sequence[Any]], Any]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        hint = next(one for one in typing.get_args(hint) if one is not type(None))
    return _CONVERTERS[hint]


def _one(values: Sequence[Any]) -> Any:
    return values[0]


def _scalar(kind: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Any]:
    return lambda values: kind(np.asarray(values[0]).item())


def _vector(kind: Callable[[Any], Any]) -> Callable[[Sequence[Any]], Any]:
    return lambda values: tuple(kind(one) for one in np.asarray(values[0]).reshape(-1).tolist())


_CONVERTERS: dict[Any, Callable[[Sequence[Any]], Any]] = {
    Array: _one,
    Any: _one,
    int: _scalar(int),
    float: _scalar(float),
    bool: _scalar(bool),
    str: _scalar(str),
    Ints: _vector(int),
    Bools: _vector(bool),
    Strs: _vector(str),
    Arrays: tuple,
}
