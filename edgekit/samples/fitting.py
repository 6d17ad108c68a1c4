"""From arrays in a file to what one model takes: names, dtypes, shapes; what does not fit is refused, never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edgekit.errors import InputError
from edgekit.samples.dtypes import cast
from edgekit.samples.raw import RawSamples
from edgekit.samples.samples import Samples
from edgekit.signature import Array, Signature, TensorSpec

Columns = Mapping[str, tuple[str, ...]]


def fit(
    raw: RawSamples, signature: Signature, columns: Columns = MappingProxyType({}), *, allow_nan: bool = False
) -> Samples:
    """Samples that fit a signature's inputs exactly.

    For an input of shape [B, …], an array of the same rank holds rows (a multiple of B, where B is fixed), an array of
    one rank more holds whole inputs.

    Args:
        raw: what was read.
        signature: the model's.
        columns: for tables, the columns that each input takes, in order, where the model knows their names. Other
            columns are then left out, and noted.
        allow_nan: whether NaN may stand in floats (models that take missing values); infinities may not.

    Raises:
        InputError: says which input or column, what was given and what was wanted.
    """
    if raw.kind == "table":
        arrays, notes = _from_table(raw, signature, columns, allow_nan=allow_nan)
    else:
        arrays, notes = _by_name(raw, signature), ()
        for spec in signature.inputs:
            asked = _asked(raw, spec)
            array = cast(arrays[spec.name], spec.dtype, asked, table=False)
            arrays[spec.name] = _finite(array, asked, allow_nan=allow_nan)
    batched = all(spec.shape[:1] == (None,) and arrays[spec.name].ndim == len(spec.shape) for spec in signature.inputs)
    for spec in signature.inputs:
        arrays[spec.name] = _counted(arrays[spec.name], spec, _asked(raw, spec), batched=batched)
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        given = ", ".join(f"{count} of {name!r}" for name, count in counts.items())
        raise InputError(f"samples {raw.origin}", f"there are {given}", "give every input the same number of samples")
    return Samples(arrays, batched, notes=notes)


def _asked(raw: RawSamples, spec: TensorSpec) -> str:
    return f"samples {raw.origin}, input {spec.name!r}"


def _by_name(raw: RawSamples, signature: Signature) -> dict[str, Array]:
    names = signature.input_names
    wanted = f"the model takes {', '.join(names)}"
    if raw.kind == "nameless":
        if len(names) != 1:
            raise InputError(f"samples {raw.origin}", f"they have no names, {wanted}", "give an .npz with those names")
        return {names[0]: raw.arrays[""]}
    if raw.arrays.keys() != set(names):
        given = f"they are named {', '.join(raw.arrays)}"
        raise InputError(f"samples {raw.origin}", f"{given}, {wanted}", "give exactly those names (or --input-name)")
    return {name: raw.arrays[name] for name in names}


def _from_table(
    raw: RawSamples, signature: Signature, columns: Columns, *, allow_nan: bool
) -> tuple[dict[str, Array], tuple[str, ...]]:
    chosen = {spec.name: _columns_of(spec, raw, signature, columns) for spec in signature.inputs}
    used = {name for names in chosen.values() for name in names}
    left_out = [name for name in raw.arrays if name not in used]
    if left_out and not any(columns.get(name) for name in signature.input_names):
        why = f"no input takes its columns {', '.join(left_out)}"
        raise InputError(
            f"samples {raw.origin}", why, f"leave them out; the model takes {', '.join(signature.input_names)}"
        )
    arrays = {}
    for spec in signature.inputs:
        cells = []
        for name in chosen[spec.name]:
            asked = f"samples {raw.origin}, column {name!r}"
            cells.append(_finite(cast(raw.arrays[name], spec.dtype, asked, table=True), asked, allow_nan=allow_nan))
        arrays[spec.name] = np.stack(cells, axis=1) if len(spec.shape) == 2 else cells[0]
    return arrays, (f"columns left out: {', '.join(left_out)}",) if left_out else ()


def _columns_of(spec: TensorSpec, raw: RawSamples, signature: Signature, columns: Columns) -> tuple[str, ...]:
    """The columns that make up one input."""
    asked = _asked(raw, spec)
    if len(spec.shape) not in (1, 2):
        raise InputError(asked, f"a table cannot hold {spec}", "give an .npz")
    width = 1 if len(spec.shape) == 1 else spec.shape[1]
    known = columns.get(spec.name)
    names = known or ((spec.name,) if width == 1 and spec.name in raw.arrays else ())
    if not names and len(signature.inputs) == 1:
        names = tuple(raw.arrays)
    absent = [name for name in names if name not in raw.arrays] if names else [spec.name]
    if absent:
        has = f"the table has {', '.join(raw.arrays)}"
        raise InputError(
            asked, f"no column {', '.join(map(repr, absent))}: {has}", "name the columns as the model does"
        )
    if width is not None and len(names) != width:
        todo = "give exactly the model's columns, in its order (a label is no input)"
        raise InputError(asked, f"{len(names)} columns ({', '.join(names)}), the model takes {spec}", todo)
    return names


def _finite(array: Array, asked: str, *, allow_nan: bool) -> Array:
    if array.dtype.kind != "f":
        return array
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if bad.any():
        first = [int(place) for place in np.argwhere(bad)[0]]
        kind = "NaN (an empty cell, in a table)" if np.isnan(array[tuple(first)]) else "infinite"
        todo = "leave those samples out or fill in their values"
        raise InputError(asked, f"{int(bad.sum())} of {array.size} values are not finite, first {first}: {kind}", todo)
    return array


def _counted(array: Array, spec: TensorSpec, asked: str, *, batched: bool) -> Array:
    """The array with its samples counted by the leading dimension, as :class:`Samples` holds them."""
    if array.ndim and not len(array):
        raise InputError(asked, "there are no samples", "give at least one")
    rows = len(spec.shape) > 0 and array.ndim == len(spec.shape)
    if rows and TensorSpec(spec.name, spec.dtype, (None, *spec.shape[1:])).fits(array.shape):
        size = spec.shape[0] or 1
        if len(array) % size:
            why = f"{len(array)} rows, the model takes {size} at once"
            raise InputError(asked, why, f"give a multiple of {size}")
        return np.ascontiguousarray(array if batched else array.reshape(-1, size, *array.shape[1:]))
    if array.ndim == len(spec.shape) + 1 and spec.fits(array.shape[1:]):
        return np.ascontiguousarray(array)
    todo = "give an array whose leading dimension counts the samples, the others as the model has them"
    raise InputError(asked, f"got shape {list(array.shape)}, the model takes {spec}", todo)
