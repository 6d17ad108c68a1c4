"""What is asked of the measurements: which limits are kept, and how surely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classical_speed.sides import ONNX, ORIGINAL, TFLITE_A_ROW

# What each measured value may be at most; of `original_over_bound` at least.
LIMITS = {
    "one_row": 1.05,
    "onnx_rows": 1.05,
    "tflite_rows": 2.0,
    "original_over_bound": 200.0,
    "tflite_size": 1.2,
}
# No limit: what edgekit is after beyond them, the peer's time over that of edgekit's fastest file.
AIM = 2.0


def limits(row: Mapping[str, Any]) -> dict[str, Any]:
    """Of each limit that a combination has: what was measured, whether it is kept, and whether that is sure.

    Of ratios to the peer the 95 % interval's low end counts: what is above the limit for sure is not kept. Where the
    limit lies inside the interval it is kept, and not for sure.
    """
    one, sizes = row["one_row"]["ratios"], row["bytes"]
    found = {
        "one_row": one[ONNX],
        "onnx_rows": row["rows_onnx"]["ratios"][ONNX],
        "tflite_rows": row["rows"]["ratios"][best_tflite(row)],
    }
    kept = {
        name: {
            "value": ratio["value"],
            "kept": ratio["low"] <= LIMITS[name],
            "sure": not ratio["low"] <= LIMITS[name] < ratio["high"],
        }
        for name, ratio in found.items()
    }
    if row["kind"] == "forest":
        faster, size = one[ORIGINAL]["value"] / one[ONNX]["value"], sizes["tflite"] / sizes["onnx"]
        kept["original_over_bound"] = _plain(faster, kept=faster >= LIMITS["original_over_bound"])
        kept["tflite_size"] = _plain(size, kept=size < LIMITS["tflite_size"])
    return kept


def aim(row: Mapping[str, Any]) -> dict[str, Any]:
    """How much faster than the peer's file edgekit's fastest one is, for one row and for 1,000."""
    fastest = {
        rows: min(ratio["value"] for name, ratio in row[rows]["ratios"].items() if name.startswith(("ONNX", "TFLite")))
        for rows in ("one_row", "rows")
    }
    return {rows: {"value": float(f"{1 / best:.4g}"), "reached": 1 / best >= AIM} for rows, best in fastest.items()}


def best_tflite(row: Mapping[str, Any]) -> str:
    """The fastest of the TFLite files that take 1,000 rows a call."""
    ratios = row["rows"]["ratios"]
    files = [name for name in ratios if name.startswith("TFLite") and name != TFLITE_A_ROW]
    return min(files, key=lambda name: float(ratios[name]["value"]))


def _plain(value: float, *, kept: bool) -> dict[str, Any]:
    return {"value": float(f"{value:.4g}"), "kept": kept, "sure": True}
