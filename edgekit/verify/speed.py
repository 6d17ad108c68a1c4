"""A quantized file's calls beside those of the float32 file that it was made of, in turn in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.bench import compare_callables

# Slower or faster by less is no difference that anybody would notice.
_SMALLEST = 0.05
_SECONDS, _ROUNDS = 3.0, 12
_FLOAT32 = "float32"
# A second tells where the difference is plain.
_GLANCE, _PLAIN = 1.0, 1.25


@dataclass(frozen=True)
class Rival:
    """What a file would have to beat; one that plainly cannot is worth less time.

    Attributes:
        speedup: over float32, that a file must reach to win: one whose interval ends below cannot. 0 where any may.
        samples: at most, that a file is measured on which cannot win or is slower than float32.
    """

    speedup: float
    samples: int

    def outruns(self, speed: Speed) -> bool:
        """Whether a file of that speed cannot win."""
        return speed.word == "slower" or speed.high < self.speedup


@dataclass(frozen=True)
class Speed:
    """How many times as fast as float32 a file is, where it was made.

    Attributes:
        speedup: float32's time over this file's, of the medians; 2 is half the time.
        low: lower end of its 95 % interval.
        high: its upper end.
        word: ``faster`` or ``slower`` than float32, or ``tie``: the interval holds what this machine calls no
            difference, or the two are within 5 %.
        ms: the median of this file's calls in milliseconds.
        float32_ms: the same of the float32 file.
    """

    speedup: float
    low: float
    high: float
    word: str
    ms: float
    float32_ms: float

    def to_json(self) -> dict[str, Any]:
        """The speed as a JSON object."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Speed:
        """The speed that :meth:`to_json` wrote."""
        return Speed(**data)

    def __str__(self) -> str:
        """``0.62 x float32's speed here (95 % interval 0.60 to 0.65): 1.93 ms instead of 1.20 ms``."""
        between = f"95 % interval {self.low:.2f} to {self.high:.2f}"
        took = f"{self.ms:.3g} ms instead of {self.float32_ms:.3g} ms"
        return f"{self.speedup:.2f} x float32's speed here ({between}): {took}"


def beside(
    float32: Callable[[], object],
    quantized: Callable[[], object],
    seed: int = 0,
    *,
    enough: float = 0.0,
    glance: Speed | None = None,
) -> Speed:
    """Time two calls in turn, for a second where that tells, else for three.

    Args:
        float32: one call of the float32 file.
        quantized: one call of the other on the same input.
        seed: of the order of the calls and of the interval.
        enough: a speed-up that nobody asks about what is below.
        glance: what a second told before.
    """
    first = glance or _timed(float32, quantized, _GLANCE, seed)
    plain = first.word != "tie" and (first.low > _PLAIN or first.high < 1 / _PLAIN)
    return first if plain or first.high < enough else _timed(float32, quantized, _SECONDS, seed)


def glance(float32: Callable[[], object], quantized: Callable[[], object]) -> Speed:
    """Time two calls in turn for a second."""
    return _timed(float32, quantized, _GLANCE, 0)


def together(float32: Callable[[], object], several: Mapping[str, Callable[[], object]]) -> dict[str, Speed]:
    """Time the calls of several files in turn, so that their speeds can be told apart: a second and a half for each.

    Args:
        float32: one call of the float32 file.
        several: one call of each of the others, by any name, on the same input.
    """
    return _in_turn(float32, several, _SECONDS / 2 * (len(several) + 1), 0)


def _timed(float32: Callable[[], object], quantized: Callable[[], object], seconds: float, seed: int) -> Speed:
    return _in_turn(float32, {"quantized": quantized}, seconds, seed)["quantized"]


def _in_turn(
    float32: Callable[[], object], several: Mapping[str, Callable[[], object]], seconds: float, seed: int
) -> dict[str, Speed]:
    found = compare_callables(
        {_FLOAT32: float32, **several},
        min_rounds=_ROUNDS,
        max_seconds=seconds,
        smallest_difference=_SMALLEST,
        seed=seed,
    )
    medians, words = found.medians_ns, found.verdicts
    return {
        name: Speed(
            speedup=1 / ratio.value,
            low=1 / ratio.high,
            high=1 / ratio.low,
            word=words[name],
            ms=medians[name] / 1e6,
            float32_ms=medians[_FLOAT32] / 1e6,
        )
        for name, ratio in found.ratios.items()
    }
