"""Interleaved timing: exact arithmetic under a clock that the test moves, and one coarse check under the real one."""

import gc
import itertools
import json
import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgekit.bench import compare_callables, null_ratio
from edgekit.bench.interleaved import estimate
from edgekit.errors import InputError


class World:
    """A clock that moves only when a function says so, and a record of who was called."""

    def __init__(self) -> None:
        self.now = 0
        self.calls: list[str] = []

    def clock(self) -> int:
        return self.now

    def takes(self, name: str, nanoseconds: Callable[[], float]) -> Callable[[], None]:
        def function() -> None:
            self.calls.append(name)
            self.now += round(nanoseconds())

        return function


def _compare(world: World, costs: dict[str, Callable[[], float]], **options: object):
    functions = {name: world.takes(name, cost) for name, cost in costs.items()}
    return compare_callables(functions, clock=world.clock, max_seconds=0, **options)  # type: ignore[arg-type]


def test_a_quiet_machine_gives_the_exact_ratio():
    world = World()
    found = _compare(world, {"a": lambda: 500_000, "b": lambda: 1_500_000})
    assert found.medians_ns == {"a": 500_000, "b": 1_500_000}
    assert (found.ratio.value, found.ratio.low, found.ratio.high) == (3, 3, 3)
    assert found.ratio.hodges_lehmann == pytest.approx(3)
    assert (found.null.value, found.null.low, found.null.high) == (1, 1, 1)
    assert found.verdict == "slower"
    assert found.loops == {"a": 2, "b": 1}
    assert (found.rounds, len(found.warmups_ns["b"])) == (30, 2)
    assert found.durations_ns["b"] == (1_500_000,) * 30


def test_faster_and_tie_are_told_apart_by_the_smallest_difference():
    found = _compare(World(), {"a": lambda: 2e6, "b": lambda: 1e6, "c": lambda: 1.99e6}, smallest_difference=0.01)
    assert found.verdicts == {"b": "faster", "c": "tie"}
    assert found.null_band == (1 / 1.01, 1.01)
    found = _compare(World(), {"a": lambda: 2e6, "c": lambda: 1.99e6}, smallest_difference=0.001)
    assert found.verdict == "faster"


def test_with_several_the_ratio_is_asked_for_by_name():
    found = _compare(World(), {"a": lambda: 1e6, "b": lambda: 2e6, "c": lambda: 3e6})
    assert {name: one.value for name, one in found.ratios.items()} == {"b": 2, "c": 3}
    with pytest.raises(InputError, match="several: b, c"):
        _ = found.ratio


def test_what_slows_the_whole_machine_leaves_the_ratio_alone():
    world = World()
    # The machine gets ten times as slow during the run; each round is slow or fast as a whole.
    slowness = lambda: 1 + world.now // 100_000_000  # noqa: E731
    found = _compare(world, {"a": lambda: 1e6 * slowness(), "b": lambda: 3e6 * slowness()}, min_rounds=100)
    assert max(found.durations_ns["a"]) >= 8 * min(found.durations_ns["a"])
    assert found.ratio.hodges_lehmann == pytest.approx(3, rel=0.05)
    assert found.ratio.value == pytest.approx(3, rel=0.1)
    assert found.verdict == "slower"


def test_noise_in_the_baseline_widens_the_band_until_a_difference_is_a_tie():
    noise = np.random.default_rng(0)
    costs = {"a": lambda: 1e6 * noise.lognormal(sigma=1), "b": lambda: 1.05e6 * noise.lognormal(sigma=1)}
    found = _compare(World(), costs)
    low, high = found.null_band
    assert low < 0.9 < 1.1 < high
    assert low == pytest.approx(1 / high)
    assert found.verdict == "tie"


def test_every_round_calls_all_in_an_order_that_the_seed_decides():
    def order(seed: int) -> list[str]:
        world = World()
        _compare(world, {"a": lambda: 1e6, "b": lambda: 1e6}, seed=seed, warmup_rounds=0)
        return world.calls[2:]  # the first two are the calibration's

    calls = order(0)
    rounds = [tuple(calls[start : start + 3]) for start in range(0, len(calls), 3)]
    assert len(rounds) == 30
    assert {tuple(sorted(one)) for one in rounds} == {("a", "a", "b")}  # the baseline and its twin
    assert set(rounds) == set(itertools.permutations("aab"))
    assert order(0) == calls
    assert order(1) != calls


def test_a_block_lasts_as_long_as_asked():
    found = _compare(World(), {"a": lambda: 100, "b": lambda: 3000}, min_block_seconds=0.001)
    assert found.loops == {"a": 16384, "b": 512}
    assert found.medians_ns == {"a": 100, "b": 3000}


def test_rounds_end_with_the_time_or_the_count():
    def rounds(**options: float) -> int:
        world = World()
        functions = {name: world.takes(name, lambda: 1e6) for name in "ab"}
        return compare_callables(functions, clock=world.clock, **options).rounds  # type: ignore[arg-type]

    assert rounds(max_seconds=0.06) == 30
    assert rounds(max_seconds=0.3) == 100  # three blocks of 1 ms a round
    assert rounds(max_seconds=100, max_rounds=50) == 50


def test_the_garbage_collector_is_off_in_a_block_and_back_afterwards():
    seen = []
    world = World()
    function = world.takes("a", lambda: seen.append(gc.isenabled()) or 1e6)
    assert gc.isenabled()
    compare_callables({"a": function, "b": function}, clock=world.clock, max_seconds=0)
    assert set(seen) == {False}
    assert gc.isenabled()

    def fails() -> None:
        raise OSError("device gone")

    with pytest.raises(OSError, match="device gone"):
        compare_callables({"a": fails, "b": fails})
    assert gc.isenabled()


def test_a_callable_against_itself():
    world = World()
    ratio = null_ratio(world.takes("a", lambda: 1e6), clock=world.clock, max_seconds=0)
    assert (ratio.value, ratio.low, ratio.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        ("a", {}, "1 given"),
        ("ab", {"min_rounds": 5}, "min_rounds is 5"),
        ("ab", {"min_rounds": 50, "max_rounds": 40}, "min_rounds is 50 and max_rounds 40"),
    ],
)
def test_what_cannot_be_compared_is_refused(names: str, options: dict[str, int], said: str):
    with pytest.raises(InputError, match=said):
        compare_callables({name: lambda: None for name in names}, **options)  # type: ignore[arg-type]


def test_a_clock_that_stands_still_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgekit.bench.interleaved._MOST_LOOPS", 1024)
    with pytest.raises(InputError, match="2048 calls of one callable take less than 1 ms"):
        compare_callables({"a": lambda: None, "b": lambda: None}, clock=lambda: 0)


def test_the_json_holds_every_duration_and_a_schema_number():
    found = _compare(World(), {"a": lambda: 1e6, "b": lambda: 2e6})
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (document["schema"], document["baseline"], document["rounds"]) == (1, "a", 30)
    assert document["durations_ns"] == {"a": [1e6] * 30, "b": [2e6] * 30}
    assert document["twin_ns"] == [1e6] * 30
    assert document["warmups_ns"] == {"a": [1e6] * 2, "b": [2e6] * 2}
    ratio = document["ratios"]["b"]
    assert ratio.pop("verdict") == "slower"
    assert ratio == pytest.approx({"value": 2, "low": 2, "high": 2, "hodges_lehmann": 2})
    assert document["null"]["band"] == [1 / 1.01, 1.01]


def test_the_interval_is_the_paired_percentile_bootstraps():
    noise = np.random.default_rng(1)
    shared = noise.lognormal(sigma=0.3, size=60)  # what slows both
    a, b = shared * noise.lognormal(sigma=0.05, size=60), 1.4 * shared * noise.lognormal(sigma=0.05, size=60)
    ours = estimate(b, a)
    theirs = stats.bootstrap(
        (b, a),
        lambda x, y, axis: np.median(x, axis=axis) / np.median(y, axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours.value == statistics.median(b) / statistics.median(a)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_the_second_estimate_is_hodges_and_lehmanns():
    a, b = [1.0, 2.0, 4.0, 3.0], [2.0, 3.0, 9.0, 7.0]
    logs = [math.log(y / x) for x, y in zip(a, b, strict=True)]
    pairs = [(one + two) / 2 for one, two in itertools.combinations_with_replacement(logs, 2)]
    assert estimate(b, a).hodges_lehmann == pytest.approx(math.exp(statistics.median(pairs)))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(1e3, 1e9)] * 2), min_size=10, max_size=40), st.floats(0.01, 100))
def test_a_ratio_knows_no_unit_and_turns_round(pairs: list[tuple[float, float]], unit: float):
    a, b = [one for one, _ in pairs], [two for _, two in pairs]
    ratio, turned = estimate(b, a), estimate(a, b)
    scaled = estimate([unit * one for one in b], [unit * one for one in a])
    assert ratio.low <= ratio.high
    assert (scaled.value, scaled.hodges_lehmann) == pytest.approx((ratio.value, ratio.hodges_lehmann))
    assert (turned.value, turned.hodges_lehmann) == pytest.approx((1 / ratio.value, 1 / ratio.hodges_lehmann))
    assert estimate(a, a).low == estimate(a, a).high == 1


def test_three_times_the_work_is_slower_on_the_real_clock():
    found = compare_callables(
        {"once": lambda: sum(range(10_000)), "thrice": lambda: sum(range(30_000))}, max_seconds=1, min_rounds=40
    )
    assert found.verdict == "slower"
    assert 2 < found.ratio.value < 4.5
    assert found.medians_ns["once"] > 1000
    assert "thrice: slower than once" in str(found)
