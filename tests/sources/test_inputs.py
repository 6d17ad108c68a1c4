"""What a model says of its inputs beside what the user says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.signature import TensorSpec
from edgekit.sources.base import LoadRequest
from edgekit.sources.inputs import InputFacts, renamed, resolve_inputs

SILENT = InputFacts(("x", "mask"), frozenset({"x"}), {}, {})
TYPED = InputFacts(("x",), frozenset({"x"}), {"x": (None, 3, None)}, {"x": "int64"})


def resolve(facts: InputFacts, **said: Any) -> tuple[TensorSpec, ...]:
    return resolve_inputs(facts, LoadRequest("m", **said))


@pytest.mark.parametrize(
    ("facts", "said", "expected"),
    [
        (SILENT, {"shapes": {"x": (1, 4)}}, ["x: float32[1, 4]"]),
        (SILENT, {"shapes": {"x": (2, 4)}, "dtypes": {"x": "int32"}}, ["x: int32[2, 4]"]),
        (SILENT, {"example": {"x": np.zeros((9, 4))}}, ["x: float32[1, 4]"]),
        (SILENT, {"example": {"": np.zeros((9, 4), np.uint8)}}, ["x: uint8[1, 4]"]),
        (
            SILENT,
            {"example": {"x": np.zeros((9, 4)), "mask": np.ones((9, 2), bool)}},
            ["x: float32[1, 4]", "mask: bool[1, 2]"],
        ),
        (SILENT, {"example": {"x": np.zeros((9, 4))}, "dynamic": ("batch",)}, ["x: float32[N, 4]"]),
        (SILENT, {"example": {"y": np.zeros((9, 4))}, "input_names": ("y",)}, ["y: float32[1, 4]"]),
        (TYPED, {"example": {"x": np.zeros((9, 3, 7), np.int64)}}, ["x: int64[1, 3, 7]"]),
        (TYPED, {"shapes": {"x": (1, 3, 5)}}, ["x: int64[1, 3, 5]"]),
        (TYPED, {"shapes": {"x": (4, 3, 5)}, "dynamic": ("batch",)}, ["x: int64[N, 3, 5]"]),
        (
            InputFacts(("x",), frozenset({"x"}), {}, {}),
            {"example": {"a": np.zeros(9), "b": np.ones(9)}, "table": True},
            ["x: float32[1, 2]"],
        ),
    ],
)
def test_resolved(facts: InputFacts, said: dict[str, Any], expected: list[str]) -> None:
    assert [str(spec) for spec in resolve(facts, **said)] == expected


@pytest.mark.parametrize(
    ("facts", "said", "message"),
    [
        (SILENT, {}, "input 'x': the model does not say its shape; give --samples, or --input-shape x=1,3,224,224"),
        (SILENT, {"shapes": {"y": (1,)}}, "input 'y': the model takes x, mask; use those names (or --input-name)"),
        (
            SILENT,
            {"input_names": ("a", "b", "c")},
            "--input-name a,b,c: the model has 2 inputs: x, mask; give one name each",
        ),
        (
            TYPED,
            {},
            "input 'x': its shape 1,3,N leaves dimensions open; give --samples, or --input-shape x=… with every size",
        ),
        (
            TYPED,
            {"shapes": {"x": (1, 4, 5)}},
            "--input-shape x=1,4,5: the model takes N,3,N; leave it off or give that shape",
        ),
        (
            InputFacts(("a", "b"), frozenset({"a", "b"}), {}, {}),
            {"example": {"": np.zeros((2, 3))}},
            "samples without names: the model takes a, b; give an .npz with those names",
        ),
        (
            InputFacts(("x",), frozenset({"x"}), {"x": (1, 3)}, {}),
            {"dynamic": ("batch",)},
            "--dynamic batch: input 'x' was exported with batch 1; export it with a dynamic batch",
        ),
        (
            SILENT,
            {"example": {"x": np.zeros((2, 2), complex)}},
            "input 'x': dtype complex128 has no counterpart; use one of",
        ),
    ],
)
def test_refused(facts: InputFacts, said: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(facts, **said)
    assert str(caught.value).startswith(message)


def test_the_first_names_are_replaced_first() -> None:
    assert renamed(("a", "b", "c"), ("x",), "input") == ("x", "b", "c")


def test_an_output_left_unnamed_is_refused() -> None:
    with pytest.raises(InputError, match=r"--output-name x: the model has 3 outputs: a, b, c; give one name each"):
        renamed(("a", "b", "c"), ("x",), "output")
