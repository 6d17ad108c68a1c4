"""torch, imported when the first kernel needs it: this package's modules import without it."""

from __future__ import annotations

import importlib
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


__all__ = ["array", "functional", "tensor", "torch"]


def array(result: torch.Tensor) -> Array:
    """A tensor as an array on the same memory."""
    values: Array = result.numpy()
    return values


def tensor(value: Array) -> torch.Tensor:
    """An array as a tensor on the same memory; a copy where torch could not take it (negative strides)."""
    if any(stride < 0 for stride in value.strides) or not value.flags.writeable:
        value = np.array(value)
    return torch.from_numpy(value)
