"""Texts in files that hold none, and batches through files that take one row."""

import numpy as np
import pytest

from edgekit.bundle import Binding
from edgekit.errors import ExecutionError, InputError
from edgekit.runtime.codes import decode, encode
from edgekit.runtime.engine import Buffers, Engine
from edgekit.runtime.session import Session
from edgekit.signature import Array, Signature, TensorSpec

COLOURS, ANSWERS = ("red", "green", "ä"), ("no", "yes")


class OneRow(Engine):
    """Answers a row's code modulo two; takes one row."""

    name = "one row"
    signature = Signature((TensorSpec("colour", "int32", (1, 1)),), (TensorSpec("label", "int32", (1,)),))

    def run(self, inputs):
        assert inputs["colour"].shape == (1, 1)
        return {"label": np.abs(inputs["colour"][:, 0]) % 2}

    def buffers(self, shapes):
        given, answer = np.full((1, 1), 99, np.int32), np.zeros(1, np.int32)
        return Buffers({"colour": given}, {"label": answer}, lambda: np.copyto(answer, np.abs(given[:, 0]) % 2))


@pytest.fixture
def session() -> Session:
    signature = Signature((TensorSpec("Colour", "string", (None, 1)),), (TensorSpec("label", "string", (None,)),))
    taken = Binding("Colour", "colour", None, "int32", COLOURS)
    given = Binding("label", "label", None, "int32", ANSWERS)
    return Session(OneRow(), signature, (taken,), (given,))


def texts(*values: str) -> Array:
    return np.array(values, dtype=object)[:, None]


def test_texts_become_codes_and_labels_become_texts(session: Session) -> None:
    answers = session.run({"Colour": texts("red", "green", "ä", "unknown")})
    assert answers["label"].tolist() == ["no", "yes", "no", "yes"]
    assert answers["label"].dtype == object


def test_one_row_is_one_call(session: Session) -> None:
    assert session.run({"Colour": texts("green")})["label"].tolist() == ["yes"]


def test_no_rows_are_refused(session: Session) -> None:
    with pytest.raises(InputError, match="no rows"):
        session.run({"Colour": texts()})


def test_bound_texts(session: Session) -> None:
    bound = session.bind()
    for text, label in (("green", "yes"), ("ä", "no"), ("never seen", "yes")):
        bound.inputs["Colour"][0, 0] = text
        bound()
        assert bound.outputs["label"].tolist() == [label]


def test_several_rows_of_a_file_of_one_cannot_be_bound(session: Session) -> None:
    with pytest.raises(InputError, match="one row a call"):
        session.bind(batch=2)


def test_codes_and_back() -> None:
    values = np.array([["red", "ä"], ["blue", "green"]], dtype=object)
    codes = encode(values, COLOURS)
    assert codes.tolist() == [[0, 2], [-1, 1]]
    assert decode(codes[:1], COLOURS).tolist() == [["red", "ä"]]
    with pytest.raises(ExecutionError, match="outside 0 to 2"):
        decode(codes, COLOURS)
