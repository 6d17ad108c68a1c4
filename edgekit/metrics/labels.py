"""Labels from a file: .npy, .npz with one array, .csv and .txt with one column."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import Array

_WANTED = "give .npy, .npz of one array, or .csv or .txt of one column"


def read_labels(path: str | Path) -> Array:
    """Labels, the leading dimension counting the samples.

    Numbers come as integers where all are whole, else as float64; anything else as text.

    Raises:
        InputError: missing, damaged, empty, or of another form.
    """
    path = Path(path)
    asked = f"--labels {path}"
    if not path.is_file():
        raise InputError(asked, "there is no such file", _WANTED)
    try:
        labels = _read(path, asked)
    except (OSError, ValueError, EOFError, csv.Error, UnicodeDecodeError) as error:
        raise InputError(asked, f"it cannot be read: {error}", _WANTED) from error
    return checked(labels, asked)


def checked(labels: Array, asked: str) -> Array:
    """Labels in one of their forms.

    Raises:
        InputError: they are none: empty, NaN, or objects.
    """
    if labels.ndim == 0 or not labels.size:
        raise InputError(asked, "it holds no labels", _WANTED)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise InputError(asked, "some labels are NaN or infinite", "leave out the samples that have no label")
        return labels.astype(np.int64) if (labels == np.floor(labels)).all() else labels.astype(np.float64)
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if labels.dtype.kind in "US":
        return labels.astype(np.str_)
    raise InputError(asked, f"labels of {labels.dtype} are neither numbers nor text", _WANTED)


def _read(path: Path, asked: str) -> Array:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            if len(stored.files) != 1:
                raise InputError(asked, f"it holds {len(stored.files)} arrays", _WANTED)
            return np.asarray(stored[stored.files[0]])
    if suffix in {".csv", ".txt"}:
        return _of_text(path, asked)
    raise InputError(asked, f"{suffix or 'a file without a suffix'} is not read", _WANTED)


def _of_text(path: Path, asked: str) -> Array:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if any(len(row) != 1 for row in rows):
        raise InputError(asked, "it has several columns", _WANTED)
    cells = [row[0].strip() for row in rows]
    for start in (0, 1):  # a first line may be a heading
        try:
            return np.array([float(cell) for cell in cells[start:]])
        except ValueError:
            continue
    return np.array(cells)
