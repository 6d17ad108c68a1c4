"""What a comparison found: a result, not a boolean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgekit.metrics.loss import MetricLoss
from edgekit.verify.speed import Speed
from edgekit.verify.tolerance import NO_BOUND_DB, Tolerance

# JSON has no infinity: an output identical to its reference has sqnr_db null and "identical" true.


@dataclass(frozen=True)
class OutputVerdict:
    """One output beside its reference, over all samples.

    Attributes:
        passed: whether every bound of the tolerance was kept and nothing fatal was found.
        sqnr_db: signal over noise in dB; ``inf`` where identical, ``None`` for labels (integers, strings).
        cosine: cosine of the angle between output and reference, -1 to 1; ``None`` for labels.
        max_abs_error: largest absolute error, in the output's own unit.
        mean_abs_error: mean absolute error, in the output's own unit.
        max_abs_error_relative: the largest absolute error over the reference's range (largest minus smallest).
        label_agreement: share of samples with the reference's label; ``None`` where the output has no labels.
        near_ties: samples whose two best reference scores are closer than the tolerance; not counted as disagreement.
        problems: what fails at any tolerance, or which bound was missed, one sentence each.
    """

    passed: bool
    sqnr_db: float | None = None
    cosine: float | None = None
    max_abs_error: float | None = None
    mean_abs_error: float | None = None
    max_abs_error_relative: float | None = None
    label_agreement: float | None = None
    near_ties: int = 0
    problems: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether every element equals the reference's."""
        labels_agree = self.sqnr_db is None and self.label_agreement == 1 and not self.max_abs_error
        return self.sqnr_db == math.inf or (labels_agree and not self.problems)

    def to_json(self) -> dict[str, Any]:
        """The verdict's object in a manifest."""
        return {
            "passed": self.passed,
            "identical": self.identical,
            "sqnr_db": _finite(self.sqnr_db),
            "cosine": _finite(self.cosine),
            "max_abs_error": _finite(self.max_abs_error),
            "mean_abs_error": _finite(self.mean_abs_error),
            "max_abs_error_relative": _finite(self.max_abs_error_relative),
            "label_agreement": self.label_agreement,
            "near_ties": self.near_ties,
            "problems": list(self.problems),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> OutputVerdict:
        """The verdict that :meth:`to_json` wrote."""
        known = dict(data)
        # Zeros have no cosine, integers have labels: what is neither is a float output.
        identical, plain = known.pop("identical"), known["label_agreement"] is None
        if identical and (known["cosine"] is not None or plain):
            known["sqnr_db"] = math.inf
        elif known["sqnr_db"] is None and known["max_abs_error"] and (plain or known["label_agreement"] == 1):
            # An error beside a reference of zeros; labels with an error do not all agree.
            known["sqnr_db"] = -math.inf
        return OutputVerdict(**{**known, "problems": tuple(known["problems"])})


@dataclass(frozen=True)
class Verdict:
    """Whether a model answers as its original does.

    Attributes:
        passed: ``True``, ``False``, or ``None`` when no runtime executed the model.
        executed_by: the runtime and its version (``"onnxruntime 1.32.0"``), or ``None``.
        samples: how many samples were compared.
        synthetic_samples: the samples were random because none were given.
        tolerance: the bounds used.
        outputs: each output's verdict, by name.
        reason: why the model was not executed, where it was not.
        notes: what was noticed when it ran and is no error by itself: values that overflow half precision, by layer.
        metric: what it loses of the task's metric, where one was asked for.
        speed: of a quantized file that a device's runtime executed, beside float32.
    """

    passed: bool | None
    executed_by: str | None
    samples: int
    synthetic_samples: bool
    tolerance: Tolerance
    outputs: Mapping[str, OutputVerdict] = field(default_factory=dict)
    reason: str = ""
    notes: tuple[str, ...] = ()
    metric: MetricLoss | None = None
    speed: Speed | None = None

    @staticmethod
    def not_executed(reason: str, tolerance: Tolerance, *, synthetic_samples: bool = False) -> Verdict:
        """The verdict on a model that nothing here could run: unknown, and said so."""
        return Verdict(None, None, 0, synthetic_samples, tolerance, reason=reason)

    def __bool__(self) -> bool:
        """Only an executed model that kept its tolerance is true."""
        return self.passed is True

    @property
    def problems(self) -> tuple[str, ...]:
        """Every output's problems, with its name."""
        return tuple(f"{name}: {problem}" for name, one in self.outputs.items() for problem in one.problems)

    @property
    def findings(self) -> tuple[str, ...]:
        """The task's metric and the speed in words, where they were measured."""
        return tuple(str(one) for one in (self.metric, self.speed) if one is not None)

    @property
    def tolerance_that_passes(self) -> Tolerance | None:
        """The tightest tolerance that this model would have kept, rounded to the safe side; ``None`` if none does.

        None does where something is wrong at any tolerance, or where the error is larger than the signal.
        """
        measured = list(self.outputs.values())
        if self.passed is None or any("at any tolerance" in problem for problem in self.problems):
            return None
        sqnr = _worst(min, [one.sqnr_db for one in measured])
        if sqnr is not None and sqnr < 0:
            return None
        error = _worst(max, [one.max_abs_error_relative for one in measured])
        bound = None if sqnr is None or math.isinf(sqnr) else math.floor(sqnr * 10) / 10
        # Near-ties are fewer under a tighter bound, and nothing here knows which of them were agreements.
        tighter = bound is not None and bound > (
            NO_BOUND_DB if self.tolerance.sqnr_db is None else self.tolerance.sqnr_db
        )
        agreement = _worst(min, [one.label_agreement for one in measured if not (tighter and one.near_ties)])
        return Tolerance(
            sqnr_db=bound,
            label_agreement=None if agreement is None else math.floor(agreement * 1e4) / 1e4,
            max_abs_error_relative=None if error is None or not math.isfinite(error) else float(f"{error * 1.005:.2e}"),
        )

    def to_json(self) -> dict[str, Any]:
        """The verdict's object in a manifest; metrics of the whole are the worst output's."""
        measured = list(self.outputs.values())
        passing = self.tolerance_that_passes
        return {
            "passed": self.passed,
            "executed_by": self.executed_by,
            "reason": self.reason,
            "samples": self.samples,
            "synthetic_samples": self.synthetic_samples,
            "identical": bool(measured) and all(one.identical for one in measured),
            "sqnr_db": _finite(_worst(min, [one.sqnr_db for one in measured])),
            "cosine": _finite(_worst(min, [one.cosine for one in measured])),
            "max_abs_error": _finite(_worst(max, [one.max_abs_error for one in measured])),
            "max_abs_error_relative": _finite(_worst(max, [one.max_abs_error_relative for one in measured])),
            "label_agreement": _worst(min, [one.label_agreement for one in measured]),
            "near_ties": sum(one.near_ties for one in measured),
            "tolerance": self.tolerance.to_json(),
            "tolerance_that_passes": passing.to_json() if passing else None,
            "outputs": {name: one.to_json() for name, one in self.outputs.items()},
            "notes": list(self.notes),
            "metric": self.metric.to_json() if self.metric else None,
            "speed": self.speed.to_json() if self.speed else None,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Verdict:
        """The verdict that :meth:`to_json` wrote."""
        return Verdict(
            passed=data["passed"],
            executed_by=data["executed_by"],
            samples=data["samples"],
            synthetic_samples=data["synthetic_samples"],
            tolerance=Tolerance(**data["tolerance"]),
            outputs={name: OutputVerdict.from_json(one) for name, one in data["outputs"].items()},
            reason=data["reason"],
            notes=tuple(data.get("notes", ())),  # absent from what 0.1.0 wrote before it had them
            metric=MetricLoss.from_json(data["metric"]) if data.get("metric") else None,
            speed=Speed.from_json(data["speed"]) if data.get("speed") else None,
        )

    def __str__(self) -> str:
        """One line for people."""
        if self.passed is None:
            return f"not executed: {self.reason}"
        word = "passed" if self.passed else "FAILED"
        sqnr = _worst(min, [one.sqnr_db for one in self.outputs.values()])
        distance = "" if sqnr is None else ", identical" if math.isinf(sqnr) else f", {sqnr:.1f} dB"
        return f"{word} on {self.samples} samples by {self.executed_by}{distance}"


def _worst(choose: object, values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return choose(given) if given else None  # type: ignore[operator]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
