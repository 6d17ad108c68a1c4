"""torch, imported when the first kernel needs it: this package's modules import without it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import missing
from edgekit.signature import Array

if TYPE_CHECKING:
    import torch
    from torch.nn import functional
else:

    class _Lazy:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            try:
                value = getattr(importlib.import_module(self._name), attribute)
            except ImportError as error:
                raise missing("evaluate a Core ML program", "torch", "coreml-reference") from error
            # Found on the object itself from now on: a kernel pays for the import once.
            setattr(self, attribute, value)
            return value

    torch = _Lazy("torch")
    functional = _Lazy("torch.nn.functional")


__all__ = ["array", "functional", "tensor", "torch", "torch_threads"]


def array(result: torch.Tensor) -> Array:
    """A tensor as an array on the same memory."""
    values: Array = result.numpy()
    return values


def tensor(value: Array) -> torch.Tensor:
    """An array as a tensor on the same memory; a copy where torch could not take it (negative strides)."""
    if any(stride < 0 for stride in value.strides) or not value.flags.writeable:
        value = np.array(value)
    return torch.from_numpy(value)


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """So many threads of torch for a while; ``None`` leaves the choice to it."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
