"""How far from its reference a model may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from edgekit.errors import InputError

# The noise that a near-tie may have where no bound says: a float32 model's.
NO_BOUND_DB = 120.0


@dataclass(frozen=True)
class Tolerance:
    """The bounds that a comparison must keep; ``None`` leaves a metric unbounded.

    Attributes:
        sqnr_db: least signal-to-quantization-noise ratio of every float output, in dB.
        label_agreement: least share, 0 to 1, of samples whose label is the reference's. Labels are integer and string
            outputs, and the best class of outputs that are scores (near-ties apart).
        max_abs_error_relative: largest absolute error of any element, as a share of the reference's range.
    """

    sqnr_db: float | None = None
    label_agreement: float | None = None
    max_abs_error_relative: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_json().items():
            if not value == value or value < 0 or (name == "label_agreement" and value > 1):  # noqa: PLR0124 - NaN
                raise InputError(
                    f"tolerance {name}={value}", "out of range", "dB and shares are not negative, shares ≤ 1"
                )

    def looser(self, other: Tolerance) -> Tolerance:
        """Metric by metric the looser of the two bounds (a route's and a scheme's).

        A metric that only one of them bounds keeps that bound.
        """
        return Tolerance(
            sqnr_db=_pick(min, self.sqnr_db, other.sqnr_db),
            label_agreement=_pick(min, self.label_agreement, other.label_agreement),
            max_abs_error_relative=_pick(max, self.max_abs_error_relative, other.max_abs_error_relative),
        )

    def replaced(self, bounds: Mapping[str, float]) -> Tolerance:
        """This tolerance with the user's own bounds in place of its own.

        Raises:
            InputError: a metric that does not exist.
        """
        unknown = sorted(set(bounds) - METRICS)
        if unknown:
            raise InputError(
                f"tolerance {unknown[0]!r}", "no such metric", f"bound one of {', '.join(sorted(METRICS))}"
            )
        return Tolerance(**{**self.to_json(), **bounds})

    def to_json(self) -> dict[str, float]:
        """``{metric: bound}``, bounded metrics only."""
        return {name: value for name in METRICS_IN_ORDER if (value := getattr(self, name)) is not None}


METRICS_IN_ORDER = tuple(field.name for field in fields(Tolerance))
METRICS = set(METRICS_IN_ORDER)


def parse_tolerance(text: str) -> dict[str, float]:
    """``"sqnr_db=60,label_agreement=0.99"`` as ``{metric: bound}``.

    Raises:
        InputError: not of that form, or an unknown metric.
    """
    bounds: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        try:
            bounds[name.strip()] = float(value)
        except ValueError as error:
            wanted = f"give METRIC=NUMBER, comma-separated; metrics: {', '.join(METRICS_IN_ORDER)}"
            raise InputError(
                f"--tolerance {text!r}", f"{part!r} is not a bound" if equals else "no '='", wanted
            ) from error
    Tolerance().replaced(bounds)
    return bounds


def _pick(choose: object, mine: float | None, theirs: float | None) -> float | None:
    given = [bound for bound in (mine, theirs) if bound is not None]
    return choose(given) if given else None  # type: ignore[operator]
