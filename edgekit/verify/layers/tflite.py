"""Inside a TFLite file: every tensor, which the interpreter is told to preserve."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError
from edgekit.runtime.tflite import _runtime
from edgekit.signature import Array
from edgekit.verify.layers.tap import Seen, Tap, Tensor, comparable, living, plain_name

# In litert-torch's names: the module that edgekit converts, around the user's.
_INTERFACE = "<locals>.Interface/"


class TfliteTap(Tap):
    """A TFLite model; the inputs by its first signature's names, or its tensors'."""

    def __init__(
        self,
        path: Path,
        given: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        outputs: Mapping[str, str],
        threads: int | None = None,
    ) -> None:
        """Open a file.

        Args:
            path: the model.
            given: the original's inputs as the file takes them.
            outputs: the original's output names by the file's.
            threads: threads of the runtime.

        Raises:
            ExecutionError: the runtime cannot load it.
        """
        interpreter, self.runtime = _runtime()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that preserving costs memory
            try:
                self._interpreter: Any = interpreter(
                    str(path), num_threads=threads, experimental_preserve_all_tensors=True
                )
            except Exception as error:
                raise ExecutionError("load a TFLite model", str(error).strip().splitlines()[0]) from error
        self._given = given
        signatures = self._interpreter._get_full_signature_list()
        first = next(iter(signatures.values())) if signatures else {"inputs": {}, "outputs": {}}
        named_in = {detail["name"]: detail["index"] for detail in self._interpreter.get_input_details()}
        named_out = {detail["name"]: detail["index"] for detail in self._interpreter.get_output_details()}
        self._inputs: dict[str, int] = first["inputs"] or named_in
        given_out: dict[str, int] = first["outputs"] or named_out
        self._output_of = {index: outputs[name] for name, index in given_out.items() if name in outputs}

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call; tensors are read one at a time."""
        given = self._given(inputs)
        try:
            for name, index in self._inputs.items():
                self._interpreter.resize_tensor_input(index, given[name].shape)
            self._interpreter.allocate_tensors()
            for name, index in self._inputs.items():
                self._interpreter.set_tensor(index, given[name])
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise ExecutionError("run a TFLite model", str(error).strip().splitlines()[0]) from error
        details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        for tensor, index in self._tensors(details):
            if wanted is None or tensor.key in wanted:
                array = self._read(details[index])
                if array is not None:
                    seen(tensor, array)

    def _tensors(self, details: Mapping[int, Mapping[str, Any]]) -> list[tuple[Tensor, int]]:
        # What a delegate took over stands in the list twice, the second time as its own operation.
        operations = [op for op in self._interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
        links = [(tuple(map(str, op["inputs"])), tuple(map(str, op["outputs"]))) for op in operations]
        alive = living(links, map(str, self._inputs.values()))
        return [
            (
                Tensor(
                    str(index),
                    _layer(details[index]["name"]),
                    op["op_name"],
                    tuple(key for key in reads if key in alive),
                    _names(details[index]["name"]),
                    self._output_of.get(index, ""),
                ),
                index,
            )
            for op, (reads, _) in zip(operations, links, strict=True)
            for index in map(int, op["outputs"])
            if str(index) in alive and index in details
        ]

    def _read(self, detail: Mapping[str, Any]) -> Array | None:
        try:
            value = self._interpreter.get_tensor(detail["index"])
        except ValueError:  # a tensor inside a delegate, or one that was never computed
            return None
        scales = detail["quantization_parameters"]["scales"]
        if value.dtype.kind in "iu" and len(scales) == 1:
            zero = float(detail["quantization_parameters"]["zero_points"][0])
            value = (value.astype(np.float32) - zero) * scales[0]
        return comparable(value)


def module_of(name: str) -> str:
    """The module that a tensor's name tells: litert-torch's attributes, or the path before TensorFlow's last node."""
    parts = name.split(";")
    paths = [path for path in map(_module_path, parts) if path]
    return paths[0] if paths else "" if _INTERFACE.rstrip("/") in name else parts[0].rpartition("/")[0]


def _layer(name: str) -> str:
    """The layer's path: of litert-torch's names the modules' attributes, of TensorFlow's the last fused node."""
    parts = name.split(";")
    paths = [path for path in map(_module_path, parts) if path]
    if not paths and _INTERFACE in name:
        return "the model itself"
    return paths[0] if paths else parts[0]


def _names(name: str) -> frozenset[str]:
    parts = [part for part in name.split(";") if part]
    return frozenset(plain_name(_module_path(part) or part) for part in parts)


def _module_path(part: str) -> str:
    """``…Interface/nets.Net_model/torch.nn.modules.conv.Conv2d_stem`` as ``stem``; empty where it is no such name."""
    if _INTERFACE not in part:
        return ""
    # Each step is a class and the attribute that holds it.
    found = [re.match(r"(?:[\w<>]+\.)*_*[^_.]+_(.+)$", step) for step in part.partition(_INTERFACE)[2].split("/")]
    return ".".join(match.group(1) for match in found[1:] if match)
