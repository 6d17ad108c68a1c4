"""The shortest way through a session for inputs like those of the call before.

A small model's call takes microseconds, and so does checking its inputs, finding how each stands in the file and asking
the runtime through its Python wrappers. Where the file takes and gives the bundle's arrays as they are, all of that was
found out by the call before: what is left is to see that the inputs are of the same dtypes and shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy import ndarray

from edgekit.signature import Array

if TYPE_CHECKING:
    from edgekit.bundle.binding import Binding

# Native inputs in the file's order to native outputs in the file's order; ``None`` where it no longer holds.
Repeated: TypeAlias = Callable[..., "Sequence[Array] | None"]
Direct: TypeAlias = "Callable[[Mapping[str, Array]], dict[str, Array] | None]"


def direct_call(
    repeated: Repeated, like: Mapping[str, Array], inputs: Sequence[str], outputs: Sequence[tuple[str, int]]
) -> Direct:
    """A call for inputs like those given: it answers ``None`` for others, and where anything goes wrong.

    Args:
        repeated: the engine's own, of these shapes.
        like: inputs that were checked and have run.
        inputs: their names, in the file's order.
        outputs: each output's name and its place among the file's.
    """
    known = [(name, like[name].dtype, like[name].shape) for name in inputs]
    if len(known) == len(outputs) == 1:
        return _single(repeated, known[0], outputs[0])
    count = len(known)

    def call(given: Mapping[str, Array]) -> dict[str, Array] | None:
        arrays = []
        for name, dtype, shape in known:
            array = given.get(name)
            if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape:
                return None
            arrays.append(array)
        if len(given) != count:
            return None
        try:
            found = repeated(*arrays)
        except Exception:  # noqa: BLE001 - the long way says what is wrong
            return None
        return None if found is None else {name: found[place] for name, place in outputs}

    return call


def _single(repeated: Repeated, given_as: tuple[str, Any, tuple[int, ...]], found_as: tuple[str, int]) -> Direct:
    (name, dtype, shape), (output, place) = given_as, found_as

    def call(given: Mapping[str, Array]) -> dict[str, Array] | None:
        array = given.get(name)
        if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape or len(given) != 1:
            return None
        try:
            found = repeated(array)
        except Exception:  # noqa: BLE001 - the long way says what is wrong
            return None
        return None if found is None else {output: found[place]}

    return call


def as_they_are(
    bindings: Sequence[Binding], mine: Mapping[str, Array], native: Mapping[str, Array]
) -> dict[str, str] | None:
    """From the file's names to the bundle's, where every array of a call was the same on both sides; else ``None``."""
    same = all(mine[one.name] is native[one.native] for one in bindings)
    return {one.native: one.name for one in bindings} if same else None
