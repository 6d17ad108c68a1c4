"""What a model takes and gives: names, dtypes and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import InputError

Array = np.ndarray[Any, Any]
Shape = tuple["int | None", ...]

# The dtypes that a signature can speak of, by numpy's names; "string" stands for text of any length.
DTYPES = (
    "bool",
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "string",
)


def dtype_name(array: Array) -> str:
    """An array's dtype by its name in a signature."""
    return "string" if array.dtype.kind in "OUS" else array.dtype.name


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: its name.
        dtype: a name from :data:`DTYPES`.
        shape: ``None`` where a dimension is dynamic.
        decided_by: of a label, the output whose best score it names, where a near-tie of two scores may turn it; empty
            elsewhere.
    """

    name: str
    dtype: str
    shape: Shape
    decided_by: str = ""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(
                f"tensor {self.name!r}", f"unknown dtype {self.dtype!r}", f"use one of {', '.join(DTYPES)}"
            )

    def __str__(self) -> str:
        """For people: ``x: float32[N, 3, 224, 224]``."""
        return f"{self.name}: {self.dtype}[{', '.join('N' if n is None else str(n) for n in self.shape)}]"

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape can be given."""
        return len(shape) == len(self.shape) and all(
            want is None or want == got for want, got in zip(self.shape, shape, strict=True)
        )

    def to_json(self) -> dict[str, Any]:
        """``{"name", "dtype", "shape"}``, ``null`` for a dynamic dimension; ``"decided_by"`` where there is one."""
        decided = {"decided_by": self.decided_by} if self.decided_by else {}
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), **decided}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> TensorSpec:
        """The specification that :meth:`to_json` wrote."""
        return TensorSpec(str(data["name"]), str(data["dtype"]), tuple(data["shape"]), str(data.get("decided_by", "")))

    @staticmethod
    def of(name: str, array: Array) -> TensorSpec:
        """The specification of an array, every dimension fixed."""
        return TensorSpec(name, dtype_name(array), tuple(array.shape))


@dataclass(frozen=True)
class Signature:
    """A model's inputs and outputs, in order; names are unique on each side."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        for side, specs in (("input", self.inputs), ("output", self.outputs)):
            names = [spec.name for spec in specs]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InputError(f"signature with {side} {twice[0]!r}", "the name stands twice", f"rename one {side}")

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names, in order."""
        return tuple(spec.name for spec in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs' names, in order."""
        return tuple(spec.name for spec in self.outputs)

    @property
    def decided_by(self) -> dict[str, str]:
        """The labels among the outputs, each with the output whose near-ties may turn it."""
        return {spec.name: spec.decided_by for spec in self.outputs if spec.decided_by}

    def input(self, name: str) -> TensorSpec:
        """The input of that name."""
        return next(spec for spec in self.inputs if spec.name == name)

    def check(self, inputs: object) -> None:
        """Refuse inputs whose names, dtypes or shapes are not this signature's.

        Raises:
            InputError: says which input, what was given and what was wanted.
        """
        if not isinstance(inputs, Mapping):
            wanted = ", ".join(f"{name!r}: array" for name in self.input_names)
            raise InputError(f"inputs of type {type(inputs).__name__}", "they have no names", f"give {{{wanted}}}")
        if inputs.keys() != set(self.input_names):
            wanted, given = ", ".join(self.input_names), ", ".join(inputs) or "nothing"
            raise InputError(f"inputs {given}", f"the model takes {wanted}", "give exactly those names")
        for spec in self.inputs:
            array = inputs[spec.name]
            if not isinstance(array, np.ndarray):
                raise InputError(f"input {spec.name!r}", f"got {type(array).__name__}", f"give a numpy array: {spec}")
            actual = TensorSpec.of(spec.name, array)
            if actual.dtype != spec.dtype:
                raise InputError(
                    f"input {spec.name!r}",
                    f"got dtype {actual.dtype}, the model takes {spec.dtype}",
                    "convert it first",
                )
            if not array.dtype.isnative:
                raise InputError(
                    f"input {spec.name!r}",
                    f"its bytes are in another machine's order ({array.dtype.str})",
                    "convert it first",
                )
            if not spec.fits(array.shape):
                raise InputError(
                    f"input {spec.name!r}",
                    f"got shape {list(array.shape)}, the model takes {spec}",
                    "give an array of that shape",
                )

    def to_json(self) -> dict[str, Any]:
        """``{"inputs": […], "outputs": […]}``."""
        return {"inputs": [s.to_json() for s in self.inputs], "outputs": [s.to_json() for s in self.outputs]}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Signature:
        """The signature that :meth:`to_json` wrote."""
        return Signature(
            tuple(TensorSpec.from_json(s) for s in data["inputs"]),
            tuple(TensorSpec.from_json(s) for s in data["outputs"]),
        )
