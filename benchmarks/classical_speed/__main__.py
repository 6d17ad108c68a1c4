"""How fast classical models are once converted, beside others and the original: ``python -m classical_speed``.

Run with ``benchmarks/`` on PYTHONPATH (``make bench-classical`` does). Writes benchmarks/results/classical-speed.json
and docs/classical-speed.md; exit code 1 where a limit is not kept.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fingerprint import fingerprint, processor, versions

from classical_speed.limits import AIM, LIMITS, aim, limits
from classical_speed.measure import measure
from classical_speed.models import MATRIX, ROWS, Combination
from classical_speed.page import short, write_page
from classical_speed.peers import find_peers
from edgekit.errors import EdgekitError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "classical-speed.json"
PAGE = ROOT / "docs" / "classical-speed.md"
WORK = ROOT / "build" / "classical-speed"
_PACKAGES = (
    *("scikit-learn", "xgboost", "xgboost-cpu", "lightgbm", "onnxruntime", "ai-edge-litert", "torch", "litert-torch"),
    *("skl2onnx", "onnxmltools", "tl2cgen", "treelite"),
)
# 1: the first.
_SCHEMA = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, count, write."""
    parser = argparse.ArgumentParser(prog="classical_speed", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", metavar="WORD", help="combinations with it in their name; no page")
    parser.add_argument("--seconds", type=float, default=5.0, help="timed, each of three times a combination (5)")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has done")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of what is done already")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    find_peers()
    folder = options.work / _fingerprint(options.seconds)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [one for one in MATRIX if options.only in one.name]
    rows = []
    for number, combination in enumerate(chosen, start=1):
        file = folder / f"{MATRIX.index(combination):02}.json"
        if options.fresh:
            file.unlink(missing_ok=True)
        try:
            rows.append(_row(combination, file, options.seconds, options.work / "compiled"))
        except EdgekitError as error:
            print(f"{combination.name}: {error}", file=sys.stderr)
            return error.exit_code
        print(f"{number} of {len(chosen)}: {short(rows[-1])}", flush=True)
    if len(rows) == len(MATRIX):
        _write(rows, options.seconds)
    return 0 if all(limit["kept"] for row in rows for limit in row["limits"].values()) else 1


def _row(combination: Combination, file: Path, seconds: float, compiled: Path) -> dict[str, Any]:
    """The row of a combination, taken from what an interrupted run has left where it is there."""
    if not file.exists():
        row = measure(combination, seconds, compiled)
        file.write_text(json.dumps(row), encoding="utf-8")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found | {"limits": limits(found), "aim": aim(found)}


def _write(rows: Sequence[Mapping[str, Any]], seconds: float) -> None:
    content = {
        "schema": _SCHEMA,
        "environment": {"processor": processor(), "system": platform.system(), "threads": 1, **versions(_PACKAGES)},
        "seconds": seconds,
        "rows": ROWS,
        "limits": LIMITS,
        "aim": AIM,
        "kept": all(limit["kept"] for row in rows for limit in row["limits"].values()),
        "combinations": rows,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(write_page(content), encoding="utf-8")


def _fingerprint(seconds: float) -> str:
    """What a row depends on: edgekit, the benchmark, the versions, how long it is measured."""
    folders = [ROOT / "edgekit" / name for name in ("bench", "classical", "convert", "runtime", "sources")]
    here = Path(__file__).parent
    own = [here / f"{name}.py" for name in ("measure", "models", "peers", "sides")]
    paths = [*folders, ROOT / "converters", here.parent / "benchmark_data", *own]
    return fingerprint(_PACKAGES, paths, seconds, processor())


if __name__ == "__main__":
    sys.exit(main())
