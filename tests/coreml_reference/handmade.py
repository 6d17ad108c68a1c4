"""A package written by hand through the reader's own messages: tests of damage need no converter."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.coreml_reference.messages import parse_model

FLOAT32, INT32, STRING, BOOL = 11, 23, 2, 1


def tensor_type(message: Any, shape: tuple[int, ...], dtype: int = FLOAT32) -> None:
    """Set a ``ValueType``."""
    message.tensorType.dataType, message.tensorType.rank = dtype, len(shape)
    for size in shape:
        message.tensorType.dimensions.add().constant.size = size


def set_value(message: Any, value: Any) -> None:
    """Set a ``Value`` to a constant that stands in the program."""
    array = np.asarray(value)
    dtype, field = {"f": (FLOAT32, "floats"), "i": (INT32, "ints"), "U": (STRING, "strings"), "b": (BOOL, "bools")}[
        array.dtype.kind
    ]
    tensor_type(message.type, array.shape, dtype)
    getattr(message.immediateValue.tensor, field).values.extend(array.reshape(-1).tolist())


def add(block: Any, kind: str, output: str, shape: tuple[int, ...], **inputs: Any) -> Any:
    """Append an operation; inputs are names, or constants."""
    operation = block.operations.add(type=kind)
    set_value(operation.attributes.add(key="name").value, output)
    for key, value in inputs.items():
        bound = operation.inputs.add(key=key).value.arguments.add()
        if isinstance(value, str) and value.startswith("%"):
            bound.name = value[1:]
        else:
            set_value(bound.value, value)
    declared = operation.outputs.add(name=output)
    tensor_type(declared.type, shape)
    return operation


def program_of(weights: int = 4) -> tuple[Any, bytes]:
    """``y = abs(x * w)`` for x of [1, weights], w in a weight file: the model's message, and that file."""
    model = parse_model(b"")
    model.specificationVersion = 7
    for features, name in ((model.description.input, "x"), (model.description.output, "y")):
        array = features.add(name=name).type.multiArrayType
        array.shape.extend((1, weights))
        array.dataType = 65568
    entry = model.mlProgram.functions.add(key="main")
    model.mlProgram.version = 1
    function = entry.value
    function.opset = "CoreML6"
    tensor_type(function.inputs.add(name="x").type, (1, weights))
    block = function.block_specializations.add(key="CoreML6").value
    const = block.operations.add(type="const")
    set_value(const.attributes.add(key="name").value, "w")
    value = const.attributes.add(key="val").value
    tensor_type(value.type, (weights,))
    value.blobFileValue.fileName, value.blobFileValue.offset = "@model_path/weights/weight.bin", 64
    tensor_type(const.outputs.add(name="w").type, (weights,))
    add(block, "mul", "product", (1, weights), x="%x", y="%w")
    add(block, "abs", "y", (1, weights), x="%product")
    block.outputs.append("y")
    data = np.arange(weights, dtype=np.float32).tobytes()
    header = struct.pack("<II56x", 1, 2)
    metadata = struct.pack("<IIQQQ32x", 0xDEADBEEF, 2, len(data), 128, 0)
    return model, header + metadata + data


def save_program(program: tuple[Any, bytes], path: Path) -> Path:
    """Write the package."""
    model, weights = program
    folder = path / "Data" / "com.apple.CoreML"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "weight.bin").write_bytes(weights)
    (folder / "model.mlmodel").write_bytes(model.SerializeToString())
    manifest = {
        "fileFormatVersion": "1.0.0",
        "rootModelIdentifier": "0",
        "itemInfoEntries": {"0": {"path": "com.apple.CoreML/model.mlmodel"}},
    }
    (path / "Manifest.json").write_text(json.dumps(manifest))
    return path
