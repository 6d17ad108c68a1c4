"""Softmax and Sigmoid in quantized files: what lies in 0 to 1 has no use for levels beyond."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgekit.diagnosis.findings import Finding

_BOUNDED = ("Softmax", "Sigmoid", "HardSigmoid")
# A little is lost to rounding the scale.
_BEYOND = 1.01
_TODO = "quantize again: edgekit gives what these layers answer the range 0 to 1, whatever the samples reach"


def beyond(framework: str, path: Path) -> Iterator[Finding]:
    """Of a quantized ONNX or TFLite file, the layers calibrated beyond [0, 1]."""
    if framework == "onnx":
        yield from _in_onnx(path)
    elif framework == "tflite":
        yield from _in_tflite(path)


def _in_onnx(path: Path) -> Iterator[Finding]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path, load_external_data=False).graph
    small = {tensor.name: tensor for tensor in graph.initializer if np.prod(tensor.dims, dtype=np.int64) == 1}
    after = {node.input[0]: node for node in graph.node if node.op_type == "QuantizeLinear"}
    for node in graph.node:
        quantized = after.get(node.output[0]) if node.op_type in _BOUNDED else None
        if quantized is None or len(quantized.input) < 3 or not set(quantized.input[1:3]) <= set(small):
            continue
        scale, zero = (numpy_helper.to_array(small[name]).reshape(()) for name in quantized.input[1:3])
        limits = np.iinfo(zero.dtype)
        low, high = ((bound - int(zero)) * float(scale) for bound in (limits.min, limits.max))
        yield from _found(f"{node.name or node.output[0]} ({node.op_type})", low, high, limits.max - limits.min)


def _in_tflite(path: Path) -> Iterator[Finding]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    wanted = {schema.BuiltinOperator.SOFTMAX: "SOFTMAX", schema.BuiltinOperator.LOGISTIC: "LOGISTIC"}
    limits = {schema.TensorType.INT8: (-128, 127), schema.TensorType.UINT8: (0, 255)}
    for index in range(model.SubgraphsLength()):
        graph = model.Subgraphs(index)
        for place in range(graph.OperatorsLength()):
            operator = graph.Operators(place)
            kind = wanted.get(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
            tensor = graph.Tensors(operator.Outputs(0)) if kind else None
            if tensor is None or tensor.Type() not in limits or not tensor.Quantization().ScaleLength():
                continue
            scale, zero = float(tensor.Quantization().Scale(0)), int(tensor.Quantization().ZeroPoint(0))
            low, high = ((bound - zero) * scale for bound in limits[tensor.Type()])
            yield from _found(f"{tensor.Name().decode()} ({kind})", low, high, 255)


def _found(layer: str, low: float, high: float, levels: int) -> Iterator[Finding]:
    if high - low > _BEYOND * levels / (levels - 1) or low < -(_BEYOND - 1):
        kept = levels / (high - low)
        reach = f"its integers reach from {low:.3g} to {high:.3g}"
        what = f"it answers between 0 and 1 and {reach}: {kept:.0f} levels are left"
        yield Finding("beyond", layer, what, _TODO)
