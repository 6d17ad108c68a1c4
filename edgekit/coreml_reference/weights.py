"""The weight file of an ML Program: blobs at offsets, mapped and not read until used.

The layout is the one of MILBlob's ``StorageFormat.hpp``: a 64-byte header (count, version 2), and at each blob's offset
64 bytes of metadata (sentinel, dtype, bytes, offset of the data, padding bits).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.coreml_reference.package import inside
from edgekit.coreml_reference.program import NUMPY_TYPES, SMALL_TYPES
from edgekit.errors import InputError
from edgekit.signature import Array

_SENTINEL = 0xDEADBEEF
_METADATA = struct.Struct("<IIQQQ")
_HEADER = struct.Struct("<II")
_VERSION = 2
# BlobDataType of MILBlob, by the names that programs use.
_TYPES = {
    1: "fp16",
    2: "fp32",
    3: "uint8",
    4: "int8",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
}
# Bytes that are unpacked at once: numpy widens them to eight times that for as long.
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Blob:
    """An array in a weight file, mapped.

    Attributes:
        dtype: of its elements, as programs name it.
        size: their number.
        raw: the bytes.
    """

    dtype: str
    size: int
    raw: Array = field(repr=False)

    def read(self) -> Array:
        """The flat array: on the file's memory, or a new one of one element a byte where they are smaller."""
        if self.dtype in SMALL_TYPES:
            bits, signed = SMALL_TYPES[self.dtype]
            return unpack(self.raw, bits, self.size, signed=signed)
        return self.raw.view(NUMPY_TYPES[self.dtype])


class WeightFiles:
    """The weight files beside a model, each mapped once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[str, Array] = {}

    def find(self, name: str, offset: int) -> Blob:
        """The array at an offset of a file named as in the program (``@model_path/weights/weight.bin``).

        Writing to it does not change the file.

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
        if kind not in _TYPES:
            raise InputError(asked, f"its element type {kind} is unknown", "update edgekit")
        dtype = _TYPES[kind]
        bits = SMALL_TYPES[dtype][0] if dtype in SMALL_TYPES else np.dtype(NUMPY_TYPES[dtype]).itemsize * 8
        # The padding fills the last byte of elements that are smaller.
        used = size * 8 - (padding if dtype in SMALL_TYPES else 0)
        if used < 0 or used % bits:
            raise InputError(asked, f"{used} bits are no whole number of {dtype}", "copy the whole package again")
        return Blob(dtype, used // bits, data[start : start + size])

    def _map(self, name: str) -> Array:
        if name in self._files:
            return self._files[name]
        asked = f"read weights of {name}"
        if not name.startswith("@model_path/"):
            raise InputError(asked, "weights lie beside their model", "do not trust this package")
        path = inside(self._folder, name.removeprefix("@model_path/"))
        if path is None:
            raise InputError(asked, "the name points outside the package", "do not trust this package")
        if not path.is_file():
            raise InputError(asked, "the file is missing", "copy the whole package again")
        if path.stat().st_size < 2 * _HEADER.size:
            raise InputError(asked, f"the file ends at {path.stat().st_size}", "copy the whole package again")
        # Copy-on-write: torch takes writable memory only without a copy. The file stays as it is.
        try:
            data = np.asarray(np.memmap(path, np.uint8, "c"))
        except OSError as error:
            raise InputError(asked, f"cannot read it: {error.strerror}", "copy the whole package again") from error
        _, version = _HEADER.unpack(data[: _HEADER.size].tobytes())
        if version != _VERSION:
            raise InputError(asked, f"its version is {version}, known is {_VERSION}", "update edgekit")
        self._files[name] = data
        return data


def unpack(raw: Array, bits: int, count: int, *, signed: bool) -> Array:
    """Elements of a few bits each, stored from the lowest bit up, as one byte each: [count] int8 or uint8.

    Raises:
        InputError: there are fewer than ``count``.
    """
    raw = np.asarray(raw, np.uint8)
    if raw.size * 8 < count * bits:
        raise InputError(f"unpack {count} elements of {bits} bits", f"there are {raw.size} bytes", "copy it again")
    # The fewest whole bytes that hold a whole number of elements: three for 3 and 6 bits, one for 1, 2 and 4.
    width, several = math.lcm(bits, 8) // 8, math.lcm(bits, 8) // bits
    groups = -(-count // several)
    values = np.empty((groups, several), np.uint8)
    if width == 1:
        _split_bytes(raw[:groups], bits, values)
    else:
        words = _words(raw[: groups * width], groups, width)
        for number in range(several):
            np.right_shift(words, number * bits, out=values[:, number], casting="unsafe")
        values &= (1 << bits) - 1
    values = values.reshape(-1)[:count]
    if not signed:
        return values
    sign = 1 << (bits - 1)
    values ^= sign
    values -= sign
    return values.view(np.int8)


def _split_bytes(raw: Array, bits: int, values: Array) -> None:
    """The elements of every byte [bytes], into [bytes, elements]."""
    shifts = np.arange(values.shape[1], dtype=np.uint8) * bits
    table = (np.arange(256, dtype=np.uint8)[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    # All elements of a byte are copied as one number of as many bytes.
    entry = np.dtype(f"u{values.shape[1]}")
    entries, out = table.astype(np.uint8).view(entry)[:, 0], values.view(entry)[:, 0]
    for start in range(0, raw.size, _CHUNK):
        # No index is out of range: "clip" only spares numpy a copy.
        np.take(entries, raw[start : start + _CHUNK], out=out[start : start + _CHUNK], mode="clip")


def _words(raw: Array, groups: int, width: int) -> Array:
    """Every so many bytes as one number, the first the lowest; zeros stand for what is missing at the end."""
    if raw.size < groups * width:
        raw = np.pad(raw, (0, groups * width - raw.size))
    if width == 1:
        return raw
    parts = raw.reshape(groups, width)
    words = parts[:, 0].astype(np.uint32)
    for number in range(1, width):
        words |= parts[:, number].astype(np.uint32) << np.uint32(8 * number)
    return words
