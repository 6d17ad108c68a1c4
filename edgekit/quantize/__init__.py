"""Schemes, and the quantizers that apply them to a float32 model file, by (target, scheme)."""

from edgekit.quantize.registry import quantizer, schemes_of
from edgekit.quantize.schemes import SCHEMES, Float16, Float32, Scheme

__all__ = ["SCHEMES", "Float16", "Float32", "Scheme", "quantizer", "schemes_of"]
