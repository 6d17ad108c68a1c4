"""How sure a difference of two models on the same samples is.

Of shares of right answers: the score interval of T. Tango (Equivalence test and confidence interval for the difference
in proportions for the paired-sample design, Statistics in Medicine 17, 1998, 891-908), which has a width also where the
two models never disagree, and McNemar's exact test. Of all else: a paired percentile bootstrap (B. Efron, R.
Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13): samples are drawn with what both models make of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edgekit.signature import Array

# The normal quantile of a 95 % interval.
Z = 1.959963984540054
DRAWS = 2000
# Numbers of one bunch of draws.
_BUNCH = 1 << 22
_STEPS = 60


def tango(worse: int, better: int, count: int) -> tuple[float, float]:
    """The 95 % interval of the loss in the share of right answers, ``(worse - better) / count``.

    Args:
        worse: samples that only the original has right.
        better: samples that only the other has right.
        count: all samples.
    """
    return -_upper(better, worse, count), _upper(worse, better, count)


def _upper(worse: int, better: int, count: int) -> float:
    low, high = (worse - better) / count, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _score(worse, better, count, middle) > -Z:
            low = middle
        else:
            high = middle
    return high


def _score(worse: int, better: int, count: int, loss: float) -> float:
    """Tango's statistic: how many standard deviations the data lie above a true loss."""
    a = 2 * count
    b = -worse - better + (2 * count - worse + better) * loss
    c = -better * loss * (1 - loss)
    share = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    spread = math.sqrt(max(count * (2 * share + loss * (1 - loss)), 0.0))
    distance = worse - better - count * loss
    if spread == 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / spread


def mcnemar(worse: int, better: int) -> float:
    """How likely so uneven a split of the disagreements is where neither model is better: exact, two-sided."""
    several = worse + better
    if not several:
        return 1.0
    total = math.lgamma(several + 1) - several * math.log(2)
    tail = sum(
        math.exp(total - math.lgamma(k + 1) - math.lgamma(several - k + 1)) for k in range(min(worse, better) + 1)
    )
    return min(1.0, 2 * tail)


def bootstrap_of_means(original: Array, other: Array, statistic: Callable[[Array, Array], Array], seed: int) -> Array:
    """A statistic of the two means in each of 2,000 draws, shape [draws].

    Args:
        original: each sample's part, shape [samples].
        other: likewise, of the same samples.
        statistic: of the two models' means, each [draws].
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    both = np.stack([original, other]).astype(np.float64)
    count, found = both.shape[1], []
    at_once = max(1, _BUNCH // count)
    for start in range(0, DRAWS, at_once):
        drawn = rng.integers(0, count, (min(at_once, DRAWS - start), count))
        means = both[:, drawn].mean(axis=2)
        found.append(statistic(means[0], means[1]))
    return np.concatenate(found)


def bootstrap_of_whole(statistic: Callable[[Array], float | None], count: int, draws: int, seed: int) -> Array:
    """A statistic of drawn samples, shape [draws]; draws in which it is undefined are left out.

    Args:
        statistic: of the samples' places; ``None`` where it is undefined, as with one class alone.
        count: all samples.
        draws: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = [statistic(rng.integers(0, count, count)) for _ in range(draws)]
    return np.array([value for value in found if value is not None])


def interval(draws: Array) -> tuple[float, float]:
    """The middle 95 % of draws."""
    # Outwards to a draw: between infinite ones there is nothing to interpolate.
    return float(np.quantile(draws, 0.025, method="lower")), float(np.quantile(draws, 0.975, method="higher"))
