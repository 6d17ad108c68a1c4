"""Ranges that training has found, kept in model files: every scale of the source stands in the file, to the bit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConversionError


def require_scales(target: str, trained: Collection[float], path: Path) -> None:
    """Refuse a file that lacks a scale of its source.

    Args:
        target: the file's format.
        trained: the source's scales, as float32 holds them.
        path: the file.

    Raises:
        ConversionError: says how many are missing.
    """
    found = {"onnx": _onnx_scales, "tflite": _tflite_scales}[target](path)
    missing = sorted(set(trained) - found)
    if missing:
        why = f"the file lacks {len(missing)} of {len(set(trained))} trained scales, such as {missing[0]:.9g}"
        todo = "leave this target out, or convert the model as it was before it was quantized"
        raise ConversionError(f"keep the trained ranges in {target}", why, todo)


def _onnx_scales(path: Path) -> set[float]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    given = {node.input[1] for node in graph.node if node.op_type == "DequantizeLinear"}
    tensors = (numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in given)
    return {float(scale) for tensor in tensors for scale in tensor.reshape(-1)}


def _tflite_scales(path: Path) -> set[float]:
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(path.read_bytes(), 0).Subgraphs(0)
    found: set[float] = set()
    for index in range(graph.TensorsLength()):
        quantization = graph.Tensors(index).Quantization()
        if quantization is not None and quantization.ScaleLength():
            found |= set(quantization.ScaleAsNumpy().tolist())
    return found


def as_reals(module: Any) -> Any:
    """Give an exported module its weights as reals that are rounded, as litert-torch reads them; in place.

    ``integers ─▶ dequantize`` becomes ``reals ─▶ quantize ─▶ dequantize``. Activations without a sign, of which TFLite
    has none, lie 128 lower, as do their zero points: the arithmetic is the same.
    """
    import torch

    from edgekit.sources.torch_ranges import constant, roundings

    operators = torch.ops.quantized_decomposed
    for kind in ("per_tensor", "per_channel"):
        for node in list(roundings(module, f"dequantize_{kind}")):
            if node.args[0].op == "get_attr":
                rounded = constant(module, node.args[0])
                given = tuple(constant(module, one) for one in node.args[1:])
                name = f"reals_of_{node.name}"
                module.register_buffer(name, getattr(operators, f"dequantize_{kind}")(rounded, *given))
                with module.graph.inserting_before(node):
                    reals = module.graph.get_attr(name)
                    rounding = getattr(operators, f"quantize_{kind}").default
                    node.replace_input_with(node.args[0], module.graph.call_function(rounding, (reals, *node.args[1:])))
    for kind in ("quantize", "dequantize"):
        for node in roundings(module, f"{kind}_per_tensor"):
            x, scale, zero_point, low, high, dtype = node.args[:6]
            if dtype == torch.uint8:
                node.args = (x, scale, zero_point - 128, low - 128, high - 128, torch.int8, *node.args[6:])
    module.recompile()
    # An exported module has no eval(), and nothing in it asks any more.
    for part in module.modules():
        part.training = False
    return module


def fold_roundings(model: Any) -> None:
    """Hold the weights of an ``onnx_ir`` model that are rounded at each call as the integers that come of it."""
    import onnx_ir as ir

    graph = model.graph
    for node in list(graph.all_nodes()):
        constants = [value.const_value for value in node.inputs if value is not None]
        if node.op_type != "QuantizeLinear" or len(constants) != 3 or any(one is None for one in constants):
            continue
        reals, scale, zero_point = (one.numpy() for one in constants)
        if scale.ndim:
            shape = [1] * reals.ndim
            shape[node.attributes["axis"].value if "axis" in node.attributes else 1] = -1
            scale, wide = scale.reshape(shape), zero_point.reshape(shape)
        else:
            wide = zero_point
        limits = np.iinfo(zero_point.dtype)
        rounded = np.clip(np.rint(reals / scale) + wide, limits.min, limits.max).astype(zero_point.dtype)
        (output,) = node.outputs
        held = ir.Value(name=f"{output.name}_held", const_value=ir.tensor(rounded, name=f"{output.name}_held"))
        graph.register_initializer(held)
        ir.convenience.replace_all_uses_with(output, held)
        graph.remove(node, safe=True)
