"""Quantizers of ONNX files to integer arithmetic."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgekit.quantize.calibration import Calibration
from edgekit.quantize.registry import quantizer
from edgekit.signature import Array

# Convolutions are left out: with ranges taken at each call they are three to eight times slower than in float32.
_DYNAMIC = ["MatMul", "Gemm", "LSTM", "Attention"]
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
    """Weights in int8 a channel, activations in uint8, as pairs of QuantizeLinear and DequantizeLinear (QDQ).

    Unsigned activations: on x86-64 they are up to three times as fast as signed ones. Ranges: the least and largest
    value seen; of a sample no more than those is held. Returns the number of weights in int8.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quant_pre_process, quantize_static

    if calibration is None:
        raise ValueError("int8 is calibrated")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".edgekit-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        # Its shape inference by symbols fails on operators that it does not know; the onnx package's is enough here.
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(output),
            _reader(iter(calibration)),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    graph = onnx.load(output, load_external_data=False).graph
    held = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    return sum(node.op_type == "DequantizeLinear" and node.input[0] in held for node in graph.node)


def _reader(runs: Iterator[dict[str, Array]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc] # onnxruntime is not typed
        """One sample after the other."""

        def get_next(self) -> dict[str, Array] | None:
            return next(runs, None)

    return Reader()
