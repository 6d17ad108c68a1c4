"""The exceptions: one line that says what was asked, why not, what next; and a code for the command line."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import errors
from edgekit.errors import BundleError, ConversionError, EdgekitError, InputError, MissingDependencyError

# Source: the design's exit codes.
CODES = {
    "EdgekitError": 4, "VerificationError": 1, "InputError": 2, "BundleError": 2, "MissingDependencyError": 3,
    "ConversionError": 4, "ExecutionError": 4, "StorageError": 4, "TransportError": 4, "UnsupportedError": 4,
}  # fmt: skip
KINDS = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, EdgekitError)]


def test_every_class_has_the_designs_exit_code() -> None:
    assert {kind.__name__: kind.exit_code for kind in KINDS} == CODES


def test_one_line_says_all_three() -> None:
    error = InputError("load net.pt2", "no such file", "check the path")
    assert str(error) == "load net.pt2: no such file; check the path"
    assert (error.asked, error.why, error.next_step) == ("load net.pt2", "no such file", "check the path")


def test_without_a_next_step() -> None:
    assert str(ConversionError("convert", "it crashed")) == "convert: it crashed"


def test_stops_and_lines_of_vendors_do_not_break_the_line() -> None:
    assert (
        str(InputError("load a\nb", "it says:\n  bad\tthings.", "try again."))
        == "load a b: it says: bad things; try again"
    )


@pytest.mark.parametrize("kind", KINDS)
@given(asked=st.text(), why=st.text(), next_step=st.text())
def test_json_both_ways(kind: type[EdgekitError], asked: str, why: str, next_step: str) -> None:
    error = kind(asked, why, next_step)
    again = EdgekitError.from_json(error.to_json())
    assert type(again) is kind
    assert again.args == error.args
    assert "\n" not in str(again)


@pytest.mark.parametrize("kind", KINDS)
def test_pickle_both_ways(kind: type[EdgekitError]) -> None:
    again = pickle.loads(pickle.dumps(kind("a", "b", "c")))
    assert type(again) is kind
    assert str(again) == "a: b; c"


def test_unknown_kind_from_another_version_is_a_conversion_error() -> None:
    data = {"kind": "QuantumError", "asked": "a", "why": "b", "next_step": ""}
    assert type(EdgekitError.from_json(data)) is ConversionError


def test_bad_bundle_is_bad_input() -> None:
    assert issubclass(BundleError, InputError)


def test_missing_package_names_its_extra() -> None:
    error = errors.missing("convert to onnx", "skl2onnx", "sklearn")
    assert isinstance(error, MissingDependencyError)
    assert str(error) == "convert to onnx: skl2onnx is not installed; run: pip install 'edgekit[sklearn]'"
