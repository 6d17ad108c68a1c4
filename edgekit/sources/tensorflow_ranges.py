"""TensorFlow models that round their own values to integers: the FakeQuant operators of quantization-aware training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgekit.errors import InputError

_OPERATORS = ("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", "FakeQuantWithMinMaxArgs")


def rounds(nodes: Iterable[Any]) -> bool:
    """Whether nodes of a graph round by ranges of their own.

    Raises:
        InputError: to other than 8 bits.
    """
    bits = {node.attr["num_bits"].i for node in nodes if node.op in _OPERATORS}
    for other in sorted(bits - {8}):
        why = f"its FakeQuant operators round to {other} bits, and files to 8"
        raise InputError("keep the trained ranges", why, "train with num_bits=8")
    return bool(bits)


def frozen(function: Any) -> Any:
    """A concrete function with its variables as constants, taking the same tensors and giving the same dictionary."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    held = convert_variables_to_constants_v2(function)
    # Freezing forgets the keys; a dictionary's values are a graph's outputs in the order of its sorted keys.
    names = sorted(function.structured_outputs)

    def answer(*tensors: Any) -> dict[str, Any]:
        given = held(*tensors)
        return dict(zip(names, given if isinstance(given, list | tuple) else [given], strict=True))

    specs = [tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.op.name) for tensor in function.inputs]
    count = len(function.structured_input_signature[0])
    return tf.function(answer, autograph=False).get_concrete_function(*specs[:count])


def scales(function: Any) -> set[float]:
    """Every scale that a concrete function rounds by, as float32 holds it.

    Raises:
        InputError: a range that follows from the inputs of a call.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    held = convert_variables_to_constants_v2(function)
    found: set[float] = set()
    for operation in held.graph.get_operations():
        if operation.type not in _OPERATORS:
            continue
        levels = 2 ** operation.get_attr("num_bits") - 1 - int(operation.get_attr("narrow_range"))
        if operation.type.endswith("Args"):
            low, high = (np.float32(operation.get_attr(name)) for name in ("min", "max"))
        else:
            try:
                low, high = (np.asarray(one) for one in held.prune([], list(operation.inputs[1:3]))())
            except Exception as error:
                why = f"the range of {operation.name} follows from what a call is given"
                raise InputError("keep the trained ranges", why, "give ranges that training has fixed") from error
        found |= set(((high - low) / np.float32(levels)).reshape(-1).tolist())
    return found
