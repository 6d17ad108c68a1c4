"""MurmurHash3, the 32 bit variant for x86 (Austin Appleby, public domain), with seed 0.

Source: ``MurmurHash3_x86_32`` in https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp.
"""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF
_FIRST, _SECOND = 0xCC9E2D51, 0x1B873593


def murmur3_32(data: bytes) -> int:
    """The hash of some bytes, as the signed number that scikit-learn takes it for."""
    whole = len(data) // 4
    value = 0
    for block in struct.unpack_from(f"<{whole}I", data):
        value ^= _mixed(block)
        value = (value << 13 | value >> 19) & _MASK
        value = (value * 5 + 0xE6546B64) & _MASK
    # No bytes left over mix to 0, which changes nothing.
    value ^= _mixed(int.from_bytes(data[4 * whole :], "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & _MASK
    value = (value ^ value >> 13) * 0xC2B2AE35 & _MASK
    value ^= value >> 16
    return value - (1 << 32) if value >> 31 else value


def _mixed(block: int) -> int:
    block = block * _FIRST & _MASK
    block = (block << 15 | block >> 17) & _MASK
    return block * _SECOND & _MASK
