"""How a TensorFlow model is called: its inputs by name, flat and in order, whatever structure it takes itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.errors import InputError
from edgekit.signature import Shape
from edgekit.sources.inputs import InputFacts


@dataclass(frozen=True)
class Interface:
    """A model's inputs, and the call that takes them.

    Attributes:
        facts: what the model says of its inputs.
        call: from tensors by the model's own names to its answer, of any structure.
        output_names: the names that the user chose for outputs which :func:`flatten` numbers.
    """

    facts: InputFacts
    call: Callable[[Mapping[str, Any]], Any]
    output_names: Mapping[str, str] = field(default_factory=dict)

    def answer(self, tensors: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """The model's outputs, flat, by their names."""
        return [(self.output_names.get(name, name), value) for name, value in flatten(self.call(tensors), "output")]


def flatten(value: Any, side: str, name: str = "") -> list[tuple[str, Any]]:
    """A structure's leaves in order, by name; ``None`` is left out.

    Dictionary keys and named-tuple fields name their leaves, joined by ``_`` where nested; the parts of a plain tuple
    or list are numbered, ``output_0``, ``output_1`` … at the top (``side`` says ``input`` or ``output``).
    """
    if value is None:
        return []
    prefix = f"{name}_" if name else ""
    if isinstance(value, Mapping):
        parts = [(f"{prefix}{key}", part) for key, part in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [(f"{prefix}{key}", getattr(value, key)) for key in value._fields]
    elif isinstance(value, list | tuple):
        parts = [(f"{prefix or f'{side}_'}{index}", part) for index, part in enumerate(value)]
    else:
        return [(name or f"{side}_0", value)]
    return [pair for key, part in parts for pair in flatten(part, side, key)]


def rebuild(structure: Any, leaves: Iterator[Any]) -> Any:
    """The structure with its leaves, in the order of :func:`flatten`, replaced."""
    if structure is None:
        return None
    if isinstance(structure, Mapping):
        return {key: rebuild(part, leaves) for key, part in structure.items()}
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*(rebuild(part, leaves) for part in structure))
    if isinstance(structure, list | tuple):
        return type(structure)([rebuild(part, leaves) for part in structure])
    return next(leaves)


def keras_interface(model: Any) -> Interface:
    """The interface of a Keras model (Keras 3 or tf_keras): functional, Sequential or subclassed.

    Inputs are called as the user called them: by the keys of a dictionary, else by ``keras.Input(name=…)``, in a
    subclassed model by the arguments of ``call``. Where Keras made the name up (``input_layer_3``, ``keras_tensor``),
    they are ``input_0``, ``input_1`` …. Outputs likewise: by the keys of a dictionary, else by the name that the user
    gave to the layer behind them, else ``output_0``, ``output_1`` ….
    """
    # A Sequential model wraps a functional one once its input is known.
    symbolic = getattr(model, "_functional", None) or model
    try:
        structure, outputs = symbolic.input, symbolic.output
    except (AttributeError, ValueError):
        return _from_call(model)
    pairs = flatten(structure, "input")
    names = _chosen_names(pairs, "input")
    for name, (_, tensor) in zip(names, pairs, strict=True):
        if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
            raise InputError(f"input {name!r}", "it is a sparse or ragged tensor", "give the model a dense input")
    required = frozenset(
        name for name, (_, tensor) in zip(names, pairs, strict=True) if not getattr(_origin(tensor), "optional", False)
    )
    facts = InputFacts(
        names,
        required,
        {name: tuple(tensor.shape) for name, (_, tensor) in zip(names, pairs, strict=True)},
        {name: dtype_of(tensor) for name, (_, tensor) in zip(names, pairs, strict=True)},
    )

    def call(tensors: Mapping[str, Any]) -> Any:
        return model(rebuild(structure, (tensors.get(name) for name in names)), training=False)

    own = flatten(outputs, "output")
    return Interface(facts, call, dict(zip((n for n, _ in own), _chosen_names(own, "output"), strict=True)))


def _chosen_names(pairs: list[tuple[str, Any]], side: str) -> tuple[str, ...]:
    """The user's names: of dictionary keys, or of the layers behind what is merely numbered."""
    numbered = {f"{side}_{index}" for index in range(len(pairs))}
    origins = [_origin(tensor) for _, tensor in pairs]
    layers = [getattr(origin, "name", "") for origin in origins]
    names = []
    for (name, _), origin, layer in zip(pairs, origins, layers, strict=True):
        theirs = name in numbered and layer and layers.count(layer) == 1 and not _made_up(layer, type(origin).__name__)
        names.append(layer if theirs else name)
    return tuple(names) if len(set(names)) == len(names) else tuple(name for name, _ in pairs)


def _origin(tensor: Any) -> Any:
    """The layer behind a symbolic tensor: Keras 3 calls it the operation, tf_keras the layer."""
    history = getattr(tensor, "_keras_history", None)
    return getattr(history, "operation", None) or getattr(history, "layer", None)


def _made_up(name: str, kind: str) -> bool:
    """Whether Keras derived a layer's name from its class: ``Conv2D`` → ``conv2d_7``."""
    snake = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)
    snake = re.sub("([a-z])([A-Z])", r"\1_\2", snake).lower()
    return re.fullmatch(rf"{re.escape(snake)}(_\d+)?", name) is not None


def _from_call(model: Any) -> Interface:
    """The interface of a subclassed model, by the arguments of its ``call``."""
    special = {"training", "mask"}
    parameters = inspect.signature(model.call).parameters
    named = [p for p in parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    arguments = [p for p in named if p.name not in special]
    if not arguments:
        why = f"the call of {type(model).__name__} names no arguments"
        raise InputError("convert a Keras model", why, "name them: def call(self, x, training=None)")
    first = [p for i, p in enumerate(arguments) if p.default is p.empty or i == 0]
    structures: dict[str, Any] = {p.name: _built_shape(model, p.name, alone=len(first) == 1) for p in arguments}
    pairs = {name: _leaves(structure, name) for name, structure in structures.items()}
    if isinstance(model, _sequential_classes()):
        # Its one argument is called "inputs" by Keras, not by the user.
        pairs, structures = {"input_0": [("input_0", None)]}, {"input_0": None}
        required = frozenset({"input_0"})
    else:
        required = frozenset(leaf for p in first for leaf, _ in pairs[p.name])
    flat = [pair for leaves in pairs.values() for pair in leaves]
    shapes = {name: shape for name, shape in flat if shape is not None}
    keywords = (
        {"training": False} if "training" in parameters or not type(model).__module__.startswith("tf_keras") else {}
    )

    def call(tensors: Mapping[str, Any]) -> Any:
        given = {}
        for argument, leaves in pairs.items():
            values = [tensors.get(name) for name, _ in leaves]
            if any(value is not None for value in values):
                structure = structures[argument]
                given[argument] = values[0] if structure is None else _fill(structure, iter(values))
        positional = next(iter(given))
        return model(given.pop(positional), **given, **keywords)

    return Interface(InputFacts(tuple(name for name, _ in flat), required, shapes, {}), call)


def _sequential_classes() -> tuple[type, ...]:
    import sys

    return tuple(
        sys.modules[name].Sequential for name in ("keras", "tf_keras") if hasattr(sys.modules.get(name), "Sequential")
    )


def _built_shape(model: Any, argument: str, *, alone: bool) -> Any:
    """The shape, or structure of shapes, that an argument had when the model was built; ``None`` where unknown."""
    built = getattr(model, "_build_shapes_dict", None) or {}
    # Keras notes one shape as `input_shape` whatever the argument is called, and the first of several likewise.
    return built.get(f"{argument}_shape", built.get("input_shape") if alone else None)


def _is_shape(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _leaves(structure: Any, name: str) -> list[tuple[str, Shape | None]]:
    if structure is None:
        return [(name, None)]
    if _is_shape(structure):
        # The batch that it was built with binds nobody.
        return [(name, (None, *structure[1:]) if structure else ())]
    if isinstance(structure, Mapping):
        return [pair for key, part in structure.items() for pair in _leaves(part, str(key))]
    return [pair for index, part in enumerate(structure) for pair in _leaves(part, f"{name}_{index}")]


def _fill(structure: Any, values: Iterator[Any]) -> Any:
    if _is_shape(structure):
        return next(values)
    if isinstance(structure, Mapping):
        return {key: _fill(part, values) for key, part in structure.items()}
    return [_fill(part, values) for part in structure]


def dtype_of(tensor: Any) -> str:
    """A tensor's or specification's dtype by numpy's name; Keras 3 has names, TensorFlow objects that have one."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))
