"""Intervals of losses: published and closed forms, coverage by simulation, and what both models share."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from edgekit.metrics import MetricLoss, measured, metric_named
from edgekit.metrics.paired import Z, mcnemar, tango

counts = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 400)).map(
    lambda three: (three[0], three[1], three[0] + three[1] + three[2])
)


def test_tango_where_the_two_never_disagree() -> None:
    # The score interval of nothing in n: z^2 / (n + z^2).
    for count in (1, 30, 765):
        low, high = tango(0, 0, count)
        assert high == pytest.approx(Z**2 / (count + Z**2), rel=1e-9)
        assert low == -high


@given(counts)
def test_tango_holds_its_estimate_and_turns_with_the_models(three: tuple[int, int, int]) -> None:
    worse, better, count = three
    low, high = tango(worse, better, count)
    assert -1 <= low <= (worse - better) / count <= high <= 1
    other_low, other_high = tango(better, worse, count)
    assert (other_low, other_high) == pytest.approx((-high, -low))


def test_tango_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    worse_share, better_share, count = 0.03, 0.01, 400
    hits = 0
    for worse, better, _ in rng.multinomial(count, [worse_share, better_share, 0.96], 1500):
        low, high = tango(int(worse), int(better), count)
        hits += low <= worse_share - better_share <= high
    assert 0.93 < hits / 1500 < 0.975


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_scipys_binomial_test(worse: int, better: int) -> None:
    expected = stats.binomtest(worse, worse + better).pvalue if worse + better else 1.0
    assert mcnemar(worse, better) == pytest.approx(expected, rel=1e-9)


def runs(scores: np.ndarray) -> list[dict[str, np.ndarray]]:
    return [{"y": part} for part in np.split(scores, [1, 3, 20])]


def losses(name: str, seed: int = 0) -> MetricLoss:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, 600) if name in ("accuracy", "auc", "f1", "map", "top5") else rng.normal(size=600)
    if labels.dtype.kind == "i":
        original = np.eye(10)[labels] + rng.normal(size=(600, 10)) * 0.5
        converted = original + rng.normal(size=(600, 10)) * 0.2
    else:
        original = labels + rng.normal(size=600)
        converted = original + rng.normal(size=600) * 0.1
    metric = metric_named(name)
    return measured(metric, runs(original), runs(converted), labels, batched=True)


@pytest.mark.parametrize("name", ["accuracy", "top5", "auc", "f1", "map", "mse", "mae"])
def test_losses(name: str) -> None:
    loss = losses(name)
    assert loss == losses(name), "another seed each time"
    assert loss.low <= loss.loss <= loss.high
    assert loss.high - loss.low < 0.2
    assert loss.samples == 600
    assert loss.relative == (name in ("mse", "mae"))
    assert (loss.p_value is not None) == (name in ("accuracy", "top5"))
    if loss.relative:
        assert loss.loss == pytest.approx(loss.converted / loss.original - 1)
    else:
        assert loss.loss == pytest.approx(loss.original - loss.converted)
    assert MetricLoss.from_json(json.loads(json.dumps(loss.to_json()))) == loss
    assert name in str(loss)
    assert "600 samples" in str(loss)


def test_a_loss_in_words() -> None:
    loss = MetricLoss("accuracy", 0.912, 0.909, 0.003, -0.0011, 0.0071, False, 3000, 0.2, "")
    assert str(loss) == "accuracy 91.20 % → 90.90 % (-0.30 points, 95 % interval -0.71 to +0.11, 3,000 samples)"
    loss = MetricLoss("mse", 0.5, 0.51, 0.02, 0.01, 0.03, True, 10, None, "")
    assert str(loss) == "mse 0.5 → 0.51 (+2.00 %, 95 % interval +1.00 to +3.00, 10 samples)"


def test_the_same_answers_lose_nothing_within_what_so_few_can_tell() -> None:
    labels = np.arange(50) % 2
    scores = np.eye(2)[labels]
    loss = measured(metric_named("accuracy"), runs(scores), runs(scores), labels, batched=True)
    assert loss.loss == 0
    assert loss.high == pytest.approx(Z**2 / (50 + Z**2))
    same = measured(metric_named("mse"), runs(labels * 1.0), runs(labels * 1.0), labels, batched=True)
    assert (same.loss, same.low, same.high) == (0, 0, 0)


def test_an_error_from_nothing_is_no_number() -> None:
    labels = np.arange(50) * 1.0
    loss = measured(metric_named("mse"), runs(labels), runs(labels + 1), labels, batched=True)
    assert loss.loss == np.inf
    assert loss.to_json()["loss"] is None
    assert MetricLoss.from_json(loss.to_json()) == loss


def test_samples_that_are_whole_inputs() -> None:
    labels = np.arange(6) % 3
    each = [{"y": np.eye(3)[[label]]} for label in labels]
    assert measured(metric_named("accuracy"), each, each, labels, batched=False).original == 1
