"""torch, imported when the first rule needs it: this package's modules import without it."""

from edgekit.coreml_reference.lazy import functional, torch

__all__ = ["functional", "torch"]
