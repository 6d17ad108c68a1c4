"""Bounds: checked when built, replaced by the user's, the looser of two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.verify import Tolerance
from edgekit.verify.tolerance import METRICS_IN_ORDER, parse_tolerance

bounds = st.builds(
    Tolerance,
    sqnr_db=st.none() | st.floats(0, 200),
    label_agreement=st.none() | st.floats(0, 1),
    max_abs_error_relative=st.none() | st.floats(0, 10),
)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sqnr_db": -1.0},
        {"label_agreement": 1.01},
        {"max_abs_error_relative": -1e-9},
        {"sqnr_db": float("nan")},
    ],
)
def test_a_bound_out_of_range_is_refused_when_built(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="out of range"):
        Tolerance(**wrong)


def test_the_looser_bound_is_the_lower_db_and_the_larger_error() -> None:
    route, scheme = Tolerance(sqnr_db=90, max_abs_error_relative=1e-4), Tolerance(sqnr_db=50, label_agreement=0.98)
    assert route.looser(scheme) == Tolerance(sqnr_db=50, label_agreement=0.98, max_abs_error_relative=1e-4)


@given(bounds, bounds)
def test_looser_does_not_depend_on_the_order(one: Tolerance, other: Tolerance) -> None:
    assert one.looser(other) == other.looser(one)
    assert one.looser(one) == one


@given(bounds)
def test_the_json_holds_bounded_metrics_only_and_builds_the_same(tolerance: Tolerance) -> None:
    data = tolerance.to_json()
    assert None not in data.values()
    assert Tolerance(**data) == tolerance


def test_the_users_bounds_replace_only_what_they_name() -> None:
    assert Tolerance(sqnr_db=90, label_agreement=1).replaced({"sqnr_db": 40}) == Tolerance(
        sqnr_db=40, label_agreement=1
    )


def test_an_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        Tolerance().replaced({"psnr": 40})
    assert str(caught.value) == (
        "tolerance 'psnr': no such metric; bound one of label_agreement, max_abs_error_relative, sqnr_db"
    )
    assert METRICS_IN_ORDER == ("sqnr_db", "label_agreement", "max_abs_error_relative")


def test_the_command_lines_form() -> None:
    assert parse_tolerance("sqnr_db=60, label_agreement=0.99") == {"sqnr_db": 60.0, "label_agreement": 0.99}


@pytest.mark.parametrize(
    "text", ["", "sqnr_db", "sqnr_db=", "sqnr_db=high", "psnr=3", "sqnr_db=-1", "sqnr_db=nan", "=4"]
)
def test_a_wrong_command_line_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_tolerance(text)
