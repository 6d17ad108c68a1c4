"""The one table of quantizers, by (target, scheme); the source does not matter to them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

from edgekit.errors import InputError
from edgekit.quantize.calibration import Calibration


class Quantizer(Protocol):
    """Reads a float32 model file and writes the quantized one beside it.

    Returns how many tensors or nodes were really quantized; zero is an error of the caller's to raise.
    """

    def __call__(self, model: Path, output: Path, calibration: Calibration | None, /) -> int:
        """Write ``output``; a calibrated scheme is given samples, others none."""


# Targets whose module in this package registers quantizers when imported.
_MODULES = ("onnx", "onnx_integer", "tflite", "coreml", "coreml_integer")
_QUANTIZERS: dict[tuple[str, str], Quantizer] = {}


def quantizer(target: str, scheme: str) -> Callable[[Quantizer], Quantizer]:
    """Register a function as the quantizer of a pair.

    Raises:
        InputError: the pair is taken.
    """

    def register(function: Quantizer) -> Quantizer:
        if (target, scheme) in _QUANTIZERS:
            raise InputError(f"quantizer {target}/{scheme}", "it is registered already", "keep one of them")
        _QUANTIZERS[target, scheme] = function
        return function

    return register


def get(target: str, scheme: str) -> Quantizer:
    """The quantizer of a pair.

    Raises:
        InputError: there is none; lists the schemes that the target has.
    """
    _load()
    if (target, scheme) not in _QUANTIZERS:
        have = ", ".join(("float32", *schemes_of(target)))
        raise InputError(f"--quantize {scheme} for {target}", "the target has no such scheme", f"it has: {have}")
    return _QUANTIZERS[target, scheme]


def schemes_of(target: str) -> tuple[str, ...]:
    """The schemes that a target's quantizers make of a float32 file."""
    _load()
    return tuple(scheme for known, scheme in _QUANTIZERS if known == target)


def _load() -> None:
    for name in _MODULES:
        import_module(f"edgekit.quantize.{name}")
