"""Quantizers of TFLite files."""

from __future__ import annotations

from pathlib import Path

from edgekit.quantize.registry import quantizer


@quantizer("tflite", "float16")
def float16(model: Path, output: Path) -> int:
    """Weights in half precision; processors without half-precision arithmetic widen them once at load.

    Returns the number of tensors now in half precision.
    """
    from ai_edge_quantizer import qtyping, quantizer, recipe_manager

    manager = recipe_manager.RecipeManager()
    manager.add_weight_only_config(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        num_bits=16,
        algorithm_key="float_casting",
    )
    made = quantizer.Quantizer(str(model), manager.get_quantization_recipe())
    made.quantize().export_model(str(output))
    return _half_tensors(output)


def _half_tensors(path: Path) -> int:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    return sum(graph.Tensors(index).Type() == schema.TensorType.FLOAT16 for index in range(graph.TensorsLength()))
