"""The table of classical model types: the ``Model`` message's field name to the function that builds its evaluation."""

from __future__ import annotations

import pkgutil
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from edgekit.coreml_reference.classical.columns import Columns
from edgekit.coreml_reference.features import Feature, read_feature
from edgekit.coreml_reference.messages import Message

# Columns by name in, columns by name out: every row at once.
Stage = Callable[[Columns], Columns]


@dataclass(frozen=True)
class Interface:
    """What a model says about its features.

    Attributes:
        inputs: what it takes.
        outputs: what it gives.
        label: the output for the predicted label or value.
        probabilities: the output for the dictionary of probabilities; empty where there is none.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    label: str
    probabilities: str

    def output(self, name: str) -> Feature:
        """An output by its name; the first one where no output has it."""
        return next((feature for feature in self.outputs if feature.name == name), self.outputs[0])


def read_interface(model: Message) -> Interface:
    """The interface in a ``Model`` message."""
    description = model.description
    return Interface(
        tuple(map(read_feature, description.input)),
        tuple(map(read_feature, description.output)),
        description.predictedFeatureName,
        description.predictedProbabilitiesName,
    )


# From a model's own message (``Scaler``, ``GLMRegressor``, ...) and its interface to its evaluation.
Builder = Callable[[Message, Interface], Stage]

_KINDS: dict[str, Builder] = {}


def kind(*names: str) -> Callable[[Builder], Builder]:
    """Register a function as the builder of model types.

    Raises:
        ValueError: the name has a builder already.
    """

    def register(builder: Builder) -> Builder:
        for name in names:
            if name in _KINDS:
                raise ValueError(f"two builders for {name}")
            _KINDS[name] = builder
        return builder

    return register


@cache
def kinds() -> Mapping[str, Builder]:
    """Every builder by its model type."""
    from edgekit.coreml_reference import classical

    for found in pkgutil.iter_modules(classical.__path__):
        import_module(f"{classical.__name__}.{found.name}")
    return types.MappingProxyType(_KINDS)
