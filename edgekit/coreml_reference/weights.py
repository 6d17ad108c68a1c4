"""The weight file of an ML Program: blobs at offsets, mapped and not read until used.

The layout is the one of MILBlob's ``StorageFormat.hpp``: a 64-byte header (count, version 2), and at each blob's offset
64 bytes of metadata (sentinel, dtype, bytes, offset of the data, padding bits).
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

_SENTINEL = 0xDEADBEEF
_METADATA = struct.Struct("<IIQQQ")
_HEADER = struct.Struct("<II")
_VERSION = 2
# BlobDataType of MILBlob: a numpy dtype, or the bits of an element where a byte holds several.
_DTYPES = {
    1: np.float16,
    2: np.float32,
    3: np.uint8,
    4: np.int8,
    6: np.int16,
    7: np.uint16,
    14: np.int32,
    15: np.uint32,
}
_SMALL = {8: (4, True), 9: (1, False), 10: (2, False), 11: (4, False), 12: (3, False), 13: (6, False)}


class WeightFiles:
    """The weight files beside a model, each mapped once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[str, Array] = {}

    def read(self, name: str, offset: int) -> Array:
        """The flat array at an offset of a file named as in the program (``@model_path/weights/weight.bin``).

        Elements smaller than a byte come back one to a byte (int8 or uint8). The array is read-only.

        Raises:
            InputError: the file is missing, truncated or no weight file.
        """
        data = self._map(name)
        asked = f"read weights at {offset} of {name.rpartition('/')[2]}"
        if offset < _HEADER.size or offset + _METADATA.size > len(data):
            raise InputError(asked, f"the file ends at {len(data)}", "copy the whole package again")
        sentinel, kind, size, start, padding = _METADATA.unpack(data[offset : offset + _METADATA.size].tobytes())
        if sentinel != _SENTINEL:
            raise InputError(asked, "there is no blob", "copy the whole package again")
        if start + size > len(data):
            raise InputError(asked, f"the file ends at {len(data)}, the blob at {start + size}", "copy it again")
        raw = data[start : start + size]
        if kind in _SMALL:
            bits, signed = _SMALL[kind]
            return unpack(raw, bits, (size * 8 - padding) // bits, signed=signed)
        if kind not in _DTYPES:
            raise InputError(asked, f"its element type {kind} is unknown", "update edgekit")
        if size % np.dtype(_DTYPES[kind]).itemsize:
            raise InputError(asked, f"{size} bytes are no whole number of elements", "copy the whole package again")
        return raw.view(_DTYPES[kind])

    def _map(self, name: str) -> Array:
        if name in self._files:
            return self._files[name]
        asked = f"read weights of {name}"
        if not name.startswith("@model_path/"):
            raise InputError(asked, "weights lie beside their model", "do not trust this package")
        path = (self._folder / name.removeprefix("@model_path/")).resolve()
        if not path.is_relative_to(self._folder):
            raise InputError(asked, "the name points outside the package", "do not trust this package")
        if not path.is_file():
            raise InputError(asked, "the file is missing", "copy the whole package again")
        if path.stat().st_size < 2 * _HEADER.size:
            raise InputError(asked, f"the file ends at {path.stat().st_size}", "copy the whole package again")
        data = np.memmap(path, np.uint8, "r")
        _, version = _HEADER.unpack(data[: _HEADER.size].tobytes())
        if version != _VERSION:
            raise InputError(asked, f"its version is {version}, known is {_VERSION}", "update edgekit")
        self._files[name] = data
        return data


def unpack(raw: Array, bits: int, count: int, *, signed: bool) -> Array:
    """Elements of a few bits each, stored from the lowest bit up, as one byte each: [count] int8 or uint8."""
    stream = np.unpackbits(np.asarray(raw, np.uint8), bitorder="little")[: count * bits].reshape(count, bits)
    values: Array = (stream << np.arange(bits, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)
    if not signed:
        return values
    sign = np.uint8(1 << (bits - 1))
    negative: Array = ((values ^ sign).astype(np.int16) - np.int16(sign)).astype(np.int8)
    return negative
