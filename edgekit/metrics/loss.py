"""What a converted model loses of a metric, on the samples that both it and its original have answered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.errors import InputError
from edgekit.metrics.metric import Metric
from edgekit.metrics.paired import DRAWS, bootstrap_of_means, bootstrap_of_whole, interval, mcnemar, tango
from edgekit.signature import Array

# Each draw of a metric of the whole computes it twice; functions of the user's own may take long.
_WHOLE_DRAWS = 500
_FEWEST_DRAWS = 100
_BY_TANGO = "Tango's score interval, McNemar's exact test"


@dataclass(frozen=True)
class MetricLoss:
    """A metric of the original and of a converted model, and the difference with its 95 % interval.

    Attributes:
        metric: its name.
        original: of the original.
        converted: of the converted model.
        loss: how much worse the converted model is, negative where better: in points, or where ``relative`` as a share
            of the original's value.
        low: lower end of the loss's 95 % interval.
        high: its upper end.
        relative: whether the loss is a share of the original's value.
        samples: how many samples were answered.
        p_value: how likely so uneven a split of disagreements is by chance (McNemar); ``None`` for other metrics.
        method: where the interval comes from.
    """

    metric: str
    original: float
    converted: float
    loss: float
    low: float
    high: float
    relative: bool
    samples: int
    p_value: float | None
    method: str

    def to_json(self) -> dict[str, Any]:
        """The loss as a JSON object; what is not finite is null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> MetricLoss:
        """The loss that :meth:`to_json` wrote."""
        known: dict[str, Any] = dict(data)
        for name in ("loss", "low", "high"):
            known[name] = math.inf if known[name] is None else known[name]
        return MetricLoss(**known)

    def __str__(self) -> str:
        """``accuracy 91.20 % → 90.90 % (-0.30 points, 95 % interval -0.71 to +0.11, 3,000 samples)``."""
        if self.relative:
            values, unit, sign = f"{self.original:.4g} → {self.converted:.4g}", "%", 100
        else:
            values, unit, sign = f"{100 * self.original:.2f} % → {100 * self.converted:.2f} %", "points", -100
        low, high = sorted((self.low * sign, self.high * sign))
        change = f"{self.loss * sign + 0.0:+.2f} {unit}, 95 % interval {low:+.2f} to {high:+.2f}"
        return f"{self.metric} {values} ({change}, {self.samples:,} samples)"


def measured(
    metric: Metric,
    reference: Sequence[Mapping[str, Array]],
    outputs: Sequence[Mapping[str, Array]],
    labels: Array,
    *,
    batched: bool,
    seed: int = 0,
) -> MetricLoss:
    """Measure what is lost.

    Args:
        metric: which.
        reference: the original's outputs, run by run.
        outputs: the converted model's.
        labels: of all samples, in order.
        batched: whether a run holds a sample a row; else each run is one sample.
        seed: of the bootstrap.

    Raises:
        InputError: the labels do not fit the answers.
    """
    before, after = (metric.reads(joined(runs, batched=batched), labels) for runs in (reference, outputs))
    if metric.each is None:
        return _of_whole(metric, before, after, labels, seed)
    parts = [metric.each(answers, labels) for answers in (before, after)]
    original, converted = (float(part.mean()) for part in parts)
    if not metric.relative and all(np.isin(part, (0, 1)).all() for part in parts):
        worse, better = (int(np.sum(one > other)) for one, other in (parts, parts[::-1]))
        low, high = tango(worse, better, len(labels))
        loss = (worse - better) / len(labels)
        p_value = mcnemar(worse, better)
        return MetricLoss(
            metric.name, original, converted, loss, low, high, metric.relative, len(labels), p_value, _BY_TANGO
        )

    def lost(first: Any, second: Any) -> Any:
        return _lost(metric, first, second)

    loss = float(lost(original, converted))
    low, high = interval(bootstrap_of_means(parts[0], parts[1], lost, seed))
    method = f"paired bootstrap, {DRAWS} draws"
    return MetricLoss(metric.name, original, converted, loss, low, high, metric.relative, len(labels), None, method)


def require_fit(metric: Metric, runs: Sequence[Mapping[str, Array]], labels: Array, *, batched: bool) -> None:
    """Refuse labels that the metric cannot be computed by, before any work is done for it.

    Args:
        metric: which.
        runs: the original's outputs, run by run.
        labels: of all samples, in order.
        batched: whether a run holds a sample a row.

    Raises:
        InputError: the labels do not fit the answers.
    """
    metric.whole(metric.reads(joined(runs, batched=batched), labels), labels)


def joined(runs: Iterable[Mapping[str, Array]], *, batched: bool) -> dict[str, Array]:
    """The outputs of runs by name, the leading dimension counting the samples."""
    several = list(runs)
    found = {}
    for name in several[0]:
        arrays = [run[name] for run in several]
        if batched:
            found[name] = np.concatenate(arrays)
        else:
            stacked = np.stack(arrays)
            found[name] = stacked[:, 0] if stacked.ndim > 1 and stacked.shape[1] == 1 else stacked
    return found


def _of_whole(metric: Metric, before: Array, after: Array, labels: Array, seed: int) -> MetricLoss:
    original, converted = metric.whole(before, labels), metric.whole(after, labels)
    relative = metric.relative or not (0 <= original <= 1 and 0 <= converted <= 1)

    def lost(places: Array) -> float | None:
        try:
            both = [metric.whole(answers[places], labels[places]) for answers in (before, after)]
        except InputError:  # such as a draw of one class alone
            return None
        return float(_lost(metric, both[0], both[1], relative=relative))

    draws = bootstrap_of_whole(lost, len(labels), _WHOLE_DRAWS, seed)
    if len(draws) < _FEWEST_DRAWS:
        why = f"of {_WHOLE_DRAWS} draws of the {len(labels)} samples it is defined in {len(draws)}"
        raise InputError(f"measure {metric.name}", why, "give more samples of each class")
    low, high = interval(draws)
    loss = float(_lost(metric, original, converted, relative=relative))
    method = f"paired bootstrap, {len(draws)} draws"
    return MetricLoss(metric.name, original, converted, loss, low, high, relative, len(labels), None, method)


def _lost(metric: Metric, original: Any, converted: Any, *, relative: bool | None = None) -> Any:
    """How much worse, in points or as a share of the original's value."""
    loss = original - converted if metric.higher else converted - original
    if not (metric.relative if relative is None else relative):
        return loss
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.asarray(loss, np.float64) / np.abs(original)
    # Nothing was lost of nothing.
    return np.where(np.asarray(loss) == 0, 0.0, share)
