"""Tensors that live on between calls."""

from __future__ import annotations

from typing import Any

from edgekit.coreml_reference.context import Kept
from edgekit.coreml_reference.registry import op
from edgekit.errors import ExecutionError
from edgekit.signature import Array


@op("read_state", spec="iOS18 states")
def read_state(input: Any) -> Array:  # noqa: A002 - the definition's name
    """A state's present value.

    No kernel changes its operands, so no copy is made; a later write replaces the value and leaves this one alone.
    """
    return _kept(input, "read").value


@op("write_state", spec="coreml_dialect")
def write_state(input: Any, data: Array) -> tuple[()]:  # noqa: A002 - the definition's name
    """Give a state another value; a program's ``coreml_update_state`` is saved as this and ``read_state``."""
    kept = _kept(input, "write")
    if data.shape != kept.value.shape:
        raise ExecutionError(
            "write a state", f"it has shape {list(kept.value.shape)}, the value {list(data.shape)}", "convert again"
        )
    kept.value = data
    return ()


def _kept(state: Any, what: str) -> Kept:
    if not isinstance(state, Kept):
        raise ExecutionError(f"{what} a state", f"the operand is a {type(state).__name__}", "convert the model again")
    return state
