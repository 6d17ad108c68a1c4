"""Measuring: what may be compared, and how sure the comparison is."""

from edgekit.bench.interleaved import Comparison, Ratio, compare_callables, null_ratio

__all__ = ["Comparison", "Ratio", "compare_callables", "null_ratio"]
