"""The values that an ONNX model's tensors take, sample by sample: no more than one sample's are ever held."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from edgekit.quantize.ranges import Spread
from edgekit.signature import Array

# Whatever goes in, no more and no less comes out: samples would cut off what they happen not to reach.
_KNOWN = {"Softmax": (0.0, 1.0), "Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0)}


def spreads(model: Path, runs: Iterable[Mapping[str, Array]]) -> dict[str, Spread]:
    """The spread of every float32 tensor between the model's nodes, by name.

    Args:
        model: an ONNX file with the shapes of its tensors (``value_info``).
        runs: inputs by name, a sample at a time.
    """
    import onnx
    import onnxruntime

    loaded = onnx.load(model)
    wanted = _tensors(loaded)
    given = {value.name for value in loaded.graph.input}
    had = {value.name for value in loaded.graph.output}
    loaded.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in given | had)
    probing = model.with_name(f"{model.stem}.probing.onnx")
    onnx.save(loaded, probing, save_as_external_data=True, location=f"{probing.name}.data")
    settings = onnxruntime.SessionOptions()
    # Fused nodes would not give what lies between them.
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(probing), settings, providers=["CPUExecutionProvider"])
    inner = [name for name in wanted if name not in given]
    found = {name: Spread() for name in wanted}
    for run in runs:
        for name in wanted:
            if name in given:
                found[name].add(run[name])
        for name, values in zip(inner, session.run(inner, dict(run)), strict=True):
            found[name].add(values)
    return found


def known_ranges(model: Path) -> dict[str, tuple[float, float]]:
    """The ranges of tensors that their operator bounds, by name."""
    import onnx

    nodes = onnx.load(model, load_external_data=False).graph.node
    return {node.output[0]: _KNOWN[node.op_type] for node in nodes if node.op_type in _KNOWN}


def _tensors(loaded: Any) -> list[str]:
    """The float32 tensors that nodes take and give, but not the weights."""
    import onnx

    graph = loaded.graph
    weights = {tensor.name for tensor in graph.initializer}
    floats = {
        value.name
        for value in itertools.chain(graph.input, graph.output, graph.value_info)
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
    names = (name for node in graph.node for name in (*node.input, *node.output))
    return [name for name in dict.fromkeys(names) if name in floats and name not in weights]
