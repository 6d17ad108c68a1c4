"""What a converter is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.signature import Array, Signature


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert one source to one target. Configuration is checked before a converter sees it.

    Attributes:
        inputs: the model file's input names by the source's, in the source's order; they differ only where the format
            cannot hold a name.
        outputs: the model file's output names by the source's, likewise.
        example: one run's inputs by the source's names, exactly as ``source.predict`` takes them.
        samples: the first of the samples by the source's names, up to 256 rows; empty where a sample is no row.
        probes: rows at the splits of trees, likewise; empty where there are none.
        scheme: ``float32``, or another scheme that the route declares (Core ML's ``float16``); ``int8`` of a source
            that was quantized in training.
        integer_io: whether a file of integer activations takes and gives integers itself.
        channels_last: the inputs, by the source's names, that the model file is to take as NHWC instead of NCHW.
        dynamic_batch: keep the leading dimension of every input and output dynamic.
        notes: what a reader of the verdict should know of how the file was made; the converter appends to it.
        translations: of operators of torch that only ONNX has, what writes them: torch.onnx's
            ``custom_translation_table``.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    example: Mapping[str, Array]
    samples: Mapping[str, Array] = field(default_factory=dict)
    probes: Mapping[str, Array] = field(default_factory=dict)
    scheme: str = "float32"
    integer_io: bool = False
    channels_last: tuple[str, ...] = field(default=())
    dynamic_batch: bool = False
    notes: list[str] = field(default_factory=list)
    translations: Mapping[Any, Callable[..., Any]] = field(default_factory=dict)


# Words of Core ML's own language; coremltools renames what is called so.
_COREML_RESERVED = frozenset(
    (
        *("any", "bool", "program", "func", "tensor", "list", "dict", "tuple", "true", "false", "string", "state"),
        *("bf16", "fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
)


def legal_names(signature: Signature, target: str) -> tuple[dict[str, str], dict[str, str]]:
    """The names that a target's files can hold, by the source's names: (inputs, outputs).

    Core ML takes identifiers only. ONNX and Core ML have one space of names for inputs and outputs, so an output called
    as an input (a state that goes in and comes out) gets ``_out`` behind its name. TFLite takes any text on each side.
    """
    taken: set[str] = set()
    inputs = _assign(signature.input_names, target, taken, "")
    outputs = _assign(signature.output_names, target, set() if target == "tflite" else taken, "_out")
    return inputs, outputs


def _assign(names: Iterable[str], target: str, taken: set[str], suffix: str) -> dict[str, str]:
    chosen = {}
    for name in names:
        legal = name or ("" if target == "tflite" else "_")  # in ONNX, no name means no value
        if target == "coreml":
            legal = re.sub(r"\W", "_", name, flags=re.ASCII)
            legal = legal if re.match(r"[A-Za-z_]", legal) else f"_{legal}"
            legal = f"{legal}_" if legal in _COREML_RESERVED else legal
        candidate, count = legal, 1
        while candidate in taken:
            candidate = f"{legal}{suffix or '_'}{count if count > 1 or not suffix else ''}"
            count += 1
        taken.add(candidate)
        chosen[name] = candidate
    return chosen
