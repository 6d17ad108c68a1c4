"""A manifest as the template shows it: every number already text, every bar already a share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit._report import numbers
from edgekit.bundle import Artifact, Binding, Manifest
from edgekit.preprocessing import Contract
from edgekit.signature import TensorSpec
from edgekit.verify import OutputVerdict, Tolerance, Verdict

# A verdict's word and the style's name for it. Nothing but an executed model that kept its tolerance is ever green.
STATES = {True: ("passed", "passed"), False: ("failed", "FAILED"), None: ("unknown", "not executed")}

_BOUNDS: dict[str, Callable[[float], str]] = {
    "sqnr_db": lambda value: f"≥{numbers.SPACE}{numbers.exact(value)}{numbers.SPACE}dB",
    "label_agreement": lambda value: f"≥{numbers.SPACE}{numbers.exact(value * 100)}{numbers.SPACE}%",
    "max_abs_error_relative": lambda value: f"≤{numbers.SPACE}{numbers.exact(value)}",
}


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: what it is of.
        text: its value; without a share, why there is no bar.
        share: its length, 0 to 100; ``None`` where there is nothing to draw.
        mark: where a line crosses it, 0 to 100.
        state: a style's name from :data:`STATES`.
    """

    label: str
    text: str
    share: float | None
    mark: float | None = None
    state: str = ""


@dataclass(frozen=True)
class Chart:
    """Bars from zero, and how to read them."""

    title: str
    note: str
    bars: tuple[Bar, ...]


def name_of(artifact: Artifact) -> str:
    """``onnx / float32``."""
    return f"{artifact.target} / {artifact.scheme}"


def summary(manifest: Manifest) -> dict[str, Any]:
    """The report in two sentences: how many model files are verified, and on what."""
    states = [artifact.verdict.passed for artifact in manifest.artifacts]
    passed, failed, unknown = (states.count(state) for state in (True, False, None))
    state = "failed" if failed else "unknown" if unknown or not states else "passed"
    counts = [(key, states.count(value), word) for value, (key, word) in STATES.items() if value in states]
    samples = manifest.samples
    return {
        "made": f"{_source(manifest)}, bundled {_when(manifest)} by edgekit {manifest.edgekit}",
        "state": state,
        "sentence": _sentence(len(states), passed, failed, unknown),
        "counts": counts,
        # What nothing executed was compared on nothing.
        "basis": _basis(samples["count"], samples["synthetic"], samples["origin"]) if passed or failed else "",
        "random": bool(samples["synthetic"] and (passed or failed)),
    }


def _sentence(total: int, passed: int, failed: int, unknown: int) -> str:
    if not total:
        return "The bundle holds no model file."
    if unknown == total:
        return "No model file was executed here: how far they are from the original is not known."
    first = failed or passed
    verb = "was" if first == 1 else "were"
    which = f"{first} of {total} model files {verb} executed here and"
    if failed:
        text = f"{which} failed: the answers are not the original's within the tolerance."
    elif passed == total:
        text = "Every model file was executed here and keeps its tolerance."
    else:
        text = f"{which} {'keeps its' if passed == 1 else 'keep their'} tolerance."
    if unknown:
        text += f" {unknown} {'was' if unknown == 1 else 'were'} not executed: nothing is known of the answers."
    return text


def _basis(count: int, synthetic: bool, origin: str | None) -> str:  # noqa: FBT001 - a fact, not a mode
    noun = "sample" if count == 1 else "samples"
    if synthetic:
        return f"Compared with the original on {count} {noun} ({origin or 'random'})."
    return f"Compared with the original on {count} {noun} from {origin or 'memory'}."


def artifact_row(artifact: Artifact) -> dict[str, Any]:
    """One row of the table of artifacts."""
    verdict = artifact.verdict
    state, word = STATES[verdict.passed]
    whole = verdict.to_json()
    return {
        "target": artifact.target,
        "scheme": artifact.scheme,
        "file": artifact.file,
        "state": state,
        "word": word,
        "executed_by": verdict.executed_by,
        "reason": verdict.reason,
        "problems": verdict.problems,
        "notes": (*verdict.findings, *verdict.notes),
        "sqnr": numbers.decibels(_least_sqnr(verdict)),
        "error": numbers.error(whole["max_abs_error"]),
        "relative": numbers.error(whole["max_abs_error_relative"]),
        "labels": numbers.percent(whole["label_agreement"]),
        "near_ties": whole["near_ties"],
        "samples": verdict.samples,
        "random": verdict.synthetic_samples,
        "size": numbers.size(artifact.bytes),
        "call": None if artifact.call_ms is None else numbers.duration(artifact.call_ms),
        "untimed": _untimed(artifact),
        "bounds": list(zip(_bounds(verdict.tolerance), _bounds(verdict.tolerance_that_passes), strict=True)),
        "hopeless": verdict.passed is False and verdict.tolerance_that_passes is None,
        "outputs": [_output_row(name, one) for name, one in verdict.outputs.items()],
        "sha256": artifact.sha256,
        "conversion": numbers.duration(1000 * artifact.convert_seconds),
        "versions": _listed(artifact.versions),
        "runtimes": _listed(artifact.runtimes),
    }


def _output_row(name: str, one: OutputVerdict) -> dict[str, Any]:
    state, word = STATES[one.passed]
    return {
        "name": name,
        "state": state,
        "word": word,
        "sqnr": numbers.decibels(one.sqnr_db),
        # Rounded down, as shares are: 1 is said of nothing less.
        "cosine": numbers.NONE if one.cosine is None else f"{math.floor(one.cosine * 1e8) / 1e8:.8f}",
        "error": numbers.error(one.max_abs_error),
        "mean": numbers.error(one.mean_abs_error),
        "relative": numbers.error(one.max_abs_error_relative),
        "labels": numbers.percent(one.label_agreement),
        "near_ties": one.near_ties,
        "problems": one.problems,
    }


def _least_sqnr(verdict: Verdict) -> float | None:
    return min((one.sqnr_db for one in verdict.outputs.values() if one.sqnr_db is not None), default=None)


def _bounds(tolerance: Tolerance | None) -> list[str | None]:
    """One cell a metric, in :data:`_BOUNDS`'s order; ``None`` where it is not bounded."""
    given = {} if tolerance is None else tolerance.to_json()
    return [text(given[name]) if name in given else None for name, text in _BOUNDS.items()]


def charts(manifest: Manifest) -> list[Chart]:
    """The charts that have something to compare."""
    artifacts = manifest.artifacts
    found = [
        _plain("Size", "Shorter is smaller.", [(one, float(one.bytes)) for one in artifacts], numbers.size),
        _plain(
            "One call",
            "Median on the machine that made the bundle, not on a device. Shorter is faster.",
            [(one, one.call_ms) for one in artifacts],
            numbers.duration,
        ),
        _sqnr(artifacts),
    ]
    return [chart for chart in found if chart is not None]


def _untimed(artifact: Artifact) -> str:
    """Why an artifact has no time: nothing ran it, or only an evaluator did, whose time says nothing of a device."""
    return "not executed" if artifact.verdict.passed is None else "not timed"


def _plain(
    title: str, note: str, values: Sequence[tuple[Artifact, float | None]], text: Callable[[float], str]
) -> Chart | None:
    measured = [value for _, value in values if value is not None]
    # One bar alone is as long as the chart whatever its value.
    if len(measured) < 2:
        return None
    longest = max(measured) or 1.0
    bars = [
        Bar(name_of(one), _untimed(one), None, state="unknown")
        if value is None
        else Bar(name_of(one), text(value), 100 * value / longest)
        for one, value in values
    ]
    return Chart(title, note, tuple(bars))


def _sqnr(artifacts: Sequence[Artifact]) -> Chart | None:
    values = {name_of(one): _least_sqnr(one.verdict) for one in artifacts}
    bounds = [one.verdict.tolerance.sqnr_db or 0.0 for one in artifacts]
    finite = [value for value in values.values() if value is not None and math.isfinite(value)]
    if all(value is None for value in values.values()):
        return None
    # Room beyond the longest, so that only what is identical fills the chart.
    longest = 1.1 * max([*finite, *bounds, 1.0])
    bars = []
    for one in artifacts:
        value, bound = values[name_of(one)], one.verdict.tolerance.sqnr_db
        mark = None if bound is None else 100 * bound / longest
        state = STATES[one.verdict.passed][0]
        share = None if value is None else 100.0 if math.isinf(value) else 100 * max(0.0, value) / longest
        text = "not executed" if state == "unknown" else "no SQNR" if value is None else numbers.decibels(value)
        bars.append(Bar(name_of(one), text, share, None if value is None else mark, state))
    return Chart(
        "Signal over noise (SQNR)",
        "Longer is closer to the original. The line is the least that the tolerance allows.",
        tuple(bars),
    )


def tensor_row(spec: TensorSpec) -> dict[str, str]:
    """An input or output of the signature."""
    return {"name": spec.name, "dtype": spec.dtype, "shape": _shape(spec)}


def _shape(spec: TensorSpec) -> str:
    return " × ".join("any" if size is None else str(size) for size in spec.shape) or "scalar"


def differences(manifest: Manifest) -> list[dict[str, str]]:
    """Where a model file's own names, dtypes or layouts are not the bundle's."""
    rows = []
    for artifact in manifest.artifacts:
        sides = (
            ("input", manifest.signature.inputs, artifact.inputs, artifact.signature.inputs),
            ("output", manifest.signature.outputs, artifact.outputs, artifact.signature.outputs),
        )
        for side, specs, bindings, natives in sides:
            mine, theirs = ({spec.name: spec for spec in group} for group in (specs, natives))
            for one in bindings:
                changed = _changes(one, mine[one.name], theirs[one.native])
                if changed:
                    rows.append({"artifact": name_of(artifact), "side": side, "name": one.name, "changes": changed})
    return rows


def _changes(binding: Binding, mine: TensorSpec, native: TensorSpec) -> str:
    changes = []
    if binding.native != binding.name:
        changes.append(f"named {binding.native}")
    if native.dtype != mine.dtype:
        changes.append(f"{native.dtype} instead of {mine.dtype}")
    if binding.quantization is not None:
        changes.append(str(binding.quantization))
    if binding.transpose is not None:
        changes.append(f"transposed, {_shape(native)}")
    return "; ".join(changes)


def preprocessing(manifest: Manifest) -> list[tuple[str, str]]:
    """The preprocessing contract, key by key in its own order; its labels stand apart."""
    order = [field.name for field in dataclasses.fields(Contract)]
    contract = manifest.preprocessing or {}
    keys = sorted(contract, key=lambda key: order.index(key) if key in order else len(order))
    shown = [key for key in keys if key not in {"labels", "schema"} and contract[key] not in (None, [])]
    return [(key, " × ".join(map(str, contract[key])) if key == "size" else _value(contract[key])) for key in shown]


def _value(value: Any) -> str:
    """A contract's value; one number where all channels have the same."""
    if isinstance(value, list | tuple) and value:
        same = len(value) > 2 and all(item == value[0] for item in value)
        return f"{_value(value[0])} in each channel" if same else ", ".join(map(_value, value))
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def facts(manifest: Manifest, size: int | None) -> list[tuple[str, str]]:
    """Where the bundle comes from."""
    source, samples = manifest.source, manifest.samples
    origin = samples["origin"] or ("random" if samples["synthetic"] else "of unknown origin")
    rows = [
        ("Made", f"{_when(manifest)} by edgekit {manifest.edgekit}"),
        ("Original", _source(manifest)),
        ("Original's SHA-256", source["sha256"] or "none: it was not a file"),
        ("Run with", _listed(source["versions"])),
        ("Samples", f"{samples['count']}, {origin}"),
        ("Recorded in the bundle", f"{samples['golden']} of them, for self-tests on a device"),
    ]
    if manifest.seed is not None:
        rows.append(("Seed", str(manifest.seed)))
    if size is not None:
        rows.append(("Bundle", numbers.size(size)))
    return rows


def _listed(versions: Any) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or numbers.NONE


def _source(manifest: Manifest) -> str:
    source = manifest.source
    return f"{source['framework']} model {source['file']}" if source["file"] else f"A live {source['framework']} model"


def _when(manifest: Manifest) -> str:
    return f"{manifest.created[:10]} {manifest.created[11:16]} UTC"
