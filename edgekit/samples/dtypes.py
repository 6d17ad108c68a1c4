"""From the dtype that samples have to the one that a model takes, where no value changes its meaning."""

from __future__ import annotations

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import DTYPES, Array, dtype_name


def cast(array: Array, dtype: str, asked: str, *, table: bool) -> Array:
    """The array in the dtype that a model takes, text as Python strings.

    Floats become other floats and integers other integers where every value fits. In tables, whose files do not keep
    number types apart, numbers of one kind also become another where no value is lost.

    Args:
        array: the samples of an input, or one column.
        dtype: a name from :data:`edgekit.signature.DTYPES`.
        asked: what is being fitted, for messages.
        table: whether the array is a table's column.

    Raises:
        InputError: another kind of values, or one that does not fit.
    """
    given = dtype_name(array)
    if given not in DTYPES or array.dtype.kind == "S":
        raise InputError(asked, f"dtype {array.dtype} is none that models take", f"give {dtype}")
    if "string" in (given, dtype):
        return _texts(array, dtype, asked)
    have, want = array.dtype.kind, np.dtype(dtype)
    if given == dtype:
        return array.astype(want, copy=False)
    if (have == "f") == (want.kind == "f") and "b" not in (have, want.kind):
        return _within(array, want, asked)
    if not table:
        todo = "save them in that dtype"
        if want.kind == "f":
            todo = (
                "apply the model's preprocessing before saving (pixels and flags are seldom what a float input expects)"
            )
        raise InputError(asked, f"got {given}, the model takes {dtype}", todo)
    if want.kind != "f" and have == "f":
        _refuse_unless(array == np.trunc(array), array, want, asked)
    return _within(array, want, asked)


def _within(array: Array, want: np.dtype[np.generic], asked: str) -> Array:
    """The array in another numeric dtype, refused where a value is beyond its range."""
    if want.kind == "f":
        with np.errstate(over="ignore"):
            floats: Array = array.astype(want)
        _refuse_unless(~np.isinf(floats) | (np.isinf(array) if array.dtype.kind == "f" else False), array, want, asked)
        return floats
    low, high = (0, 1) if want.kind == "b" else (np.iinfo(want.name).min, np.iinfo(want.name).max)
    if array.dtype.kind == "f":
        # 2⁶³ is a float and int64's largest value is not: only the strict comparison with high + 1 is exact.
        _refuse_unless((array >= float(low)) & (array < float(high + 1)), array, want, asked)
    elif array.size and not low <= int(array.min()) <= int(array.max()) <= high:
        worst = int(array.max()) if int(array.max()) > high else int(array.min())
        raise InputError(asked, f"{worst} does not fit {want.name}", f"the model takes {want.name}: {low} … {high}")
    return array.astype(want)


def _refuse_unless(fits: Array, array: Array, want: np.dtype[np.generic], asked: str) -> None:
    if not fits.all():
        value = array[tuple(np.argwhere(~fits)[0])]
        raise InputError(asked, f"{value} does not fit {want.name}", f"the model takes {want.name}")


def _texts(array: Array, dtype: str, asked: str) -> Array:
    given = dtype_name(array)
    if given != dtype:
        todo = "give text" if dtype == "string" else "give numbers (a cell that is no number makes its column text)"
        raise InputError(asked, f"got {given}, the model takes {dtype}", todo)
    texts: Array = array.astype(object)
    strange = next((value for value in texts.reshape(-1) if not isinstance(value, str)), None)
    if strange is not None:
        raise InputError(asked, f"it holds {type(strange).__name__} among text", "give text only")
    return texts
