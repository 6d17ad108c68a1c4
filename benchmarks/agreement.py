"""Whether the figures are those of the runtimes' own tools: the same files, in turn, in fresh processes.

ONNX Runtime's is ``onnxruntime.tools.onnxruntime_test`` (a mean, of 500 calls), LiteRT's is
``ai_edge_litert.tools.benchmark_litert_model`` (a median, of 500 calls); both are in the runtimes' wheels. MobileNetV2
1.0, 224, its weights seeded; ONNX Runtime with as many threads as it takes itself, LiteRT with one.

    python benchmarks/agreement.py [--rounds 10]

Writes ``benchmarks/results/agreement.json`` and prints a table; exit code 1 where the medians differ by over 3 %.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fingerprint import processor, versions
from fresh import ROOT, bench, mobilenet, python

from edgekit.bench.interleaved import estimate

RESULTS = ROOT / "benchmarks" / "results" / "agreement.json"
# The ratio of the medians may be so far from 1.
APART = 0.03
_CALLS = 500
_PACKAGES = ("onnxruntime", "ai-edge-litert", "numpy")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="agreement", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        bundle = mobilenet(Path(folder))
        found = [
            _compared(bundle, "onnx", _onnxruntime, (), options.rounds),
            _compared(bundle, "tflite", _litert, ("--threads", "1"), options.rounds),
        ]
    document = {
        "schema": 1,
        "environment": {"processor": processor(), **versions(_PACKAGES)},
        "limit": APART,
        "runtimes": found,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(one["kept"] for one in found) else 1


def _compared(
    bundle: Path, target: str, tool: Callable[[Path], float], settings: Sequence[str], rounds: int
) -> dict[str, Any]:
    """Both in turn, as often as is said."""
    ours, theirs, runtime, verdicts = list[float](), list[float](), "", list[str]()
    for _ in range(rounds):
        theirs.append(tool(bundle.with_suffix(f".{target}")))
        result = bench(bundle, target, *settings)
        ours.append(result["median_ns"]["value"])
        runtime = result["runtime"]
        verdicts.append(result["stability"]["verdict"])
    ratio = estimate(ours, theirs)
    kept = abs(ratio.value - 1) <= APART
    print(f"{runtime}: {ratio} x its own tool's, at most {APART:.0%} apart{'' if kept else ': NOT KEPT'}", flush=True)
    return {
        "runtime": runtime,
        "ratio": ratio.to_json(),
        "kept": kept,
        "stable": verdicts.count("stable"),
        "edgekit_ns": ours,
        "tool_ns": theirs,
    }


def _onnxruntime(model: Path) -> float:
    said = python(["-m", "onnxruntime.tools.onnxruntime_test", str(model), str(_CALLS)])
    found = re.search(r"avg latency: ([\d.]+) ms", said)
    if found is None:
        raise SystemExit(said)
    return float(found[1]) * 1e6


def _litert(model: Path) -> float:
    result = model.with_name("litert.json")
    tool = ["-m", "ai_edge_litert.tools.benchmark_litert_model", "--model", str(model), "--num_runs", str(_CALLS)]
    python([*tool, "--result_json", str(result)])
    return float(json.loads(result.read_text())["latency"]["median_ms"]) * 1e6


if __name__ == "__main__":
    sys.exit(main())
