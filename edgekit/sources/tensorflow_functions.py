"""How functions are called: ``tf.function``, concrete functions, and modules and SavedModels by their signatures."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from edgekit.errors import InputError
from edgekit.sources.inputs import InputFacts
from edgekit.sources.tensorflow_interface import Interface, dtype_of, flatten, rebuild


def function_interface(native: Any, asked: str) -> Interface:
    """The interface of a ``tf.Module``, a loaded SavedModel, a ``tf.function`` or a concrete function.

    Inputs are called by a signature's keys, or by the function's arguments.

    Raises:
        InputError: it has no function that could be told, or several.
    """
    signatures = getattr(native, "signatures", None)
    if isinstance(signatures, Mapping) and signatures:
        return _from_concrete(pick(signatures, asked))
    if getattr(native, "structured_input_signature", None) is not None:
        return _from_concrete(native)
    function = native
    if not hasattr(native, "get_concrete_function") and callable(native):
        function = native.__call__
    restored = getattr(function, "concrete_functions", None)  # of a SavedModel that was saved without signatures
    if restored is not None:
        if len(restored) != 1:
            why = f"it has no signature, and its __call__ has {len(restored)} forms"
            raise InputError(asked, why, "save it with tf.saved_model.save(module, folder, signatures=…)")
        return _from_concrete(restored[0])
    if not hasattr(function, "get_concrete_function"):
        why = "it has no signature, and its __call__ is no tf.function"
        raise InputError(asked, why, "decorate __call__ with @tf.function(input_signature=[…])")
    if function.input_signature is not None:
        return _from_concrete(function.get_concrete_function())
    return _from_python(function)


def pick(signatures: Mapping[str, Any], asked: str) -> Any:
    """``serving_default``, or the only signature.

    Raises:
        InputError: there are several others; lists them.
    """
    chosen = signatures.get("serving_default") or (next(iter(signatures.values())) if len(signatures) == 1 else None)
    if chosen is None:
        has = ", ".join(sorted(signatures)) or "none"
        raise InputError(asked, f"no signature serving_default among: {has}", "save it with that signature")
    return chosen


def facts_of(specs: Mapping[str, Any]) -> InputFacts:
    """What TensorSpecs, or tensors, by name say of the inputs."""
    return InputFacts(
        tuple(specs),
        frozenset(specs),
        {name: tuple(spec.shape.as_list()) for name, spec in specs.items() if spec.shape.rank is not None},
        {name: dtype_of(spec) for name, spec in specs.items()},
    )


def _from_concrete(function: Any) -> Interface:
    import tensorflow as tf

    structure = function.structured_input_signature
    flat = [*flatten(structure[0], "input"), *flatten(structure[1], "input")]
    # An argument that was a Python value when the function was traced is part of the function.
    tensors = [(path, leaf) for path, leaf in flat if isinstance(leaf, tf.TensorSpec)]
    names = [leaf.name or path for path, leaf in tensors]
    if len(set(names)) != len(names):
        names = [path for path, _ in tensors]
    specs = {name: leaf for name, (_, leaf) in zip(names, tensors, strict=True)}

    def call(given: Mapping[str, Any]) -> Any:
        values = iter([given[name] for name in names])
        leaves = iter([next(values) if isinstance(leaf, tf.TensorSpec) else leaf for _, leaf in flat])
        positional, keywords = rebuild(structure[0], leaves), rebuild(structure[1], leaves)
        return function(*positional, **keywords)

    return Interface(facts_of(specs), call)


def _from_python(function: Any) -> Interface:
    """A ``tf.function`` without a signature: its arguments, of which the user says the shapes."""
    parameters = inspect.signature(function.python_function).parameters.values()
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name != "self"]
    required = frozenset(p.name for p in named if p.default is p.empty)
    return Interface(InputFacts(tuple(p.name for p in named), required, {}, {}), lambda given: function(**given))
