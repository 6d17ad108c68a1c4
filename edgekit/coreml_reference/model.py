"""A Core ML model opened for evaluation: features in, features out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.coreml_reference.checks import check_interface, check_names
from edgekit.coreml_reference.context import Kept
from edgekit.coreml_reference.decode import decode_program
from edgekit.coreml_reference.evaluator import Evaluator, Observer
from edgekit.coreml_reference.features import Feature, check_inputs, read_feature
from edgekit.coreml_reference.images import from_tensor, to_tensor
from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.package import Package, read_package
from edgekit.coreml_reference.precision import Precision, check_precision
from edgekit.coreml_reference.program import TensorType
from edgekit.coreml_reference.trouble import Trouble
from edgekit.coreml_reference.weights import WeightFiles
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Shape

State = dict[str, Kept]


class Model(ABC):
    """What every kind of Core ML model offers.

    Attributes:
        inputs: what it takes.
        outputs: what it gives.
        states: what it keeps between calls.
        functions: the names of its functions, one of which was opened; empty where it has none.
        incomparable: why two calls may differ, so that answers prove nothing; empty where they do not.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()
    functions: tuple[str, ...] = ()
    incomparable: str = ""

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Where half precision broke, of the calls since :meth:`watch`."""
        return ()

    def watch(self) -> None:  # noqa: B027 - only programs have half precision
        """Look for trouble of half precision from now on."""

    def output_shape(self, feature: Feature) -> Shape:
        """An output's shape, ``None`` where it varies; empty where the model does not tell."""
        return feature.shape

    @abstractmethod
    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, observer: Observer | None = None
    ) -> dict[str, Any]:
        """One call.

        Args:
            inputs: values by name: arrays; images as [height, width, 3] RGB or [height, width] gray; text; numbers;
                dictionaries.
            state: what :meth:`new_state` made; changed in place.
            observer: told of every operation's results.

        Returns:
            Values by name: arrays in the declared dtype, images, labels, dictionaries of probabilities.

        Raises:
            InputError: the inputs do not fit.
            ExecutionError: an operation failed.
        """

    def new_state(self) -> State:
        """The state of a new session: zeros."""
        return {feature.name: Kept(np.zeros(feature.shape, _held(feature))) for feature in self.states}


class Described(Model):
    """A model of which only the description is read: its features, whether or not anything here can run it."""

    def __init__(self, package: Package) -> None:
        description = package.model.description
        interface = _interface(description, None)
        self.inputs = tuple(map(read_feature, interface.input))
        self.outputs = tuple(map(read_feature, interface.output))
        self._path = package.path

    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, observer: Observer | None = None
    ) -> dict[str, Any]:
        """Nothing runs it."""
        del inputs, state, observer
        raise UnsupportedError(f"execute {self._path}", "only its description was read", "")


class ProgramModel(Model):
    """An ML Program."""

    def __init__(self, package: Package, function: str | None, precision: Precision, seed: int) -> None:
        description = package.model.description
        program = decode_program(package.model.mlProgram, WeightFiles(package.folder))
        interface = _interface(description, function)
        name = function or description.defaultFunctionName or "main"
        if name not in program.functions:
            listed = ", ".join(program.functions)
            raise InputError(f"open function {name!r} of {package.path}", "there is none", f"it has {listed}")
        self.inputs = tuple(map(read_feature, interface.input))
        self.outputs = tuple(map(read_feature, interface.output))
        self.states = tuple(map(read_feature, interface.state))
        self.functions = tuple(program.functions)
        opened = program.functions[name]
        check_names(opened)
        check_interface(opened, self.inputs, self.outputs, self.states)
        self._scalars = {one.name for one in opened.inputs if isinstance(one.type, TensorType) and one.type.shape == ()}
        self.evaluator = Evaluator(opened, precision=precision, seed=seed)
        self.incomparable = self.evaluator.incomparable

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Where half precision broke, of the calls since :meth:`watch`."""
        return tuple(self.evaluator.troubles.values())

    def watch(self) -> None:
        """Look for trouble of half precision from now on."""
        self.evaluator.watch = True

    def output_shape(self, feature: Feature) -> Shape:
        """The declared shape; the program's where the description leaves it open."""
        declared = self.evaluator.declared(feature.name)
        if feature.shape or not isinstance(declared, TensorType) or declared.shape is None:
            return feature.shape
        return declared.shape

    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, observer: Observer | None = None
    ) -> dict[str, Any]:
        """One call of the program."""
        given = check_inputs(self.inputs, inputs)
        kept = state if state is not None else self.new_state()
        self._check_state(kept)
        values: dict[str, Any] = dict(kept)
        for feature in self.inputs:
            if feature.name not in given:
                raise InputError(f"run without input {feature.name!r}", "it has no default", "give it")
            value = _enter(feature, given[feature.name])
            values[feature.name] = value.reshape(()) if feature.name in self._scalars else value
        results = self.evaluator.run(values, observer)
        _own(kept, inputs)
        return {feature.name: _leave(feature, results[feature.name]) for feature in self.outputs}

    def _check_state(self, state: State) -> None:
        for feature in self.states:
            if feature.name not in state:
                raise InputError(
                    f"run without state {feature.name!r}", "the model keeps it", "give a whole new_state()"
                )
            shape = state[feature.name].value.shape
            if shape != feature.shape:
                asked = f"run with state {feature.name!r} of shape {list(shape)}"
                raise InputError(asked, f"the model's has shape {list(feature.shape)}", "give its own new_state()")
        names = {feature.name for feature in self.states}
        for name in state:
            if name not in names:
                raise InputError(f"run with state {name!r}", "the model keeps none of that name", "leave it off")


def open_model(path: Path, *, function: str | None = None, precision: str = "strict", seed: int = 0) -> Model:
    """Open a .mlpackage or .mlmodel for evaluation.

    Args:
        path: the package or file.
        function: which of several functions; ``None`` for the default one.
        precision: ``strict``, ``relaxed`` or ``half`` (see :data:`~edgekit.coreml_reference.precision.Precision`).
        seed: of random operations.

    Raises:
        InputError: missing, damaged, or of a newer format.
        UnsupportedError: of a kind, or with an operation, that is not covered.
        MissingDependencyError: protobuf or torch is not installed.
    """
    checked = check_precision(precision)
    package = read_package(Path(path))
    kind = package.model.WhichOneof("Type")
    if kind == "mlProgram":
        return ProgramModel(package, function, checked, seed)
    if function is not None:
        raise InputError(f"open function {function!r} of {path}", f"a {kind} has no functions", "leave it off")
    from edgekit.coreml_reference.classical import ClassicalModel

    return ClassicalModel(package, checked, seed)


def _interface(description: Message, function: str | None) -> Message:
    """Where the features of a function stand: beside it where there are several, in the description otherwise."""
    wanted = function or description.defaultFunctionName
    return next((one for one in description.functions if one.name == wanted), description)


def _held(feature: Feature) -> type[Any]:
    """The dtype in which a state is held: half precision as float32."""
    return np.float32 if feature.dtype is None or issubclass(feature.dtype, np.floating) else feature.dtype


def _own(state: State, inputs: Mapping[str, Any]) -> None:
    """States in memory of their own: one that was set to an input must not follow what the caller does with it."""
    for kept in state.values():
        if any(isinstance(one, np.ndarray) and np.may_share_memory(kept.value, one) for one in inputs.values()):
            kept.value = np.array(kept.value)


def _enter(feature: Feature, value: Any) -> Any:
    if feature.kind == "image":
        return to_tensor(feature, value)
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _leave(feature: Feature, value: Any) -> Any:
    if feature.kind == "image":
        return from_tensor(feature, np.asarray(value))
    if feature.kind == "array" and feature.dtype is not None:
        # Core ML knows no output of rank zero: a lone number comes out as [1].
        return np.array(value, dtype=feature.dtype, ndmin=1)
    if feature.kind in {"int64", "double", "string"} and isinstance(value, np.ndarray):
        return value.item()
    return value
