"""The 8-bit arithmetic of a processor: with or without a sign, and how far sums may go.

Source: ONNX Runtime, "Quantize ONNX models", the table of S8S8 and U8S8 by processor
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html): x86-64 has instructions for unsigned
activations times signed weights; without VNNI they saturate in 16 bits, which weights of 7 bits do not reach. Arm's
take both with a sign.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgekit.devices import DeviceProfile

_VNNI = ("avx512_vnni", "avx_vnni", "vnni")


@dataclass(frozen=True)
class Arithmetic:
    """What integers a processor multiplies best.

    Attributes:
        signed: whether activations have a sign; weights always have.
        narrow: whether weights keep to 7 bits, so that sums of 16 bits do not overflow.
        processor: whose it is.
    """

    signed: bool
    narrow: bool
    processor: str

    def __str__(self) -> str:
        """What a reader of the verdict should know."""
        sign = "signed" if self.signed else "unsigned"
        weights = ", weights of 7 bits" if self.narrow else ""
        return f"{sign} activations{weights}, for {self.processor}"


def of_device(profile: DeviceProfile) -> Arithmetic:
    """The arithmetic of a class of devices; of unknown instruction sets what is right on all of them."""
    processor = profile.processor
    if not processor.architecture.startswith("x86"):
        return Arithmetic(signed=True, narrow=False, processor=processor.name)
    vnni = any(one in processor.instruction_sets for one in _VNNI)
    return Arithmetic(signed=False, narrow=not vnni, processor=processor.name)


@cache
def of_this_machine() -> Arithmetic:
    """The arithmetic of the processor that this runs on."""
    machine = platform.machine().lower()
    if machine not in {"x86_64", "amd64"}:
        return Arithmetic(signed=True, narrow=False, processor=f"this machine ({machine})")
    flags: set[str] = set()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    except OSError:  # no Linux: what is right on every x86-64
        pass
    vnni = any(one in flags for one in _VNNI)
    word = "with" if vnni else "without"
    return Arithmetic(signed=False, narrow=not vnni, processor=f"this machine (x86-64 {word} VNNI)")
