"""The comparison: what fails at any tolerance, what the metrics are, what the verdict says of itself."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.verify import OutputVerdict, Tolerance, Verdict, compare

Array = np.ndarray[Any, Any]
NOTHING = Tolerance()


def verdict_of(want: Array, have: Array, tolerance: Tolerance = NOTHING) -> Verdict:
    return compare([{"y": want}], [{"y": have}], tolerance, executed_by="test 1.0")


def output_of(want: Array, have: Array, tolerance: Tolerance = NOTHING) -> OutputVerdict:
    return verdict_of(want, have, tolerance).outputs["y"]


def runs(*arrays: Array) -> list[Mapping[str, Array]]:
    return [{"y": array} for array in arrays]


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


# --- metrics, literal


def test_literal_metrics() -> None:
    one = output_of(f32(1, 2, 3, 4), f32(1, 2, 3, 4.5))
    # Signal 30, noise 0.25: 10 log10(120). The range is 3. The cosine is 32 / sqrt(30 · 34.25).
    assert one.sqnr_db == pytest.approx(20.791812460476248, abs=1e-12)
    assert one.cosine == pytest.approx(0.9982954, abs=1e-7)
    assert (one.max_abs_error, one.mean_abs_error) == (0.5, 0.125)
    assert one.max_abs_error_relative == pytest.approx(1 / 6)
    assert one.label_agreement is None


def test_identical_is_infinite_db_and_says_so_in_json() -> None:
    verdict = verdict_of(f32(1, 2), f32(1, 2), Tolerance(sqnr_db=200))
    assert verdict
    assert verdict.outputs["y"].sqnr_db == math.inf
    data = verdict.to_json()
    assert (data["sqnr_db"], data["identical"]) == (None, True)
    assert str(verdict) == "passed on 1 samples by test 1.0, identical"


def test_metrics_hold_over_all_runs_together() -> None:
    verdict = compare(runs(f32(1), f32(2), f32(3)), runs(f32(1), f32(2), f32(4)), NOTHING, executed_by="t")
    assert verdict.outputs["y"].sqnr_db == pytest.approx(10 * math.log10(14))
    assert verdict.samples == 3


def test_the_whole_is_the_worst_output() -> None:
    want = [{"a": f32(1, 2), "b": f32(1, 2)}]
    have = [{"a": f32(1, 2), "b": f32(1, 2.1)}]
    verdict = compare(want, have, Tolerance(sqnr_db=60), executed_by="t")
    assert not verdict
    assert verdict.outputs["a"].passed
    assert verdict.problems == ("b: 27.0 dB, the tolerance is 60 dB",)
    assert verdict.to_json()["sqnr_db"] == pytest.approx(26.9897, abs=1e-3)


# --- what no tolerance forgives


@pytest.mark.parametrize(
    ("want", "have", "words"),
    [
        (f32(1, 2, 3), f32(1, np.nan, 3), "NaN in 1 of 3 elements"),
        (f32(1, 2, 3), f32(1, np.inf, -np.inf), "Inf in 2 of 3 elements"),
        (f32(1, np.inf), f32(1, -np.inf), "Inf in 1 of 2 elements"),
        (f32(1, np.inf), f32(1, 3e38), "1 elements are finite where the original's are not"),
        (f32(1, np.nan), f32(1, 0), "1 elements are finite where the original's are not"),
        (f32(1, 2, 3), f32(2, 2, 2), "every element is 2 where the original varies"),
        (f32(1, 2, 3), f32(0, 0, 0), "every element is 0 where the original varies"),
        (f32(1, 2), f32(1, 2, 3), "shape [3] instead of [2]"),
        (np.zeros((2, 1), np.float32), np.zeros((1, 2), np.float32), "shape [1, 2] instead of [2, 1]"),
        (f32(1, 2), np.array([1, 2], np.float64), "dtype float64 instead of float32"),
        (f32(1, 2), np.array([1, 2], np.int32), "dtype int32 instead of float32"),
        (np.array([1, 2]), np.array([1, 2], np.int32), "dtype int32 instead of int64"),
    ],
)
def test_fails_at_any_tolerance(want: Array, have: Array, words: str) -> None:
    verdict = verdict_of(want, have, Tolerance(sqnr_db=0, label_agreement=0))
    assert verdict.passed is False
    assert any(problem == f"{words}: fails at any tolerance" for problem in verdict.outputs["y"].problems)
    assert verdict.tolerance_that_passes is None
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False))["tolerance_that_passes"] is None


def test_a_missing_output_fails() -> None:
    verdict = compare([{"y": f32(1), "z": f32(1)}], [{"y": f32(1)}], NOTHING, executed_by="t")
    assert verdict.problems == ("z: the output is missing: fails at any tolerance",)


def test_an_output_missing_from_one_run_fails() -> None:
    verdict = compare(runs(f32(1), f32(2)), [{"y": f32(1)}, {}], NOTHING, executed_by="t")
    assert verdict.passed is False


def test_the_same_answer_to_every_sample_fails() -> None:
    want, have = runs(f32(1, 2), f32(3, 1)), runs(f32(1, 2), f32(1, 2))
    assert "the same answer to every sample" in compare(want, have, NOTHING, executed_by="t").problems[0]


def test_the_same_answer_to_every_row_of_a_dynamic_batch_fails() -> None:
    rng = np.random.default_rng(0)
    want = runs(*(rng.standard_normal((n, 3)).astype("f4") for n in (1, 2, 5)))
    have = runs(*(np.tile(f32(1, 2, 3), (n, 1)) for n in (1, 2, 5)))
    assert "the same answer to every sample" in compare(want, have, NOTHING, executed_by="t").problems[0]


def test_the_same_answer_is_right_where_the_originals_is() -> None:
    assert compare(runs(f32(1, 2), f32(1, 2)), runs(f32(1, 2), f32(1, 2)), Tolerance(sqnr_db=90), executed_by="t")


def test_a_constant_is_right_where_the_original_varies_by_less_than_half_precision() -> None:
    saturated = f32(1.0, 0.9999998, 0.9999999)
    assert verdict_of(saturated, f32(1, 1, 1), Tolerance(sqnr_db=90))
    assert compare(runs(f32(1), f32(0.9999999)), runs(f32(1), f32(1)), Tolerance(sqnr_db=90), executed_by="t")


# --- edges


def test_what_is_infinite_or_nan_in_the_reference_too_does_not_depart() -> None:
    one = output_of(f32(-np.inf, np.nan, 1, 2), f32(-np.inf, np.nan, 1, 2.5))
    assert one.passed
    assert one.max_abs_error == 0.5
    assert one.sqnr_db == pytest.approx(10 * math.log10(5 / 0.25))


def test_scores_masked_with_infinity_still_have_labels() -> None:
    want = np.array([[-np.inf, 1, 3], [-np.inf, -np.inf, -np.inf]], np.float32)
    one = output_of(want, want.copy())
    assert (one.passed, one.label_agreement) == (True, 1.0)


def test_a_reference_of_zeros() -> None:
    assert output_of(f32(0, 0), f32(0, 0), Tolerance(sqnr_db=90)).identical
    verdict = verdict_of(f32(0, 0), f32(0, 1e-9))
    assert verdict.outputs["y"].sqnr_db == -math.inf
    assert verdict.tolerance_that_passes is None
    assert not verdict_of(f32(0, 0), f32(0, 1e-9), Tolerance(sqnr_db=0))


def test_scalars_and_empty_arrays() -> None:
    assert verdict_of(np.float32(3).reshape(()), np.float32(3).reshape(()), Tolerance(sqnr_db=90))
    empty = np.zeros((0, 4), np.float32)
    assert verdict_of(empty, empty, Tolerance(sqnr_db=90, label_agreement=1, max_abs_error_relative=0))
    assert verdict_of(np.zeros(0, np.int64), np.zeros(0, np.int64))


def test_double_precision_at_its_ends_neither_overflows_nor_vanishes() -> None:
    for scale in (1e-200, 1e200):
        one = output_of(np.array([1.0, 2.0]) * scale, np.array([1.0, 2.1]) * scale)
        assert one.sqnr_db == pytest.approx(10 * math.log10(500), abs=1e-6)


# --- labels


@pytest.mark.parametrize(
    ("want", "have", "agreement"),
    [
        (np.array([1, 2, 3]), np.array([1, 2, 4]), 2 / 3),
        (np.array([True, False]), np.array([True, True]), 0.5),
        (np.array(["cat", "dog"]), np.array(["cat", "dog"], object), 1.0),
        (np.array(["cat", "dog"]), np.array(["cat", "cow"]), 0.5),
        (np.array([0, 255], np.uint8), np.array([255, 255], np.uint8), 0.5),
    ],
)
def test_integers_booleans_and_strings_are_labels(want: Array, have: Array, agreement: float) -> None:
    one = output_of(want, have)
    assert one.label_agreement == pytest.approx(agreement)
    assert one.sqnr_db is None
    # Without a bound every label must agree; with one, as many as it says.
    assert one.passed is (agreement == 1)
    assert output_of(want, have, Tolerance(label_agreement=0.4)).passed


def test_integers_also_have_errors_and_do_not_wrap() -> None:
    one = output_of(np.array([0, 255], np.uint8), np.array([255, 255], np.uint8))
    assert (one.max_abs_error, one.mean_abs_error, one.max_abs_error_relative) == (255.0, 127.5, 1.0)


def test_label_agreement_of_scores() -> None:
    want = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]], np.float32)
    have = want.copy()
    have[0] = have[0, ::-1]
    one = output_of(want, have, Tolerance(label_agreement=0.8))
    assert (one.label_agreement, one.near_ties, one.passed) == (0.75, 0, False)
    assert one.problems == ("75.00% of labels agree, the tolerance is 80.00%",)


def test_near_ties_are_counted_and_not_held_against_the_model() -> None:
    want = np.array([[0.5, 0.50001], [0.0, 1.0]], np.float32)
    have = np.array([[0.50001, 0.5], [0.0, 1.0]], np.float32)
    one = output_of(want, have, Tolerance(sqnr_db=50, label_agreement=1))
    assert (one.label_agreement, one.near_ties, one.passed) == (1.0, 1, True)
    # At 140 dB that difference is no tie.
    assert output_of(want, have, Tolerance(sqnr_db=140)).label_agreement == 0.5


# --- invariants

finite = st.floats(-100, 100, width=32, allow_subnormal=False)
pairs = st.tuples(st.integers(1, 4), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.float32, shape, elements=finite), hnp.arrays(np.float32, shape, elements=finite)
    )
)


@given(pairs, st.integers(-20, 20))
def test_a_power_of_two_changes_no_ratio(pair: tuple[Array, Array], power: int) -> None:
    want, have = (array.astype(np.float64) for array in pair)
    plain, scaled = output_of(want, have), output_of(want * 2.0**power, have * 2.0**power)
    assert plain.passed == scaled.passed
    for metric in ("sqnr_db", "cosine", "max_abs_error_relative", "label_agreement"):
        mine, theirs = getattr(plain, metric), getattr(scaled, metric)
        assert (mine is None) == (theirs is None)
        assert mine is None or mine == pytest.approx(theirs, abs=1e-9)


@given(pairs, st.sampled_from([NOTHING, Tolerance(sqnr_db=90), Tolerance(sqnr_db=20, label_agreement=0.98)]))
def test_the_tolerance_that_passes_passes_and_is_tight(pair: tuple[Array, Array], tolerance: Tolerance) -> None:
    want, noise = pair
    have = want + noise / 200
    passing = verdict_of(want, have, tolerance).tolerance_that_passes
    assume(passing is not None)
    assert passing is not None
    again = verdict_of(want, have, passing)
    assert again, again.problems
    tighter = [dataclasses.replace(passing, sqnr_db=passing.sqnr_db + 0.2)] if passing.sqnr_db is not None else []
    if passing.max_abs_error_relative:
        tighter.append(dataclasses.replace(passing, max_abs_error_relative=passing.max_abs_error_relative * 0.98))
    for bounds in tighter:
        assert not verdict_of(want, have, bounds)


@given(pairs, st.booleans())
def test_a_verdict_survives_json(pair: tuple[Array, Array], labels: bool) -> None:
    want, have = (array.astype(np.int64) if labels else array for array in pair)
    verdict = verdict_of(want, have, Tolerance(sqnr_db=30))
    data = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
    again = Verdict.from_json(data)
    assert again.to_json() == data
    assert (again.passed, again.problems) == (verdict.passed, verdict.problems)
    assert again.tolerance_that_passes == verdict.tolerance_that_passes


def test_a_label_may_turn_where_its_scores_are_a_near_tie_and_nowhere_else() -> None:
    scores = np.array([[0.5, 0.5 + 1e-9], [0.9, 0.1], [0.2, 0.8]], np.float32)
    want = {"label": np.array([1, 0, 1]), "scores": scores}
    tolerance = Tolerance(sqnr_db=90)
    for label, passes in (([0, 0, 1], True), ([1, 1, 1], False)):
        have = {"label": np.array(label), "scores": scores}
        decided = compare([want], [have], tolerance, executed_by="test", decided_by={"label": "scores"})
        assert bool(decided) is passes
        assert decided.outputs["label"].near_ties == 1
        # Of a model whose labels have to agree everywhere, none is forgiven.
        assert not compare([want], [have], tolerance, executed_by="test").outputs["label"].passed


def test_one_score_is_a_near_tie_at_zero() -> None:
    scores = np.array([1e-9, -2.0, 3.0], np.float32)
    want = {"label": np.array(["b", "a", "b"], dtype=object), "scores": scores}
    have = {"label": np.array(["a", "a", "b"], dtype=object), "scores": scores}
    verdict = compare([want], [have], Tolerance(sqnr_db=90), executed_by="test", decided_by={"label": "scores"})
    assert verdict
    assert verdict.outputs["label"].near_ties == 1
    assert not compare([want], [have], Tolerance(sqnr_db=90), executed_by="test")


def test_not_executed_is_neither_passed_nor_failed() -> None:
    verdict = Verdict.not_executed("no Core ML runtime here (macOS only)", Tolerance(sqnr_db=90))
    assert not verdict
    assert verdict.passed is None
    assert str(verdict) == "not executed: no Core ML runtime here (macOS only)"
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert verdict.tolerance_that_passes is None
