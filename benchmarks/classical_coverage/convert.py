"""One estimator converted to every target, executed and compared."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from classical_coverage.fixtures import Fixture, estimators, fitted

TARGETS = ("onnx", "tflite", "coreml")


def outcome(name: str) -> dict[str, Any]:
    """``{"name", "kind", "targets": {target: "verified" | "failed" | "unsupported"}, "reason", "sqnr_db"}``."""
    try:
        fixture = fitted(estimators()[name])
    except Exception as error:  # noqa: BLE001 - the fixture's failure is the estimator's row
        why = f"the fixture could not be fitted: {type(error).__name__}: {error}"
        return {"name": name, "kind": "unknown", "targets": dict.fromkeys(TARGETS, "failed"), "reason": why[:300]}
    row: dict[str, Any] = {"name": name, "kind": fixture.kind, "targets": {}, "sqnr_db": {}}
    reasons: list[str] = []
    for target in TARGETS:
        status, reason, sqnr = _convert(fixture, target)
        row["targets"][target] = status
        row["sqnr_db"][target] = sqnr
        if reason:
            reasons.append(f"{target}: {reason}")
    return row | {"reason": "; ".join(reasons)}


def _convert(fixture: Fixture, target: str) -> tuple[str, str, float | None]:
    import edgekit
    from edgekit.errors import ConversionError, EdgekitError, InputError

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = edgekit.convert(
                fixture.estimator, to=target, samples=fixture.rows, output=Path(folder) / "model.edge"
            )
        except EdgekitError as error:
            return "unsupported" if isinstance(error, InputError) else "failed", error.why, None
    for failure in result.failed:
        if not result.artifacts:
            kind = "unsupported" if type(failure.error) is ConversionError else "failed"
            return kind, failure.error.why, None
    verdict = result.artifacts[0]["verdict"]
    sqnr = None if verdict["sqnr_db"] is None else round(verdict["sqnr_db"], 1)
    if verdict["passed"]:
        return "verified", "", sqnr
    return "failed", str(result.failed[0].error.why if result.failed else verdict["reason"]), sqnr
