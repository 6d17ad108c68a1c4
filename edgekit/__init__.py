"""From a trained model to a verified, measured, embeddable model for every edge runtime.

The public names load lazily: ``import edgekit`` imports no framework and no runtime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit import errors as errors
    from edgekit.bundle import Bundle as Bundle
    from edgekit.convert import convert as convert
    from edgekit.runtime import Session as Session
    from edgekit.runtime import load as load
    from edgekit.signature import Signature as Signature
    from edgekit.signature import TensorSpec as TensorSpec

__version__ = "0.1.0"

_HOMES = {
    "Bundle": "edgekit.bundle",
    "Session": "edgekit.runtime",
    "Signature": "edgekit.signature",
    "TensorSpec": "edgekit.signature",
    "convert": "edgekit.convert",
    "load": "edgekit.runtime",
}

__all__ = ["Bundle", "Session", "Signature", "TensorSpec", "__version__", "convert", "errors", "load"]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("edgekit.errors")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'edgekit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
