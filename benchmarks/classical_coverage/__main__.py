"""How much of scikit-learn converts to each format, verified: ``python -m classical_coverage``.

Run with ``benchmarks/`` on PYTHONPATH (``make coverage-classical`` does). Writes
benchmarks/results/classical-coverage.json and docs/coverage.md; exit code 1 where a goal is not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fingerprint import fingerprint, versions

from classical_coverage.convert import TARGETS, outcome
from classical_coverage.fixtures import estimators, left_out
from classical_coverage.page import shares, write_page

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "classical-coverage.json"
PAGE = ROOT / "docs" / "coverage.md"
WORK = ROOT / "build" / "classical-coverage"
# The share of the counted estimators that has to be verified.
GOALS = {"onnx": 0.90, "tflite": 0.85, "coreml": 0.85}
_PACKAGES = ("scikit-learn", "skl2onnx", "onnxruntime", "torch", "litert-torch", "ai-edge-litert", "coremltools")
# 1: the first.
_SCHEMA = 1
# A process takes this many estimators and makes way for a new one: the converters keep memory.
_BATCH = 12
_LIMIT = 1200


def main(argv: Sequence[str] | None = None) -> int:
    """Convert, count, write."""
    parser = argparse.ArgumentParser(prog="classical_coverage", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", help="only these estimators; nothing is written")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has done")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of what is done already")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        for name in options.names:
            print("\n" + json.dumps(outcome(name)), flush=True)
        return 0
    outside = {name: why for name, cls in estimators().items() if (why := left_out(cls))}
    if options.names:
        for row in _run(options.names, options.processes, None):
            print(json.dumps(row, indent=1))
        return 0
    folder = options.work / _fingerprint()
    if options.fresh and folder.exists():
        for file in folder.glob("*.json"):
            file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in estimators() if name not in outside]
    rows = _run(names, options.processes, folder)
    found = shares(rows)
    content = {
        "schema": _SCHEMA,
        "environment": versions(_PACKAGES),
        "goals": GOALS,
        "totals": found,
        "estimators": rows,
        "not_counted": outside,
    }
    RESULTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    listed = ", ".join(f"{package} {version}" for package, version in versions(_PACKAGES).items())
    PAGE.write_text(write_page(rows, outside, GOALS, listed), encoding="utf-8")
    for target in TARGETS:
        one = found[target]
        print(
            f"{target}: {one['verified']} of {one['counted']} verified, {one['share']:.1%} (goal {GOALS[target]:.0%})"
        )
    return 0 if all(found[target]["share"] >= GOALS[target] for target in TARGETS) else 1


def _run(names: Sequence[str], processes: int, folder: Path | None) -> list[dict[str, Any]]:
    """The outcome of every name, in order; those that an interrupted run has left are taken from ``folder``."""
    done = {name: row for name in names if (row := _kept(folder, name))}
    left = [name for name in names if name not in done]
    count = max(processes, -(-len(left) // _BATCH))
    batches = [batch for batch in (left[first::count] for first in range(count)) if batch]
    began = time.monotonic()
    with ThreadPoolExecutor(processes) as pool:
        for rows in pool.map(_child, batches):
            for row in rows:
                done[row["name"]] = row
                if folder is not None:
                    (folder / f"{row['name']}.json").write_text(json.dumps(row), encoding="utf-8")
            fresh = len(done) - (len(names) - len(left))
            rest = (time.monotonic() - began) / max(fresh, 1) * (len(names) - len(done))
            print(f"{len(done)} of {len(names)} estimators, {rest / 60:.0f} min left", file=sys.stderr)
    return [done[name] for name in names]


def _child(names: Sequence[str]) -> list[dict[str, Any]]:
    """A process of its own, so that what crashes takes nothing else with it; a crash is that estimator's failure."""
    rows: list[dict[str, Any]] = []
    while len(rows) < len(names):
        left = names[len(rows) :]
        command = [sys.executable, "-m", "classical_coverage", "--child", *left]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=_LIMIT)
            output, why = done.stdout, f"the process ended with code {done.returncode}: {done.stderr[-200:]}"
        except subprocess.TimeoutExpired as error:
            output, why = (error.stdout or b"").decode(), f"no answer within {_LIMIT} s"
        found = [json.loads(line) for line in output.splitlines() if line.startswith('{"name"')]
        rows += found
        if len(found) < len(left):
            targets = dict.fromkeys(TARGETS, "failed")
            rows.append({"name": left[len(found)], "kind": "unknown", "targets": targets, "reason": why})
    return rows


def _kept(folder: Path | None, name: str) -> dict[str, Any] | None:
    file = folder / f"{name}.json" if folder else None
    kept: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else None
    return kept


def _fingerprint() -> str:
    """What an outcome depends on: the rules, the routes, the fixtures, the versions."""
    folders = [ROOT / "edgekit" / name for name in ("classical", "convert", "sources", "verify", "coreml_reference")]
    return fingerprint(_PACKAGES, [*folders, ROOT / "converters", Path(__file__).parent])


if __name__ == "__main__":
    sys.exit(main())
