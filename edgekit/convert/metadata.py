"""A model file's own words, by target: its signature, the preprocessing contract embedded in it, what can load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.bundle import Quantization
from edgekit.convert import coreml_file, onnx_file, tflite_file
from edgekit.signature import Signature

if TYPE_CHECKING:
    from edgekit.preprocessing import Contract

# The entry under which every format carries the contract, so that a file taken out of its bundle keeps it.
ENTRY = "edgekit.preprocessing"


def embed(target: str, path: Path, contract: Contract) -> None:
    """Write the preprocessing contract, labels included, into the model file's own metadata."""
    entries = {ENTRY: json.dumps(contract.to_json(), ensure_ascii=False, sort_keys=True)}
    if target == "onnx":
        onnx_file.add_metadata(path, entries)
    elif target == "tflite":
        tflite_file.rewrite(path, metadata=entries)
    else:
        coreml_file.add_metadata(path, entries)


def read_signature(target: str, path: Path) -> Signature:
    """The file's own inputs and outputs."""
    return read_interface(target, path)[0]


def read_interface(target: str, path: Path) -> tuple[Signature, dict[str, Quantization], dict[str, Quantization]]:
    """The file's own inputs and outputs, and how the integers of either stand for reals, where they do, by name."""
    if target == "onnx":
        from edgekit.runtime.onnx import OnnxEngine

        return OnnxEngine(path, optimize=False, threads=1).signature, {}, {}
    if target == "tflite":
        from edgekit.runtime.tflite import TfliteEngine

        engine = TfliteEngine(path)
        inputs, outputs = (
            {name: Quantization(*scale) for name, scale in side.items()}
            for side in (engine.input_scales, engine.output_scales)
        )
        return engine.signature, inputs, outputs
    return coreml_file.read_signature(path), {}, {}


def oldest_runtime(target: str, path: Path) -> dict[str, str]:
    """The oldest release of each runtime that loads the file, as far as the file's format tells."""
    if target == "onnx":
        return {"onnxruntime": onnx_file.oldest_onnxruntime(path)}
    if target == "coreml":
        return {"Core ML": coreml_file.oldest_system(path)}
    return {}


def read_entry(target: str, path: Path) -> str | None:
    """The preprocessing contract's JSON in a model file, if it carries one."""
    if target == "onnx":
        return onnx_file.read_metadata(path).get(ENTRY)
    if target == "tflite":
        return tflite_file.read_metadata(path).get(ENTRY)
    return coreml_file.read_metadata(path).get(ENTRY)
