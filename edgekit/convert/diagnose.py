"""What a vendor's converter raised, said in one line: the operator, the layer it came from, the step."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgekit.errors import ConversionError, EdgekitError, ExecutionError, StorageError

if TYPE_CHECKING:
    from edgekit.sources.base import Source

# How the vendors name an operator that they cannot convert; the first group is the operator.
_UNSUPPORTED = (
    # torch.onnx
    re.compile(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'"),
    re.compile(r"No decompositions registered for the (?:real|complex)-valued input.*?\b([a-z_]+[.:]+[\w.]+)"),
    # coremltools
    re.compile(r"PyTorch convert function for op '([\w:.]+)' not implemented"),
    re.compile(r"Unsupported fx node \w+, kind ([\w.]+)"),
    re.compile(r"Conversion for TF op '(\w+)' not implemented"),
    # litert-torch
    re.compile(r"Lowering not found: ([\w.:]+)"),
    re.compile(r"failed to legalize operation '([\w.]+)'"),
    re.compile(r"Unsupported ir element type: (complex<\w+>)"),
    # tf2onnx, the TFLite converter, skl2onnx
    re.compile(r"Tensorflow op \[[^:\]]*: (\w+)\] is not supported"),
    re.compile(r"tf\.(\w+) op is neither a custom op nor a flex op"),
    re.compile(r"Unable to find a shape calculator for type '<class '([\w.]+)'>'"),
)


def as_conversion_error(error: BaseException, asked: str, step: str, source: Source | None = None) -> EdgekitError:
    """An error of edgekit's own for whatever was raised.

    Args:
        error: what was raised.
        asked: what was asked for, in the user's words.
        step: the step at which it was raised.
        source: the source, which may know the layers of an operator.
    """
    if isinstance(error, MemoryError):
        return ConversionError(asked, f"out of memory at: {step}", "use a machine with more memory, or a smaller model")
    if isinstance(error, OSError) and error.errno == 28:
        return StorageError(
            asked, f"no space left on the disk at: {step}", "free some space, or write elsewhere with -o"
        )
    operator = unsupported_operator(error)
    if operator:
        layers = source.layers_of(operator) if source is not None else []
        where = f" (layer {', '.join(layers[:3])}{' …' if layers[3:] else ''})" if layers else ""
        what = f"values of type {operator}" if operator.startswith("complex<") else f"operator {operator}"
        why = f"the converter has no counterpart for {what}{where}"
        return ConversionError(asked, why, "replace that layer, or leave the target out")
    root = error
    while root.__cause__ is not None:
        root = root.__cause__
    text = f"{type(root).__name__}: {first_line(root)}"
    kind = ExecutionError if step.startswith("run") else ConversionError
    where = "" if asked.startswith(step) else f"failed at: {step}; "
    return kind(asked, f"{where}{text}", "the log has the vendor's own words")


def unsupported_operator(error: BaseException) -> str:
    """The operator that the vendor could not convert, if that is what it says; through the chain of causes."""
    seen: BaseException | None = error
    while seen is not None:
        for pattern in _UNSUPPORTED:
            found = pattern.search(str(seen))
            if found:
                return found.group(1)
        seen = seen.__cause__ or seen.__context__
    return ""


def first_line(error: BaseException) -> str:
    """The first line of an error that says something, shortened."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip(" =-#\t")]
    return (lines[0] if lines else "no message")[:240]
