"""What a comparison of layers needs of each side: the tensors inside a model, in the order in which they arise."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.signature import Array


@dataclass(frozen=True)
class Tensor:
    """A tensor inside a model.

    Attributes:
        key: its name within its side, unique.
        layer: the layer that gives it, in the model's own words.
        op: the operation that gives it.
        reads: the keys that the operation reads.
        names: by what it may be known on the other side too, normalized by :func:`plain_name`.
        output: the name of the model's output that it is, if it is one.
    """

    key: str
    layer: str
    op: str
    reads: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    output: str = ""


# Told of every tensor, in order of execution; the array is the listener's for the time of the call.
Seen = Callable[[Tensor, Array], None]


class Tap(ABC):
    """One side of the comparison: a model that shows its inner tensors.

    Attributes:
        runtime: what runs it, as verdicts quote it.
    """

    runtime: str

    @abstractmethod
    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call on the original's inputs.

        Args:
            inputs: by the original's names.
            seen: told of every float tensor that depends on the inputs.
            wanted: only these keys; ``None`` for all.

        Raises:
            ExecutionError: it could not be run.
        """

    def troubles(self) -> tuple[str, ...]:
        """What half precision broke in the calls so far, one line each."""
        return ()

    def close(self) -> None:  # noqa: B027 - most taps hold nothing that needs closing
        """Let go of temporary files."""


def plain_name(name: str) -> str:
    """A tensor's name as converters agree on it: ``net/conv/Relu:0`` and ``net_conv_Relu_cast_fp16`` alike."""
    name = re.sub(r":\d+$", "", name)
    return re.sub(r"[^0-9a-z]+", "_", re.sub(r"_(cast|to)_fp(16|32)$", "", name).lower()).strip("_")


def comparable(value: Any) -> Array | None:
    """A value as the comparison takes it: a float array, half precision widened; ``None`` for anything else."""
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.size:
        return None
    return value.astype(np.float32) if value.dtype == np.float16 else value


def living(operations: Iterable[tuple[tuple[str, ...], tuple[str, ...]]], inputs: Iterable[str]) -> set[str]:
    """The tensors that depend on the inputs, of (reads, gives) pairs in order of execution."""
    alive = set(inputs)
    for reads, gives in operations:
        if not alive.isdisjoint(reads):
            alive.update(gives)
    return alive


class Numbered:
    """Unique keys: of a layer that runs again, the second time is ``name#2``."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The key of this occurrence."""
        self._count[name] = count = self._count.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"


def in_portions(
    names: list[str], fetch: Callable[[list[str]], list[Any]], emit: Callable[[str, Any], None], limit: int
) -> None:
    """Fetch a runtime's tensors in portions of about ``limit`` bytes, where it gives them only all at once.

    The first portion is small, and tells how large the next ones may be.
    """
    start, count = 0, 32
    seen = 0
    while start < len(names):
        portion = names[start : start + count]
        for name, value in zip(portion, fetch(portion), strict=True):
            seen += getattr(value, "nbytes", 0)
            emit(name, value)
        start += len(portion)
        # Layers shrink towards the end: the mean so far is a safe guess of the rest.
        count = max(8, int(limit / max(1.0, seen / start)))
