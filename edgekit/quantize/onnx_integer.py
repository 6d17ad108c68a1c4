"""Quantizers of ONNX files to integer arithmetic."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgekit.quantize.calibration import Calibration
from edgekit.quantize.onnx_activations import known_ranges, spreads
from edgekit.quantize.registry import quantizer

# Convolutions are left out: with ranges taken at each call they are three to eight times slower than in float32.
_DYNAMIC = ["MatMul", "Gemm", "LSTM", "Attention"]
_LAYERS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_DYNAMIC_MADE = {"MatMulInteger", "DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "QAttention"}


@quantizer("onnx", "int8-dynamic")
def int8_dynamic(model: Path, output: Path, _: Calibration | None) -> int:
    """Matrix products in integers, each input's range taken at the call; convolutions stay in float32.

    Returns the number of nodes now in integers.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(model), str(output), op_types_to_quantize=_DYNAMIC, per_channel=True, weight_type=QuantType.QInt8
    )
    return sum(node.op_type in _DYNAMIC_MADE for node in onnx.load(output, load_external_data=False).graph.node)


@quantizer("onnx", "int8")
def int8(model: Path, output: Path, calibration: Calibration | None) -> int:
    """Weights in int8 a channel, activations in 8 bits, as pairs of QuantizeLinear and DequantizeLinear (QDQ).

    Activations have a sign or none as the processor multiplies them best: on x86-64 those without are up to three times
    as fast. Returns the number of weights in int8.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    if calibration is None:
        raise ValueError("int8 is calibrated")
    arithmetic = calibration.arithmetic
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".edgekit-") as folder:
        prepared = _prepared(model, Path(folder))
        if unknown := (calibration.skip | (calibration.only or set())) - set(_listed(prepared)):
            raise ValueError(f"no such layers: {', '.join(sorted(unknown))}")
        quantize_static(
            str(prepared),
            str(output),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=arithmetic.narrow,
            activation_type=QuantType.QInt8 if arithmetic.signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=sorted(calibration.only) if calibration.only is not None else None,
            nodes_to_exclude=sorted(calibration.skip),
            calibrate_method=CalibrationMethod.MinMax,
            # onnxruntime's own calibrators hold every activation of every sample, or forget what they merge.
            calibration_cache_path=_ranges(prepared, calibration),
        )
    graph = onnx.load(output, load_external_data=False).graph
    held = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    return sum(node.op_type == "DequantizeLinear" and node.input[0] in held for node in graph.node)


def layers(model: Path) -> list[str]:
    """The layers of a file that ``int8`` can leave in float one by one: its products with weights.

    By the names that they have once ONNX Runtime has joined what it computes in one.
    """
    with tempfile.TemporaryDirectory(dir=model.parent, prefix=".edgekit-") as folder:
        return _listed(_prepared(model, Path(folder)))


def _prepared(model: Path, folder: Path) -> Path:
    from onnxruntime.quantization import quant_pre_process

    prepared = folder / "prepared.onnx"
    # Its shape inference by symbols fails on operators that it does not know; the onnx package's is enough here.
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    return prepared


def _listed(prepared: Path) -> list[str]:
    import onnx

    graph = onnx.load(prepared, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return [node.name for node in graph.node if node.op_type in _LAYERS and node.name and weights & set(node.input)]


def _ranges(model: Path, calibration: Calibration) -> Path:
    """A file of the tensors' ranges beside the model, as onnxruntime keeps them."""
    import numpy as np
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData, save_tensors_data

    if "onnx" not in calibration.seen:
        calibration.seen["onnx"] = spreads(model, calibration)
    known = known_ranges(model)
    found = {
        name: known.get(name) or spread.range(calibration.method)
        for name, spread in calibration.seen["onnx"].items()
        if spread.count
    }
    data = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in found.items()}
    path = model.with_name("ranges.json")
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, data), path)
    return path
