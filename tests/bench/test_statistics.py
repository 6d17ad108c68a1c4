"""Figures, intervals and percentiles against published numbers and against scipy."""

import numpy as np
import pytest

from edgekit.bench.statistics import early_stopping_rank, estimate, figure, null, percentiles, ratio


@pytest.mark.parametrize(("calls", "discarded"), [(10461, 973), (79283, 7730), (90292, 8818)])
def test_published_mlperf_logs(calls: int, discarded: int) -> None:
    """MLPerf Mobile v5: the 90th percentile of so many queries."""
    assert early_stopping_rank(calls, 90) - 1 == discarded


@pytest.mark.parametrize(("percentile", "calls"), [(50, 11), (90, 64), (95, 130), (99, 662), (99.9, 6636)])
def test_the_fewest_calls_of_a_percentile(percentile: float, calls: int) -> None:
    assert early_stopping_rank(calls, percentile) == 1
    assert early_stopping_rank(calls - 1, percentile) == 0
    durations = np.arange(calls, dtype=float)
    assert percentile in [one.percentile for one in percentiles(durations)]
    assert percentile not in [one.percentile for one in percentiles(durations[1:])]


@pytest.mark.parametrize("percentile", [50, 90, 95, 99, 99.9])
def test_the_rank_is_the_binomials(percentile: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    for calls in (1, 12, 100, 128, 1024, 5000, 60_000):
        weights = stats.binom.cdf(np.arange(calls), calls, 1 - percentile / 100)
        expected = max(int((weights <= 0.01).sum()) - 1, 0)
        assert early_stopping_rank(calls, percentile) == expected, calls


def test_a_bound_is_the_slowest_call_that_is_left() -> None:
    (median, high, *_) = percentiles(np.random.default_rng(0).permutation(np.arange(1.0, 129.0)))
    assert (high.percentile, high.value, high.discarded) == (90, pytest.approx(115.3), 4)
    assert high.bound == 124  # 125 to 128 are slower
    assert median.value == 64.5


def test_one_slow_process_does_not_move_the_figure_but_widens_nothing_away() -> None:
    calls = [np.full(100, 10.0)] * 9 + [np.full(100, 30.0)]
    assert figure(calls) == 10
    found = estimate(calls)
    assert (found.value, found.low) == (10, 10)


def test_the_spread_between_processes_is_in_the_interval() -> None:
    rng = np.random.default_rng(1)
    alike = [rng.normal(100, 2, 500) for _ in range(10)]
    apart = [one * factor for one, factor in zip(alike, np.linspace(0.9, 1.1, 10), strict=True)]
    assert estimate(alike).relative_width < 0.005
    assert estimate(apart).relative_width > 0.03


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """100 measurements of ten processes each, which differ by 5 %: about 95 of the intervals hold the true median."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(100):
        found = estimate([np.exp(rng.normal(0, 0.02, 50)) * level for level in np.exp(rng.normal(0, 0.05, 10))])
        hits += found.low <= 1 <= found.high
    assert 85 <= hits <= 100


def test_ratios_paired_and_not() -> None:
    rng = np.random.default_rng(3)
    # Whatever slowed a process slowed both of its models.
    slow = np.linspace(1, 2, 10)
    first = [rng.normal(100, 1, 200) * level for level in slow]
    second = [rng.normal(80, 1, 200) * level for level in slow]
    paired, apart = ratio(second, first, paired=True), ratio(second, first, paired=False)
    assert paired.value == pytest.approx(0.8, abs=0.005)
    assert paired.high - paired.low < 0.01 < apart.high - apart.low


def test_a_measurement_against_itself() -> None:
    rng = np.random.default_rng(4)
    quiet = null([rng.normal(100, 1, 200) for _ in range(10)])
    assert quiet.low < 1 < quiet.high
    assert quiet.high < 1.01
    assert null([np.full(9, 100.0 + 30 * (index % 2)) for index in range(10)]).value == pytest.approx(1 / 1.3)
