"""Sample files as they are, before a model's signature says what they should be."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import numpy as np

from edgekit.errors import InputError
from edgekit.preprocessing import Contract, decode_image
from edgekit.signature import DTYPES, Array, dtype_name

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FILE_SUFFIXES = (".npz", ".npy", ".csv", ".parquet")

# What numpy's and zipfile's readers raise on damaged files.
DAMAGES = (
    OSError, ValueError, EOFError, KeyError, RuntimeError, SyntaxError, TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class RawSamples:
    """Arrays from a file; the leading dimension counts the samples.

    Attributes:
        arrays: by input name; by column name in a table; under the key ``""`` where there is no name.
        kind: ``named``, ``nameless`` (one array), or ``table`` (arrays of one dimension, one a column).
        origin: the file or folder, for messages.
    """

    arrays: Mapping[str, Array]
    kind: Literal["named", "nameless", "table"]
    origin: str


def read_samples(path: str | Path, contract: Contract | None = None, limit: int | None = None) -> RawSamples:
    """Samples from an .npz, .npy, .csv or .parquet file, a picture, or a folder of pictures.

    Args:
        path: the file or folder; folders are read with their subfolders, sorted by path, other files passed over.
        contract: what makes a picture an input; only pictures use it.
        limit: read the first so many rows or pictures only.

    Raises:
        InputError: missing, empty, damaged, of an unknown kind, or pictures without a contract.
        MissingDependencyError: Pillow (pictures) or pyarrow (.parquet) is not installed.
    """
    path = Path(path)
    asked = f"samples {path}"
    if limit is not None and limit < 1:
        raise InputError(f"{asked}, the first {limit}", "that is none", "give a limit of at least 1")
    if path.is_dir():
        images = images_in(path)
        if not images:
            raise InputError(asked, "no pictures in the folder", f"pictures end in {', '.join(IMAGE_SUFFIXES)}")
        return _read_images(asked, images, contract, limit)
    if not path.is_file():
        raise InputError(asked, "no such file or folder", "give the path of existing samples")
    if path.stat().st_size == 0:
        raise InputError(asked, "the file is empty", "give samples")
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return _read_images(asked, [path], contract, limit)
    return _read_file(path, asked, suffix, limit)


def _read_file(path: Path, asked: str, suffix: str, limit: int | None) -> RawSamples:
    if suffix in (".csv", ".parquet"):
        from edgekit.samples.tables import read_csv, read_parquet

        columns = (read_csv if suffix == ".csv" else read_parquet)(path, asked)
        return RawSamples({name: column[:limit] for name, column in columns.items()}, "table", str(path))
    if suffix not in FILE_SUFFIXES:
        known = f"{', '.join(FILE_SUFFIXES)}, a picture or a folder of pictures"
        raise InputError(asked, f"unknown kind of file {suffix!r}", f"give {known}")
    arrays = _read_numpy(path, asked, suffix)
    for name, array in arrays.items():
        _check_array(asked, name, array)
    cut = {name: array[:limit] for name, array in arrays.items()}
    return RawSamples(cut, "nameless" if suffix == ".npy" else "named", str(path))


def _read_numpy(path: Path, asked: str, suffix: str) -> dict[str, Array]:
    magic = b"PK" if suffix == ".npz" else b"\x93NUMPY"
    try:
        # Opened here: numpy leaves a file of its own open where the zip inside is damaged.
        with path.open("rb") as file:
            if file.read(len(magic)) != magic:
                raise InputError(asked, f"not an {suffix} file", f"write it with numpy.{_WRITERS[suffix]}")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            arrays = {"": loaded} if suffix == ".npy" else {name: loaded[name] for name in loaded.files}
    except DAMAGES as error:
        if "Object arrays" in str(error):
            why, todo = (
                "it holds Python objects, which only a pickle can hold",
                "save numbers, booleans or text (dtype U)",
            )
            raise InputError(asked, why, todo) from error
        why = f"damaged or cut short ({str(error) or type(error).__name__})"
        raise InputError(asked, why, f"write it again with numpy.{_WRITERS[suffix]}") from error
    if not arrays:
        raise InputError(asked, "it holds no array", "save one array an input, by the input's name")
    return arrays


_WRITERS = {".npz": "savez", ".npy": "save"}


def _check_array(asked: str, name: str, array: object) -> None:
    called = f"{asked}, array {name!r}" if name else asked
    if not isinstance(array, np.ndarray):
        raise InputError(called, "not an array", "write the file with numpy.savez")
    if dtype_name(array) not in DTYPES or array.dtype.kind == "S":
        raise InputError(called, f"its dtype is {array.dtype}", f"save one of {', '.join(DTYPES)} (text as dtype U)")
    if not array.ndim:
        raise InputError(called, "it is a single value", "the leading dimension counts the samples: add one")


def images_in(folder: Path) -> list[Path]:
    """The picture files of a folder and its subfolders, sorted by path; names that begin with a dot are passed over."""
    inside = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*"))
    return [
        path
        for name, path in inside
        # Dot files are previews and caches that file managers leave.
        if path.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith(".") for part in name.split("/"))
    ]


def _read_images(asked: str, paths: list[Path], contract: Contract | None, limit: int | None) -> RawSamples:
    if contract is None:
        why = "pictures need a preprocessing contract"
        raise InputError(asked, why, "give --preprocess contract.toml (docs/preprocessing.md)")
    chosen = paths[:limit]
    stacked = np.empty((len(chosen), *contract.tensor_shape[1:]), contract.dtype)
    for index, path in enumerate(chosen):
        stacked[index] = contract.apply(decode_image(path))[0]
    name = contract.input or ""
    return RawSamples({name: stacked}, "named" if name else "nameless", asked.removeprefix("samples "))
