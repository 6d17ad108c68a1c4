"""The names that formats can hold."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from edgekit.convert.options import legal_names
from edgekit.convert.registry import TARGETS
from edgekit.signature import Signature, TensorSpec


def signature(inputs: list[str], outputs: list[str]) -> Signature:
    return Signature(
        tuple(TensorSpec(name, "float32", (1,)) for name in inputs),
        tuple(TensorSpec(name, "float32", (1,)) for name in outputs),
    )


def test_plain_names_stay() -> None:
    for target in TARGETS:
        assert legal_names(signature(["x", "y"], ["z"]), target) == ({"x": "x", "y": "y"}, {"z": "z"})


def test_core_ml_takes_identifiers() -> None:
    inputs, outputs = legal_names(signature(["a.b", "a_b", "1x", "größe"], ["", "x y"]), "coreml")
    assert inputs == {"a.b": "a_b", "a_b": "a_b_1", "1x": "_1x", "größe": "gr__e"}
    assert outputs == {"": "_", "x y": "x_y"}


def test_a_state_that_comes_back_gets_a_name_of_its_own_where_the_format_has_one_space() -> None:
    both = signature(["x", "state"], ["y", "state"])
    assert legal_names(both, "tflite")[1] == {"y": "y", "state": "state"}
    assert legal_names(both, "onnx")[1] == {"y": "y", "state": "state_out"}
    # "state" is also a word of Core ML's own language.
    assert legal_names(both, "coreml") == ({"x": "x", "state": "state_"}, {"y": "y", "state": "state__out"})
    taken = signature(["state", "state_out"], ["state"])
    assert legal_names(taken, "onnx")[1] == {"state": "state_out2"}


names = st.lists(
    st.text(max_size=4) | st.sampled_from(["a.b", "a_b", "a_b_1", "a_b_out", "1", "_1"]),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(names, names)
def test_names_are_legal_and_never_collide(inputs: list[str], outputs: list[str]) -> None:
    for target in TARGETS:
        given_names, answers = legal_names(signature(inputs, outputs), target)
        assert list(given_names) == inputs
        assert list(answers) == outputs
        chosen = [*given_names.values(), *answers.values()]
        if target != "tflite":
            assert len(set(chosen)) == len(chosen)
        if target == "coreml":
            assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in chosen)
        if target == "onnx":
            assert "" not in chosen


def test_a_word_of_core_mls_own_language_is_not_a_name() -> None:
    signature = Signature((TensorSpec("state", "float32", (1, 2)),), (TensorSpec("tensor", "float32", (1, 2)),))
    assert legal_names(signature, "coreml") == ({"state": "state_"}, {"tensor": "tensor_"})
