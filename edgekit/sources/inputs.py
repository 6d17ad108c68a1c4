"""From what a model says of its inputs, and what the user gives, to the inputs' specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.errors import InputError
from edgekit.signature import DTYPES, Array, Shape, TensorSpec, dtype_name
from edgekit.sources.base import LoadRequest


@dataclass(frozen=True)
class InputFacts:
    """What a model itself says of its inputs, by its own names.

    Attributes:
        names: in order.
        required: those that cannot be left out.
        shapes: where the model says them; ``None`` for a dynamic dimension.
        dtypes: where the model says them.
    """

    names: tuple[str, ...]
    required: frozenset[str]
    shapes: Mapping[str, Shape]
    dtypes: Mapping[str, str]


def renamed(own: Sequence[str], wanted: Sequence[str], side: str) -> tuple[str, ...]:
    """The user's names in place of the model's own: one an output; of the inputs, the optional last ones may be left.

    Raises:
        InputError: another number of names than there are inputs (or outputs).
    """
    if len(wanted) > len(own) or (wanted and side == "output" and len(wanted) < len(own)):
        raise InputError(
            f"--{side}-name {','.join(wanted)}",
            f"the model has {len(own)} {side}s: {', '.join(own)}",
            "give one name each",
        )
    return (*wanted, *own[len(wanted) :])


def resolve_inputs(facts: InputFacts, request: LoadRequest) -> tuple[TensorSpec, ...]:
    """Each input's name, dtype and shape: what the model says, else ``--input-shape``, else the samples.

    The batch dimension is 1, or dynamic where the user asks for it and the model does not forbid it.

    Raises:
        InputError: names that are not the model's, a required input of which nothing is known, or a contradiction.
    """
    names = renamed(facts.names, request.input_names, "input")
    own = dict(zip(names, facts.names, strict=True))
    example = _named_example(request, [name for name in names if own[name] in facts.required] or list(names))
    given = {*example, *request.shapes, *request.dtypes}
    unknown = sorted(given - set(names))
    if unknown:
        raise InputError(
            f"input {unknown[0]!r}", f"the model takes {', '.join(names)}", "use those names (or --input-name)"
        )
    used = [name for name in names if name in given or own[name] in facts.required]
    return tuple(_resolve(name, own[name], facts, request, example.get(name)) for name in used)


def _named_example(request: LoadRequest, names: Sequence[str]) -> Mapping[str, Array]:
    if request.table and len(names) == 1 and names[0] not in request.example:
        # One input that is no column: it takes the table's numbers as a matrix, a row a sample.
        return {names[0]: np.stack([np.asarray(column, np.float32) for column in request.example.values()], axis=1)}
    if set(request.example) != {""}:
        return request.example
    if len(names) != 1:
        raise InputError(
            "samples without names", f"the model takes {', '.join(names)}", "give an .npz with those names"
        )
    return {names[0]: request.example[""]}


def _resolve(name: str, own: str, facts: InputFacts, request: LoadRequest, example: Array | None) -> TensorSpec:
    declared, asked = facts.shapes.get(own), request.shapes.get(name)
    if declared is not None and asked is not None and not _compatible(declared, asked):
        raise InputError(
            f"--input-shape {name}={_text(asked)}",
            f"the model takes {_text(declared)}",
            "leave it off or give that shape",
        )
    shape = asked or _sampled_shape(declared, example)
    if shape is None:
        raise InputError(
            f"input {name!r}",
            "the model does not say its shape",
            f"give --samples, or --input-shape {name}=1,3,224,224",
        )
    stated, wanted = facts.dtypes.get(own), request.dtypes.get(name)
    if stated and wanted and stated != wanted:
        raise InputError(f"dtype {wanted} for input {name!r}", f"the model takes {stated}", "leave it off")
    dtype = stated or wanted or _sampled_dtype(example)
    if dtype not in DTYPES:
        raise InputError(f"input {name!r}", f"dtype {dtype} has no counterpart", f"use one of {', '.join(DTYPES)}")
    return TensorSpec(name, dtype, _with_batch(name, shape, declared, request))


def _compatible(declared: Shape, asked: Shape) -> bool:
    return len(declared) == len(asked) and all(
        a is None or b is None or a == b for a, b in zip(declared, asked, strict=True)
    )


def _sampled_shape(declared: Shape | None, example: Array | None) -> Shape | None:
    """A declared shape with its dynamic dimensions taken from the samples; without one, one sample's shape."""
    if declared is None:
        # The samples' leading dimension counts them; the model sees one at a time.
        return None if example is None else (1, *example.shape[1:])
    if all(size is not None for size in declared[1:]) or example is None or example.ndim != len(declared):
        return declared
    return (declared[0], *(want or got for want, got in zip(declared[1:], example.shape[1:], strict=True)))


def _sampled_dtype(example: Array | None) -> str:
    """The samples' dtype; float64 and float16 become float32, which is what models are trained in."""
    if example is None or example.dtype.kind == "f":
        return "float32"
    return dtype_name(example)


def _with_batch(name: str, shape: Shape, declared: Shape | None, request: LoadRequest) -> Shape:
    if not shape:
        return shape
    if "batch" in request.dynamic:
        if declared is not None and declared[0] is not None:
            raise InputError(
                "--dynamic batch",
                f"input {name!r} was exported with batch {declared[0]}",
                "export it with a dynamic batch",
            )
        shape = (None, *shape[1:])
    else:
        shape = (1 if shape[0] is None else shape[0], *shape[1:])
    if any(size is None for size in shape[1:]):
        raise InputError(
            f"input {name!r}",
            f"its shape {_text(shape)} leaves dimensions open",
            f"give --samples, or --input-shape {name}=… with every size",
        )
    return shape


def _text(shape: Shape) -> str:
    return ",".join("N" if size is None else str(size) for size in shape)
