"""What convolutions and pools share: how far their windows reach beyond the operand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgekit.coreml_reference.lazy import functional
from edgekit.coreml_reference.registry import Ints
from edgekit.errors import UnsupportedError

# Elements before and after each spatial dimension.
Pads = tuple[tuple[int, int], ...]


def window_pads(pad_type: str, pad: Ints | None, sizes: Sequence[int], kernel: Sequence[int], strides: Ints) -> Pads:
    """The padding of each spatial dimension.

    Args:
        pad_type: ``valid``, ``same``, ``same_lower`` or ``custom``.
        pad: before and after the first dimension, the second, …: of ``custom`` only.
        sizes: of the operand.
        kernel: of the window, with its dilation.
        strides: of the window.

    Raises:
        UnsupportedError: the definitions have no such ``pad_type``.
    """
    kind = pad_type.lower()
    if kind == "valid" or (kind == "custom" and pad is None):
        return ((0, 0),) * len(kernel)
    if kind == "custom" and pad is not None:
        return tuple(zip(pad[::2], pad[1::2], strict=True))
    if kind not in {"same", "same_lower"}:
        raise UnsupportedError(f"pad {pad_type!r}", "no definition has such a pad_type", "use valid, same or custom")
    totals = [
        max(0, (-(-size // stride) - 1) * stride + reach - size)
        for size, reach, stride in zip(sizes, kernel, strides, strict=True)
    ]
    # The odd one comes after, or before in ``same_lower``.
    halves = [(total // 2, total - total // 2) for total in totals]
    return tuple((after, before) if kind == "same_lower" else (before, after) for before, after in halves)


def pad_edges(x: Any, pads: Pads, value: float) -> Any:
    """A tensor [n, C, *D] with its spatial dimensions padded; negative numbers crop."""
    return functional.pad(x, [one for pair in reversed(pads) for one in pair], value=value)
