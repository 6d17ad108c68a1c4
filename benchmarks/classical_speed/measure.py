"""One combination measured: sizes, labels, times as ratios to the peer's."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classical_speed.models import Combination, fitted
from classical_speed.sides import (
    ONNX,
    ORIGINAL,
    PEER,
    Side,
    make_files,
    many_rows,
    one_row,
)
from edgekit.bench.interleaved import Comparison, compare_callables


def measure(combination: Combination, seconds: float, compiled: Path) -> dict[str, Any]:
    """The results' row of a combination.

    Args:
        combination: the model and the data.
        seconds: for one row, for 1,000, and for 1,000 of ONNX files only.
        compiled: the folder that keeps compiled C.

    Raises:
        EdgekitError: data are missing, or a conversion fails.
    """
    trained = fitted(combination)
    with tempfile.TemporaryDirectory(prefix="edgekit-") as folder:
        files = make_files(combination, trained, Path(folder))
        single = one_row(trained, files)
        several = many_rows(combination, trained, files, compiled)
        one = compare_callables({name: side.call for name, side in single.items()}, max_seconds=seconds)
        rows = compare_callables({name: side.call for name, side in several.items()}, max_seconds=seconds)
        # By themselves these two take many more turns, and their ratio is told more closely.
        pair = compare_callables({name: several[name].call for name in (PEER, ONNX)}, max_seconds=seconds)
        labels = _labels(several)
    return {
        "name": combination.name,
        "data": combination.data,
        "model": combination.model,
        "kind": combination.kind,
        "library": combination.library,
        "bytes": dict(files.bytes),
        "notes": dict(files.notes),
        "one_row": _json(one),
        "rows": _json(rows),
        "rows_onnx": _json(pair),
        "labels_differ": labels,
        "absent": dict(files.absent),
    }


def _labels(sides: Mapping[str, Side]) -> dict[str, int]:
    """Of how many rows each side's label is not the original's."""
    wanted = sides[ORIGINAL].labels()
    return {name: int((side.labels() != wanted).sum()) for name, side in sides.items() if name != ORIGINAL}


def _json(run: Comparison) -> dict[str, Any]:
    medians = {name: round(median / 1000, 3) for name, median in run.medians_ns.items()}
    ratios = {name: _rounded(ratio.to_json()) for name, ratio in run.ratios.items()}
    return {"microseconds": medians, "rounds": run.rounds, "null": _rounded(run.null.to_json()), "ratios": ratios}


def _rounded(ratio: Mapping[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in ratio.items()}
