"""The order in which candidates are tried: cheap ones first, repairs only where they could win."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from edgekit.quantize import SCHEMES
from edgekit.quantize.ranges import METHODS, TARGETS
from edgekit.tune.budget import Budget
from edgekit.tune.candidate import Candidate, Tried
from edgekit.tune.workshop import Workshop

# Speeds closer than this are one: the smaller file is taken, so that the same seed gives the same answer.
_ALIKE = 0.05


def search(shop: Workshop, target: str, budget: Budget, objective: str) -> Tried | None:
    """Try a target's schemes, repair those that would win if they kept the budget, and choose.

    A scheme is repaired by other ranges first, then by leaving layers in float32, those that cost most alone first: as
    few as keep the budget, found by doubling and halving.

    Args:
        shop: makes and measures.
        target: the format.
        budget: what may be lost.
        objective: ``speed`` or ``size``.

    Returns:
        The best quantized file that keeps the budget and is not slower than float32 (which only counts for ``speed``);
        ``None`` where none is.
    """
    shop.tried(Candidate(target, "float32"))
    plain = [Candidate(target, scheme) for scheme in shop.schemes(target) if scheme != "float32"]
    speeds = {one: shop.glimpsed(one) for one in plain} if objective == "speed" else {}
    tried: list[Tried] = []
    broken: list[Tried] = []

    def repair(rivalled: float) -> None:
        """Those that would be better than what is there, and than what is left."""
        for one in [one for one in broken if one.speedup > rivalled * (1 + _ALIKE)]:
            broken.remove(one)
            best = chosen(tried, budget, objective)
            if best is None or _better(one, best, objective):
                tried.extend(_repaired(shop, one, budget))

    # The fastest first: what is slower than the best so far takes a glance, and few samples.
    for candidate in sorted(plain, key=lambda one: -speeds.get(one, 0.0)):
        repair(speeds.get(candidate, float("inf")))
        tried.append(shop.tried(candidate, _to_beat(chosen(tried, budget, objective))))
        if _repairable(tried[-1], budget, objective):
            broken.append(tried[-1])
    broken.sort(key=lambda one: _rank(one, objective))
    repair(0.0)
    best = chosen(tried, budget, objective)
    if best is None or objective != "speed":
        return best
    # Each was timed at another moment: those that may be the fastest are timed once more, in one run.
    kept = _kept(tried, budget, objective)
    least = _to_beat(max(kept, key=lambda one: one.speedup))
    close = [one for one in kept if _upper(one) >= least]
    return chosen(shop.run_off(close), budget, objective) if len(close) > 1 else best


def _repairable(one: Tried, budget: Budget, objective: str) -> bool:
    lost = one.metric is not None and not budget.keeps(one.metric)
    return lost and may_win(one, objective) and SCHEMES[one.candidate.scheme].calibrated


def _repaired(shop: Workshop, broken: Tried, budget: Budget) -> list[Tried]:
    """Files of a scheme that keep the budget, or none."""
    methods = [broken]
    if broken.candidate.target in TARGETS:
        for ranges in METHODS[1:]:
            methods.append(shop.tried(replace(broken.candidate, ranges=ranges)))
            if budget.keeps(methods[-1].metric):
                return methods[-1:]
    least = min(methods, key=lambda tried: tried.loss)
    layers = shop.by_sensitivity(least.candidate)
    # With all of them in float nothing would be left of the scheme.
    most = len(layers) - 1
    kept, low, count = None, 0, 1
    while kept is None and low < most:
        tried = shop.tried(replace(least.candidate, skip=tuple(layers[:count])))
        if budget.keeps(tried.metric):
            kept = tried
        else:
            low, count = count, min(count * 2, most)
    if kept is None:
        return []
    while count - low > 1:
        middle = (low + count) // 2
        tried = shop.tried(replace(least.candidate, skip=tuple(layers[:middle])))
        kept, low, count = (tried, low, middle) if budget.keeps(tried.metric) else (kept, middle, count)
    return [kept]


def chosen(tried: Iterable[Tried], budget: Budget, objective: str) -> Tried | None:
    """The best of what keeps the budget; for speed, of what is not slower than float32."""
    kept = _kept(tried, budget, objective)
    if not kept:
        return None
    if objective == "speed":
        least = _to_beat(max(kept, key=lambda one: one.speedup))
        kept = [one for one in kept if one.speedup >= least]
    return min(kept, key=lambda one: (one.bytes, one.candidate.name))


def _kept(tried: Iterable[Tried], budget: Budget, objective: str) -> list[Tried]:
    """Those that may be chosen."""
    return [
        one
        for one in tried
        if one.verdict is not None
        and one.verdict.passed
        and budget.keeps(one.verdict.metric)
        and one.candidate.scheme != "float32"
        and may_win(one, objective)
    ]


def _upper(one: Tried) -> float:
    """The upper end of what its speed-up may be."""
    speed = one.verdict.speed if one.verdict is not None else None
    return speed.high if speed is not None else 0.0


def may_win(one: Tried, objective: str) -> bool:
    """Whether a file may be chosen: for speed none that is slower than float32."""
    speed = one.verdict.speed if one.verdict is not None else None
    return objective == "size" or speed is None or speed.word != "slower"


def _to_beat(best: Tried | None) -> float:
    """The speed-up below which a file loses, however small it is."""
    return best.speedup * (1 - _ALIKE) if best is not None else 0.0


def _rank(tried: Tried, objective: str) -> tuple[float, str]:
    return (-tried.speedup if objective == "speed" else float(tried.bytes), tried.candidate.name)


def _better(one: Tried, other: Tried, objective: str) -> bool:
    if objective == "size":
        return one.bytes < other.bytes
    return one.speedup > other.speedup * (1 + _ALIKE)


def frontier(tried: Sequence[Tried]) -> list[Tried]:
    """Those that nothing beats: no other loses as little, is as small and as fast, and better in one of them.

    What was not timed is compared with its like only.
    """

    def costs(one: Tried) -> tuple[float, ...]:
        loss = one.metric.loss if one.metric else float("inf")
        return (loss, float(one.bytes), one.call_ms if one.call_ms is not None else 0.0)

    measured = [one for one in tried if one.metric]
    return [
        one
        for one in measured
        if not any(
            (one.call_ms is None) == (other.call_ms is None)
            and costs(other) != costs(one)
            and all(a <= b for a, b in zip(costs(other), costs(one), strict=True))
            for other in measured
        )
    ]
