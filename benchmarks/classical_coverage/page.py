"""The page ``docs/coverage.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from classical_coverage.convert import TARGETS

_INTRODUCTION = """\
<!-- Written by `make coverage-classical`; do not edit. -->
# Coverage of scikit-learn

Every estimator that `sklearn.utils.all_estimators()` lists, fitted on real data (Fisher's irises, 120 rows), converted
to each format, executed on the 30 rows that it was not fitted on, and compared with the original. *Verified* means that
floats agree within 90 dB and that labels agree on every row (of models other than trees: on every row where the two
best scores are further apart than that). TFLite was executed by LiteRT, ONNX by ONNX Runtime, Core ML by edgekit's
reference evaluator ([what that shows](coreml-reference.md)).

Counted are the estimators that have `predict` or `transform` for new rows of numbers and can be made without arguments.
"""
_NAMES = {"onnx": "ONNX", "tflite": "TFLite", "coreml": "Core ML"}
_MARKS = {"verified": "yes", "failed": "**failed**", "unsupported": "no"}


def shares(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """By target, how many were verified, of how many, and the share."""
    found = {}
    for target in TARGETS:
        verified = sum(row["targets"][target] == "verified" for row in rows)
        found[target] = {"verified": verified, "counted": len(rows), "share": verified / len(rows) if rows else 0.0}
    return found


def write_page(
    rows: Sequence[Mapping[str, Any]], outside: Mapping[str, str], goals: Mapping[str, float], versions: str
) -> str:
    """The whole page."""
    total = [
        f"| {_NAMES[target]} | {one['verified']} of {one['counted']} | {one['share']:.1%} | {goals[target]:.0%} |"
        for target, one in shares(rows).items()
    ]
    table = [
        f"| {row['name']} | {row['kind'].replace('_', ' ')} | "
        + " | ".join(_MARKS[row["targets"][target]] for target in TARGETS)
        + f" | {_text(row['reason'])} |"
        for row in rows
    ]
    lines = [
        _INTRODUCTION,
        "| format | verified | share | goal |",
        "|---|--:|--:|--:|",
        *total,
        "",
        f"Versions: {versions}.",
        "",
        "## Estimator by estimator",
        "",
        "| estimator | kind | ONNX | TFLite | Core ML | what is missing |",
        "|---|---|---|---|---|---|",
        *table,
        "",
        "## Not counted",
        "",
        *[f"- {name}: {why}." for name, why in outside.items()],
        "",
    ]
    return "\n".join(lines)


def _text(reason: str) -> str:
    return " ".join(reason.replace("|", "/").split())[:300]
