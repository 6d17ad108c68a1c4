"""Measuring: what may be compared, and how sure the comparison is.

The public names load lazily: what serves a device's files and commands does so before numpy is there.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgekit.bench.interleaved import Comparison as Comparison
    from edgekit.bench.interleaved import Ratio as Ratio
    from edgekit.bench.interleaved import compare_callables as compare_callables
    from edgekit.bench.interleaved import null_ratio as null_ratio

__all__ = ["Comparison", "Ratio", "compare_callables", "null_ratio"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("edgekit.bench.interleaved"), name)
    raise AttributeError(f"module 'edgekit.bench' has no attribute {name!r}")
