"""Quantizers of ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.quantize.calibration import Calibration
from edgekit.quantize.registry import quantizer
from edgekit.signature import Array

# A protobuf cannot exceed 2 GB; beyond, weights go beside the graph.
INLINE_BYTES = 1_800_000_000
# Small tensors are shapes, scales and axes more often than weights, and runtimes want those as plain constants.
_LEAST_ELEMENTS = 16


@quantizer("onnx", "float16")
def float16(model: Path, output: Path, _: Calibration | None) -> int:
    """Weights in half precision, widened by a Cast that ONNX Runtime folds once at load: half the size, the same speed.

    A tensor with a value that half precision cannot hold stays as it is. Arithmetic stays in float32: on processors,
    half-precision arithmetic is emulated and slower (0.85 of float32's speed on MobileNetV2). Returns the number of
    tensors now in half precision.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = (loaded := onnx.load(model)).graph
    given = {value.name for value in graph.input}
    used = {tensor.name for tensor in graph.initializer} | {name for node in graph.node for name in node.output}
    casts: list[Any] = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or tensor.name in given:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _LEAST_ELEMENTS or float(np.abs(values).max()) > float(np.finfo(np.float16).max):
            continue
        half = f"{tensor.name}.float16"
        while half in used:
            half += "_"
        used.add(half)
        casts.append(helper.make_node("Cast", [half], [tensor.name], name=f"{half}.cast", to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half))
    _before(graph, casts)
    _save(loaded, output)
    return len(casts)


# Where operators take weights: the inputs' places, and the axes that have a scale of their own.
_WEIGHTS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "Conv": ((1,), (0,)),
    "ConvTranspose": ((1,), (1,)),
    "Gemm": ((1,), (0,)),
    "MatMul": ((0, 1), (-1,)),
    "LSTM": ((1, 2), (0, 1)),
    "GRU": ((1, 2), (0, 1)),
    "RNN": ((1, 2), (0, 1)),
    "Gather": ((0,), (0,)),
}
# Below, the scales and the two nodes take more room than is saved.
_LEAST_WEIGHTS = 1024


@quantizer("onnx", "int8-weights")
def int8_weights(model: Path, output: Path, _: Calibration | None) -> int:
    """Weights in int8 with a scale a channel, widened by nodes that ONNX Runtime folds once at load.

    A quarter of the size at float32's speed. Returns the number of tensors now in int8.
    """
    import onnx
    from onnx import helper, numpy_helper

    graph = (loaded := onnx.load(model)).graph
    axes = _axes_of_weights(graph)
    nodes: list[Any] = []
    scales = []
    for tensor in graph.initializer:
        if tensor.name not in axes or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < _LEAST_WEIGHTS or values.ndim < 2 or not np.isfinite(values).all():
            continue
        name = tensor.name
        integers, scale = _in_eight_bits(values, axes[name])
        tensor.CopyFrom(numpy_helper.from_array(integers, f"{name}.int8"))
        scales.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes += [
            helper.make_node(
                "Cast", [f"{name}.int8"], [f"{name}.wide"], name=f"{name}.cast", to=onnx.TensorProto.FLOAT
            ),
            helper.make_node("Mul", [f"{name}.wide", f"{name}.scale"], [name], name=f"{name}.mul"),
        ]
    graph.initializer.extend(scales)
    _before(graph, nodes)
    _save(loaded, output)
    return len(scales)


def _axes_of_weights(graph: Any) -> dict[str, tuple[int, ...]]:
    """Of each value that is taken as a weight, the axes that have a scale of their own."""
    found: dict[str, tuple[int, ...]] = {}
    for node in graph.node:
        places, axes = _WEIGHTS.get(node.op_type, ((), ()))
        if node.op_type == "Gemm" and not any(one.name == "transB" and one.i for one in node.attribute):
            axes = (1,)
        for place in places:
            if place < len(node.input):
                found.setdefault(node.input[place], axes)
    return found


def _in_eight_bits(values: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Integers from -127 to 127 and their scales, of which the others of ``axes`` are 1."""
    own = {axis % values.ndim for axis in axes}
    largest = np.abs(values).max(axis=tuple(axis for axis in range(values.ndim) if axis not in own), keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale


@quantizer("onnx", "int4-weights")
def int4_weights(model: Path, output: Path, _: Calibration | None) -> int:
    """Weights of matrix products in 4 bits, blocks of 32, as ONNX Runtime's own MatMulNBits (from 1.16 on).

    Gemm, which PyTorch's linear layers become, is written as MatMul and Add first: onnxruntime's quantizer passes it by
    without a word. Returns the number of nodes with 4 bits.
    """
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    loaded = onnx.load(model)
    _gemm_as_matmul(loaded.graph)
    made = MatMulNBitsQuantizer(loaded, block_size=32, is_symmetric=True)
    made.process()
    _save(made.model.model, output)
    return sum(node.op_type == "MatMulNBits" for node in made.model.model.graph.node)


def _gemm_as_matmul(graph: Any) -> None:
    """Write Gemm of a constant weight as MatMul and Add."""
    from onnx import helper, numpy_helper

    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    turned: dict[str, Any] = {}
    for node in graph.node:
        settings = {one.name: helper.get_attribute_value(one) for one in node.attribute}
        plain = settings.get("alpha", 1) == settings.get("beta", 1) == 1 and not settings.get("transA", 0)
        if node.op_type != "Gemm" or node.input[1] not in constants or not plain:
            nodes.append(node)
            continue
        weight = node.input[1]
        if settings.get("transB", 0):
            weight = f"{node.input[1]}.turned"
            values = np.ascontiguousarray(numpy_helper.to_array(constants[node.input[1]]).T)
            turned[weight] = numpy_helper.from_array(values, weight)
        biased = len(node.input) > 2 and bool(node.input[2])
        product = f"{node.output[0]}.product" if biased else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], weight], [product], name=f"{node.name}.matmul"))
        if biased:
            nodes.append(helper.make_node("Add", [product, node.input[2]], [node.output[0]], name=f"{node.name}.add"))
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in (*graph.initializer, *turned.values()) if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _before(graph: Any, nodes: list[Any]) -> None:
    """Put nodes before all others."""
    every = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(every)


def _save(model: Any, output: Path) -> None:
    import onnx

    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > INLINE_BYTES
    onnx.save(model, output, save_as_external_data=large, location=f"{output.name}.data" if large else None)
