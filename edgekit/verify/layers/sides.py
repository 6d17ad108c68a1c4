"""The tap of each format and framework, and how an original's inputs enter a model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.bundle import Binding, Quantization
from edgekit.convert.metadata import read_interface
from edgekit.errors import InputError, UnsupportedError
from edgekit.runtime.session import to_native
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.verify.layers.tap import Tap

if TYPE_CHECKING:
    from edgekit.sources import Source

Given = Callable[[Mapping[str, Array]], Mapping[str, Array]]
_IMAGE_ORDERS = ((0, 2, 3, 1), (0, 3, 1, 2))


def open_original(source: Source, example: Mapping[str, Array]) -> Tap:
    """The tap of an original of any framework.

    Raises:
        UnsupportedError: nothing can look into it.
    """
    loaded: Any = source
    if source.framework == "torch":
        from edgekit.verify.layers.torch import open_torch

        return open_torch(loaded, example)
    if source.framework == "tensorflow":
        from edgekit.verify.layers.tensorflow import TensorFlowTap

        return TensorFlowTap(loaded)
    if source.framework == "sklearn":
        from edgekit.verify.layers.sklearn import PipelineTap

        return PipelineTap(loaded)
    outputs = {name: name for name in source.signature.output_names}
    return open_file(source.framework, Path(source.native), lambda inputs: inputs, outputs, None)


def open_file(kind: str, path: Path, given: Given, outputs: Mapping[str, str], threads: int | None) -> Tap:
    """The tap of a model file.

    Args:
        kind: its format.
        path: the file or folder.
        given: the original's inputs as the file takes them.
        outputs: the original's output names by the file's.
        threads: threads of the runtime.

    Raises:
        ExecutionError: the runtime cannot load it.
        MissingDependencyError: what reads the format is not installed.
    """
    if kind == "onnx":
        from edgekit.verify.layers.onnx import OnnxTap

        return OnnxTap(path, given, outputs, threads)
    if kind == "tflite":
        from edgekit.verify.layers.tflite import TfliteTap

        return TfliteTap(path, given, outputs, threads)
    if kind == "coreml":
        from edgekit.verify.layers.coreml import CoremlTap

        return CoremlTap(path, given, outputs)
    raise UnsupportedError("compare layers", f"nothing looks into {kind} models", "leave --layers off")


def accepting(kind: str, path: Path, wanted: Signature) -> Given:
    """How the original's inputs enter a file that no bundle describes: by name, images perhaps in the other order.

    Raises:
        InputError: other names or shapes.
    """
    own, scales, _ = read_interface(kind, path)
    if set(own.input_names) != set(wanted.input_names):
        mine, theirs = ", ".join(own.input_names), ", ".join(wanted.input_names)
        why = f"it takes {mine}, the original {theirs}"
        raise InputError(f"verify {path}", why, "name the original's inputs alike: --input-name")
    bindings = [_binding(path, spec, wanted.input(spec.name), scales.get(spec.name)) for spec in own.inputs]

    def given(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        return {binding.native: to_native(inputs[binding.name], binding) for binding in bindings}

    return given


def _binding(path: Path, mine: TensorSpec, theirs: TensorSpec, scale: Quantization | None) -> Binding:
    # An original of integers means them as they are.
    quantization = scale if theirs.dtype.startswith("float") else None
    shape = tuple(1 if size is None else size for size in theirs.shape)
    if mine.fits(shape):
        return Binding(mine.name, mine.name, None, mine.dtype, quantization=quantization)
    turned = [order for order in _IMAGE_ORDERS if len(shape) == 4 and mine.fits(tuple(shape[axis] for axis in order))]
    if not turned:
        raise InputError(f"verify {path}", f"it takes {mine}, the original {theirs}", "give the original it is made of")
    return Binding(mine.name, mine.name, turned[0], mine.dtype, quantization=quantization)
