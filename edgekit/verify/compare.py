"""The comparison of outputs with their reference, on numpy alone: it also runs on the device, for the self-test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from edgekit.signature import Array, dtype_name
from edgekit.verify.tolerance import NO_BOUND_DB, Tolerance
from edgekit.verify.verdict import OutputVerdict, Verdict

Outputs = Mapping[str, Array]

# Problems that no tolerance forgives carry these words; Verdict.tolerance_that_passes looks for them.
_FATAL = "fails at any tolerance"
_LARGEST = float(np.finfo(np.float32).max)
# Values that half precision cannot tell apart do not vary: a converted model may give one value for all of them.
_ALIKE = float(np.finfo(np.float16).eps)


def compare(
    reference: Sequence[Outputs],
    outputs: Sequence[Outputs],
    tolerance: Tolerance,
    *,
    executed_by: str,
    synthetic_samples: bool = False,
    samples: int | None = None,
    notes: tuple[str, ...] = (),
    decided_by: Mapping[str, str] = MappingProxyType({}),
) -> Verdict:
    """Compare a model's outputs with its original's, run by run.

    Args:
        reference: one dictionary of outputs a run, from the original.
        outputs: the same runs through the converted model, in the reference's names, dtypes and layout.
        tolerance: the bounds to keep.
        executed_by: the runtime and its version.
        synthetic_samples: whether the samples were random.
        samples: how many samples the runs hold, where a run holds several.
        notes: what was noticed when the converted model ran.
        decided_by: labels by name, with the output whose best score each names: where the reference's two best scores
            are a near-tie, another label is counted as one, not as wrong.

    Returns:
        A verdict with every output's metrics over all runs together.
    """
    verdicts = {
        name: _compare_output(
            [run[name] for run in reference],
            [run.get(name) for run in outputs],
            tolerance,
            [run[decided_by[name]] for run in reference] if name in decided_by else None,
        )
        for name in reference[0]
    }
    return Verdict(
        passed=all(verdict.passed for verdict in verdicts.values()),
        executed_by=executed_by,
        samples=len(reference) if samples is None else samples,
        synthetic_samples=synthetic_samples,
        tolerance=tolerance,
        outputs=verdicts,
        notes=notes,
    )


def _compare_output(
    reference: list[Array], outputs: list[Array | None], tolerance: Tolerance, scores: list[Array] | None
) -> OutputVerdict:
    got = [output for output in outputs if output is not None]
    if len(got) != len(reference):
        return OutputVerdict(passed=False, problems=(f"the output is missing: {_FATAL}",))
    for want, have in zip(reference, got, strict=True):
        if want.shape != have.shape:
            return OutputVerdict(
                passed=False, problems=(f"shape {list(have.shape)} instead of {list(want.shape)}: {_FATAL}",)
            )
        if dtype_name(want) != dtype_name(have):
            return OutputVerdict(
                passed=False, problems=(f"dtype {dtype_name(have)} instead of {dtype_name(want)}: {_FATAL}",)
            )
    if reference[0].dtype.kind == "f":
        return _compare_floats(reference, got, tolerance)
    return _compare_labels(reference, got, tolerance, scores)


def _compare_labels(
    reference: list[Array], outputs: list[Array], tolerance: Tolerance, scores: list[Array] | None
) -> OutputVerdict:
    """Integers, booleans and strings: equal or not, element by element, but for near-ties of the scores behind them."""
    want, have = _flat(reference), _flat(outputs)
    tie = np.zeros(want.shape, bool) if scores is None else _near_ties(scores, tolerance)
    if tie.shape != want.shape:
        tie = np.zeros(want.shape, bool)
    agreement = float(np.mean((want == have) | tie)) if want.size else 1.0
    near_ties = int(tie.sum())
    problems = _missed(tolerance, label_agreement=agreement, default_agreement=1.0)
    if want.dtype.kind in "OUSb":
        return OutputVerdict(passed=not problems, label_agreement=agreement, near_ties=near_ties, problems=problems)
    error = np.abs(want.astype(np.float64) - have.astype(np.float64))
    return OutputVerdict(
        passed=not problems,
        max_abs_error=float(error.max(initial=0.0)),
        mean_abs_error=float(error.mean()) if error.size else 0.0,
        max_abs_error_relative=_relative(float(error.max(initial=0.0)), want.astype(np.float64)),
        label_agreement=agreement,
        near_ties=near_ties,
        problems=problems,
    )


def _compare_floats(reference: list[Array], outputs: list[Array], tolerance: Tolerance) -> OutputVerdict:
    want, have = _flat(reference).astype(np.float64), _flat(outputs).astype(np.float64)
    fatal = _fatal(want, have, reference, outputs)
    if fatal:
        return OutputVerdict(passed=False, problems=fatal)
    # Where both are infinite alike, or both NaN, nothing departs.
    same = (want == have) | (np.isnan(want) & np.isnan(have))
    finite = np.isfinite(want)
    want, have = np.where(finite, want, 0.0), np.where(finite, np.where(same, np.where(finite, want, 0.0), have), 0.0)
    error = np.abs(want - have)
    largest = float(error.max(initial=0.0))
    sqnr = sqnr_db(want, error)
    agreement, near_ties = _label_agreement(reference, outputs, tolerance)
    relative = _relative(largest, want)
    problems = _missed(tolerance, sqnr_db=sqnr, label_agreement=agreement, max_abs_error_relative=relative)
    return OutputVerdict(
        passed=not problems,
        sqnr_db=sqnr,
        cosine=_cosine(want, have),
        max_abs_error=largest,
        mean_abs_error=float(error.mean()) if error.size else 0.0,
        max_abs_error_relative=relative,
        label_agreement=agreement,
        near_ties=near_ties,
        problems=problems,
    )


def _fatal(want: Array, have: Array, reference: list[Array], outputs: list[Array]) -> tuple[str, ...]:
    problems = []
    strange = ~np.isfinite(have) & ~((want == have) | (np.isnan(want) & np.isnan(have)))
    if strange.any():
        kind = "NaN" if np.isnan(have[strange]).any() else "Inf"
        problems.append(f"{kind} in {int(strange.sum())} of {have.size} elements: {_FATAL}")
    lost = ~np.isfinite(want) & np.isfinite(have)
    if lost.any():
        problems.append(f"{int(lost.sum())} elements are finite where the original's are not: {_FATAL}")
    if _constant(have) and not _nearly_constant(want):
        problems.append(f"every element is {have.flat[0]:.6g} where the original varies: {_FATAL}")
    elif _repeated(outputs) and not _repeated(reference, _ALIKE):
        problems.append(f"the same answer to every sample where the original's differ: {_FATAL}")
    return tuple(problems)


def _constant(values: Array) -> bool:
    return values.size > 1 and bool((values == values.flat[0]).all())


def _nearly_constant(values: Array) -> bool:
    if not values.size or not np.isfinite(values).all():
        return _constant(values)
    return float(values.max() - values.min()) <= _ALIKE * float(np.abs(values).max())


def _repeated(runs: list[Array], alike: float = 0.0) -> bool:
    """Whether every sample (a row, where runs hold rows) has the same answer, up to a share of its magnitude."""
    if len(runs) < 2 or len({run.shape[1:] for run in runs}) > 1:
        return False
    # Runs of several sizes hold rows of a dynamic batch; runs of one size hold a whole answer each.
    rows = np.concatenate(runs) if len({run.shape for run in runs}) > 1 else np.stack(runs)
    bound = alike * float(np.max(np.abs(rows), initial=0.0, where=np.isfinite(rows)))
    return bool(np.isclose(rows, rows[:1], rtol=0.0, atol=bound, equal_nan=True).all())


def sqnr_db(want: Array, error: Array) -> float:
    """The signal over the noise in dB: infinite without noise, minus infinity without a signal.

    Args:
        want: what was wanted, in float64.
        error: what it was missed by, of the same shape.
    """
    noise, signal = _norm(error), _norm(want)
    if noise == 0:
        return math.inf
    # A reference of zeros has no signal: any error at all is beyond measure.
    return 20 * (math.log10(signal) - math.log10(noise)) if signal > 0 else -math.inf


def _norm(values: Array) -> float:
    """The root of the sum of squares, without overflow or underflow of the squares."""
    peak = float(np.abs(values).max(initial=0.0))
    return peak * float(np.linalg.norm(values / peak)) if peak > 0 else 0.0


def _cosine(want: Array, have: Array) -> float | None:
    mine, theirs = _norm(want), _norm(have)
    if not (mine > 0 and theirs > 0):
        return None
    return float(np.clip(np.dot(want / mine, have / theirs), -1, 1))


def _relative(largest: float, want: Array) -> float | None:
    """An error as a share of the reference's range; of its magnitude where the reference is one value."""
    if not want.size:
        return None
    span = float(want.max() - want.min()) or float(np.abs(want).max())
    return largest / span if span > 0 else (0.0 if largest == 0 else None)


def _label_agreement(reference: list[Array], outputs: list[Array], tolerance: Tolerance) -> tuple[float | None, int]:
    """The share of rows whose best class is the reference's, and how many rows were near-ties.

    Outputs are scores where they have two dimensions and at least two columns.
    """
    if reference[0].ndim != 2 or reference[0].shape[1] < 2 or len({run.shape[1:] for run in reference}) > 1:
        return None, 0
    want = np.concatenate(reference).astype(np.float64)
    have = np.concatenate(outputs).astype(np.float64)
    if not want.shape[0]:
        return None, 0
    agree = want.argmax(axis=1) == have.argmax(axis=1)
    tie = _near_ties(reference, tolerance)
    return float(np.mean(agree | tie)), int(np.sum(tie))


def _near_ties(reference: list[Array], tolerance: Tolerance) -> Array:
    """The rows whose two best scores noise may exchange; of one score a row, those that it may carry across zero.

    A row is a near-tie where the reference's two best scores are closer than twice the noise that the tolerance allows
    (one score may fall by it while the other rises), or than float32 can tell apart.
    """
    want = np.concatenate(reference).astype(np.float64)
    level = float(np.sqrt(np.mean(np.square(want, where=np.isfinite(want), out=np.zeros_like(want)))))
    allowed = level * 10 ** (-(tolerance.sqnr_db if tolerance.sqnr_db is not None else NO_BOUND_DB) / 20)
    allowed = max(allowed, level * float(np.finfo(np.float32).eps))
    if want.ndim != 2 or want.shape[1] < 2:
        near: Array = np.abs(want.reshape(-1)) <= allowed
        return near
    # A row whose best scores are infinite alike is a tie; NaN is the comparison's to report.
    best_two = np.clip(np.sort(want, axis=1)[:, -2:], -_LARGEST, _LARGEST)
    near = best_two[:, 1] <= best_two[:, 0] + 2 * allowed
    return np.asarray(near)


def _missed(
    tolerance: Tolerance,
    *,
    sqnr_db: float | None = None,
    label_agreement: float | None = None,
    max_abs_error_relative: float | None = None,
    default_agreement: float | None = None,
) -> tuple[str, ...]:
    """One sentence for each bound that was not kept."""
    problems = []
    least = tolerance.label_agreement if tolerance.label_agreement is not None else default_agreement
    if sqnr_db is not None and tolerance.sqnr_db is not None and sqnr_db < tolerance.sqnr_db:
        problems.append(f"{sqnr_db:.1f} dB, the tolerance is {tolerance.sqnr_db:g} dB")
    if label_agreement is not None and least is not None and label_agreement < least:
        problems.append(f"{label_agreement:.2%} of labels agree, the tolerance is {least:.2%}")
    most = tolerance.max_abs_error_relative
    if most is not None and max_abs_error_relative is not None and max_abs_error_relative > most:
        problems.append(f"largest error {max_abs_error_relative:.3g} of the range, the tolerance is {most:g}")
    return tuple(problems)


def _flat(runs: list[Array]) -> Array:
    return np.concatenate([run.reshape(-1) for run in runs])
