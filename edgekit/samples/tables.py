"""Tables of columns: .csv by the standard library, .parquet and data frames by pyarrow."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import InputError, missing
from edgekit.signature import Array

_DELIMITERS = (",", ";", "\t")
# float() alone would also take "1_000" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE | re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_EXACT_IN_FLOAT32 = 1 << 24


def read_csv(path: Path, asked: str) -> dict[str, Array]:
    """The columns of a CSV file by the names in its header.

    The delimiter is the one of comma, semicolon and tab that stands in the header. A column is numeric where every cell
    that is not empty is a number: float32, empty cells NaN; int64 where it holds whole numbers that float32 would
    round. Other columns are text.

    Raises:
        InputError: not UTF-8, no header, no rows, a name twice, or a row of another length.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = next((line for line in text.split("\n") if line.strip()), "")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(header, asked), strict=True)
        numbered = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InputError(asked, why, "save it as CSV in UTF-8 with a header") from error
    names = [name.strip() for name in numbered[0][1]] if numbered else []
    _check_header(names, asked)
    for number, row in numbered[1:]:
        if len(row) != len(names):
            why = f"line {number} has {len(row)} cells, the header has {len(names)}"
            raise InputError(asked, why, "mend the line; cells with the delimiter inside stand in quotes")
    cells = [row for _, row in numbered[1:]]
    if not cells:
        raise InputError(asked, "it has a header and no rows", "give at least one row")
    return {name: _column([row[index] for row in cells]) for index, name in enumerate(names)}


def _delimiter(header: str, asked: str) -> str:
    unquoted = re.sub(r'"(?:[^"]|"")*"', "", header)
    found = [delimiter for delimiter in _DELIMITERS if delimiter in unquoted]
    if len(found) > 1:
        why = f"its header holds {' and '.join(map(repr, found))}: either could be the delimiter"
        raise InputError(asked, why, "quote the names that hold one")
    return found[0] if found else ","


def _check_header(names: list[str], asked: str) -> None:
    if not names or all(_NUMBER.fullmatch(name) for name in names):
        raise InputError(asked, "its first line is no header", "put the columns' names in the first line")
    _check_names(names, asked)


def _check_names(names: list[str], asked: str) -> None:
    if "" in names:
        why = f"column {names.index('') + 1} has no name"
        raise InputError(asked, why, "name every column (an index written by pandas: index=False)")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(asked, f"column {twice[0]!r} stands twice", "rename one")


def _column(cells: list[str]) -> Array:
    stripped = [cell.strip() for cell in cells]
    filled = [cell for cell in stripped if cell]
    if not filled or not all(_NUMBER.fullmatch(cell) for cell in filled):
        return np.array(cells, dtype=object)
    if len(filled) == len(cells) and all(_INTEGER.fullmatch(cell) for cell in stripped):
        whole = [int(cell) for cell in stripped]
        if max(map(abs, whole)) > _EXACT_IN_FLOAT32 and min(whole) >= -(1 << 63) and max(whole) < 1 << 63:
            return np.array(whole, np.int64)
    return _in_float32(np.array([float(cell or "nan") for cell in stripped]))


def _in_float32(values: Array) -> Array:
    """As float32 unless that would make a finite value infinite."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return values if (np.isinf(single) & ~np.isinf(values)).any() else single


def read_parquet(path: Path, asked: str) -> dict[str, Array]:
    """The columns of a Parquet file: floats as float32 with missing values NaN, integers, booleans, text.

    Raises:
        InputError: not a Parquet file, no rows, a name twice, a column of another type, or missing values that have no
            number to stand for them.
        MissingDependencyError: pyarrow is not installed.
    """
    pa = _pyarrow(asked)
    from pyarrow import parquet

    try:
        return _arrow_columns(parquet.read_table(path), asked)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(asked, f"not a whole Parquet file ({error})", "write it again") from error


def read_frame(frame: Any, asked: str) -> dict[str, Array]:
    """The columns of a pandas DataFrame, without its index, as :func:`read_parquet` gives those of a file.

    Raises:
        InputError: no rows, a name twice, a column that is neither numbers, booleans nor text, or missing values that
            have no number to stand for them.
        MissingDependencyError: pyarrow is not installed.
    """
    pa = _pyarrow(asked)
    _check_names([str(name) for name in frame.columns], asked)
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        todo = "give numbers, booleans or text, one kind a column"
        # The column stands behind the value in its message.
        raise InputError(asked, ": ".join(map(str, reversed(error.args))), todo) from error
    return _arrow_columns(table, asked)


def write_parquet(columns: Mapping[str, Array], path: Path) -> None:
    """Write columns for :func:`read_parquet`.

    Raises:
        MissingDependencyError: pyarrow is not installed.
    """
    pa = _pyarrow(f"write {path}")
    from pyarrow import parquet

    parquet.write_table(pa.table(dict(columns)), path)


def _pyarrow(asked: str) -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise missing(asked, "pyarrow", "samples") from error
    return pa


def _arrow_columns(table: Any, asked: str) -> dict[str, Array]:
    names = list(table.column_names)
    _check_names(names, asked)
    if not table.num_rows or not names:
        raise InputError(asked, "it has no rows", "give at least one row")
    return {name: _arrow_column(table.column(name), name, asked) for name in names}


def _arrow_column(column: Any, name: str, asked: str) -> Array:
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    text = types.is_string(kind) or types.is_large_string(kind)
    if not (text or types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind)):
        raise InputError(f"{asked}, column {name!r}", f"its type is {kind}", "give numbers, booleans or text")
    if column.null_count and (text or types.is_boolean(kind)):
        why = f"{column.null_count} of {len(column)} values are missing"
        raise InputError(f"{asked}, column {name!r}", why, "fill them in")
    if text:
        return np.array(column.to_pylist(), dtype=object)
    if column.null_count:
        column = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
    values: Array = column.to_numpy()
    return values if values.dtype.kind != "f" else _in_float32(values)
