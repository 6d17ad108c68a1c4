"""Recorded runs of the original, so that a device can re-verify itself: ``golden.npz``.

One array an input and output: ``input/<name>`` and ``output/<name>``, all runs stacked on a new leading axis. A name
may hold any character; here all but ASCII letters, digits, ``_``, ``-`` and ``~`` are percent-encoded (RFC 3986, UTF-8;
the dot too, so that a name that ends in ``.npy`` stays apart from numpy's own suffix). Strings are ``U`` arrays.
Sources: numpy's NEP 1 (the ``.npy`` format, version 1.0).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from edgekit.bundle.archive import REPAIR, Span, index_archive, write_archive
from edgekit.errors import BundleError, InputError, StorageError
from edgekit.signature import DTYPES, Array, dtype_name

_npy_format: Any = np.lib.format  # numpy has no types for it

# One recorded run: inputs and outputs, in the bundle's names.
Run = tuple[dict[str, Array], dict[str, Array]]

_ASKED = "record golden samples"


def write_golden(path: Path, inputs: Sequence[Mapping[str, Array]], outputs: Sequence[Mapping[str, Array]]) -> None:
    """Write recorded runs: ``inputs[i]`` gave ``outputs[i]``; every run has the same names, shapes and dtypes.

    The same runs give the same bytes.

    Raises:
        InputError: no runs, or runs that differ in names, shapes or dtypes.
        StorageError: the file cannot be written.
    """
    if not inputs or len(inputs) != len(outputs):
        raise InputError(_ASKED, f"{len(inputs)} inputs and {len(outputs)} outputs", "record at least one run")
    members = []
    for side, runs in (("input", inputs), ("output", outputs)):
        if any(run.keys() != runs[0].keys() for run in runs):
            raise InputError(_ASKED, f"the runs differ in the names of their {side}s", "record alike runs")
        members += [(_encode(side, name), _stack(name, [run[name] for run in runs])) for name in runs[0]]
    try:
        with path.open("wb") as file:
            write_archive(file, ((key, *_npy(array)) for key, array in members))
    except OSError as error:
        raise StorageError(
            f"write {path}", error.strerror or str(error), "make room, or choose another folder"
        ) from error


def read_golden(asked: str, span: Span, view: memoryview) -> list[Run]:
    """The recorded runs in a ``golden.npz``, whose place is ``span`` and whose checked bytes are ``view``.

    Raises:
        BundleError: it is none.
    """
    sides: dict[str, dict[str, Array]] = {"input": {}, "output": {}}
    for key, inner in index_archive(asked, span.path, io.BytesIO(view)).items():
        side, _, encoded = key.removesuffix(".npy").partition("/")
        name = unquote(encoded)
        # What is not encoded as it would be written may be a second array of the same name.
        if side not in sides or key != _encode(side, name):
            raise BundleError(asked, f"{key!r} is neither an input nor an output", REPAIR)
        sides[side][name] = _array(asked, key, view[inner.offset : inner.offset + inner.size])
    counts = {array.shape[0] if array.ndim else -1 for arrays in sides.values() for array in arrays.values()}
    if len(counts) != 1 or -1 in counts:
        raise BundleError(asked, "the recorded inputs and outputs are not as many", REPAIR)
    return [
        (
            {name: array[run, ...] for name, array in sides["input"].items()},
            {name: array[run, ...] for name, array in sides["output"].items()},
        )
        for run in range(counts.pop())
    ]


def _encode(side: str, name: str) -> str:
    try:
        return f"{side}/{quote(name, safe='').replace('.', '%2E')}.npy"
    except UnicodeEncodeError as error:
        raise InputError(f"{_ASKED}, {side} {name!r}", "the name is not Unicode text", f"rename the {side}") from error


def _stack(name: str, runs: Iterable[Array]) -> Array:
    arrays = [_text(name, array) if array.dtype.kind in "OS" else np.asarray(array) for array in runs]
    alike = {(array.shape, dtype_name(array)) for array in arrays}
    if len(alike) > 1:
        found = " and ".join(sorted(f"{dtype}{list(shape)}" for shape, dtype in alike))
        raise InputError(f"{_ASKED} of {name!r}", f"the runs differ: {found}", "record runs of one shape and dtype")
    if dtype_name(arrays[0]) not in DTYPES:
        raise InputError(f"{_ASKED} of {name!r}", f"dtype {arrays[0].dtype}", f"the dtypes are {', '.join(DTYPES)}")
    return np.stack(arrays)


def _text(name: str, array: Array) -> Array:
    """Python strings, or bytes in UTF-8, as a ``U`` array."""
    try:
        items = [item.decode() if isinstance(item, bytes) else item for item in array.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise InputError(f"{_ASKED} of {name!r}", "bytes that are not UTF-8", "give text") from error
    for item in items:
        if not isinstance(item, str) or item.endswith("\0"):
            why = "a string that ends in NUL" if isinstance(item, str) else f"a {type(item).__name__} among strings"
            raise InputError(f"{_ASKED} of {name!r}", why, "give text only")
    text: Array = np.array(items, dtype=np.str_).reshape(array.shape)
    return text


def _npy(array: Array) -> tuple[int, list[bytes]]:
    """The size and the blocks of an ``.npy`` file: its header and the array's own memory."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    _npy_format.write_array_header_1_0(header, _npy_format.header_data_from_array_1_0(array))
    data = array.reshape(-1).view(np.uint8).data
    return header.tell() + data.nbytes, [header.getvalue(), data]  # type: ignore[list-item]


def _array(asked: str, key: str, content: memoryview) -> Array:
    """An array of an ``.npy`` file; nothing in it is executed, nor is more memory taken than it has bytes."""
    file = io.BytesIO(content[: 1 << 17])
    try:
        if _npy_format.read_magic(file) != (1, 0):
            raise BundleError(asked, f"{key!r} is no .npy file of version 1.0", REPAIR)
        shape, fortran, dtype = _npy_format.read_array_header_1_0(file)
        if dtype.kind not in "biufU" or prod(shape) * dtype.itemsize != len(content) - file.tell():
            raise BundleError(asked, f"{key!r} is not as large as it says, or no plain array", REPAIR)
        count = prod(shape)
        flat = np.frombuffer(content, dtype, count, file.tell()) if count else np.empty(0, dtype)
        array: Array = flat.reshape(shape, order="F" if fortran else "C").copy()
    except (ValueError, TypeError, OverflowError) as error:
        raise BundleError(asked, f"{key!r} is no array ({error})", REPAIR) from error
    return array
