"""A Core ML model opened for evaluation: features in, features out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.coreml_reference.context import Kept
from edgekit.coreml_reference.decode import decode_program
from edgekit.coreml_reference.evaluator import Evaluator, Observer
from edgekit.coreml_reference.features import Feature, check_inputs, read_feature
from edgekit.coreml_reference.images import from_tensor, to_tensor
from edgekit.coreml_reference.messages import Message
from edgekit.coreml_reference.package import Package, read_package
from edgekit.coreml_reference.precision import Precision, Trouble, check_precision
from edgekit.coreml_reference.weights import WeightFiles
from edgekit.errors import InputError, UnsupportedError

State = dict[str, Kept]


class Model(ABC):
    """What every kind of Core ML model offers.

    Attributes:
        inputs: what it takes.
        outputs: what it gives.
        states: what it keeps between calls.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()

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
        return {feature.name: Kept(np.zeros(feature.shape, np.float32)) for feature in self.states}


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
        self.evaluator = Evaluator(program.functions[name], precision=precision, seed=seed)

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Where half precision broke, of the calls since ``evaluator.watch`` was set."""
        return tuple(self.evaluator.troubles.values())

    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, observer: Observer | None = None
    ) -> dict[str, Any]:
        """One call of the program."""
        given = check_inputs(self.inputs, inputs)
        values: dict[str, Any] = dict(state if state is not None else self.new_state())
        for feature in self.inputs:
            if feature.name in given:
                values[feature.name] = _enter(feature, given[feature.name])
        results = self.evaluator.run(values, observer)
        return {feature.name: _leave(feature, results[feature.name]) for feature in self.outputs}


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
    raise UnsupportedError(
        f"execute {path}", f"models of kind {kind} are not covered by edgekit's Core ML reference", ""
    )


def _interface(description: Message, function: str | None) -> Message:
    """Where the features of a function stand: beside it where there are several, in the description otherwise."""
    wanted = function or description.defaultFunctionName
    return next((one for one in description.functions if one.name == wanted), description)


def _enter(feature: Feature, value: Any) -> Any:
    if feature.kind == "image":
        return to_tensor(feature, value)
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _leave(feature: Feature, value: Any) -> Any:
    if feature.kind == "image":
        return from_tensor(feature, np.asarray(value))
    if feature.kind == "array":
        return np.array(value, dtype=feature.dtype)
    if feature.kind in {"int64", "double", "string"} and isinstance(value, np.ndarray):
        return value.item()
    return value
