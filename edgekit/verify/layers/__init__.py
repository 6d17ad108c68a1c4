"""Layer by layer against the original: where a model file departs first."""

from edgekit.verify.layers.compare import SCHEMA, LayerReport, Row, compare_layers

__all__ = ["SCHEMA", "LayerReport", "Row", "compare_layers"]
