"""What a model may lose, and how many labels it takes to know."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.metrics.loss import MetricLoss
from edgekit.metrics.metric import metric_named
from edgekit.metrics.paired import Z

OBJECTIVES = ("speed", "size")
_MOST = 0.5


@dataclass(frozen=True)
class Budget:
    """The most that may be lost of a metric.

    Attributes:
        metric: its name.
        drop: in points (0.005 is half a point) of metrics between 0 and 1, as a share of the original's error of
            ``mse`` and ``mae``. The upper end of the loss's 95 % interval must stay inside.
    """

    metric: str
    drop: float

    def keeps(self, loss: MetricLoss | None) -> bool:
        """Whether a loss is inside for sure."""
        return loss is not None and loss.high <= self.drop

    def require_labels(self, count: int) -> None:
        """Refuse labels too few for any answer.

        Args:
            count: how many samples are compared.

        Raises:
            InputError: names how many are needed.
        """
        if metric_named(self.metric).name not in ("accuracy", "top5"):
            return
        needed = math.ceil(Z**2 * (1 - self.drop) / self.drop)
        if count < needed:
            most = Z**2 / (count + Z**2)
            why = f"with {count} labelled samples even a file that never disagrees may lose {100 * most:.2f} points"
            raise InputError(str(self), why, f"give at least {needed}, beside those for ranges (--calibration)")

    def needed(self, loss: MetricLoss) -> int | None:
        """How many samples would about tell that a loss is inside, where what was measured itself is."""
        if loss.loss >= self.drop or loss.high <= self.drop:
            return None
        return math.ceil(loss.samples * ((loss.high - loss.loss) / (self.drop - loss.loss)) ** 2)

    def __str__(self) -> str:
        """``--max-drop 0.5% of accuracy``."""
        return f"--max-drop {100 * self.drop:g}% of {self.metric}"


def parse_drop(text: str) -> float:
    """``0.5%`` or ``0.005`` as 0.005.

    Raises:
        InputError: neither, or no budget.
    """
    wanted = "write 0.5% (half a point of a metric between 0 and 1, half a percent of an error)"
    try:
        drop = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError as error:
        raise InputError(f"--max-drop {text}", "it is no number", wanted) from error
    if not 0 < drop <= _MOST:
        raise InputError(f"--max-drop {text}", f"a budget lies above 0 and is at most {100 * _MOST:.0f}%", wanted)
    return drop
