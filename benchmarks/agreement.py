"""Whether the figures are those of the runtimes' own tools: the same files, in turn, in fresh processes.

ONNX Runtime's is ``onnxruntime.tools.onnxruntime_test`` (a mean), LiteRT's is
``ai_edge_litert.tools.benchmark_litert_model`` (a median), of 100 calls each on one thread; both are in the runtimes'
wheels. MobileNetV2 1.0, 224, its weights seeded. The tools do not tell whether a neighbour was on the core meanwhile:
their runs count where fixed work was not slow before and after, by edgekit's own rule.

    python benchmarks/agreement.py [--rounds 10]

Writes ``benchmarks/results/agreement.json`` and prints a table; exit code 1 where the medians differ by over 3 %.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fingerprint import processor, versions
from fresh import ROOT, bench, mobilenet, python

from edgekit.bench.interleaved import estimate
from edgekit.bench.protocol import QUICK
from edgekit.bench.slices import quiet_ns
from edgekit.bench.yardstick import yardstick_ns

RESULTS = ROOT / "benchmarks" / "results" / "agreement.json"
# The ratio of the medians may be so far from 1.
APART = 0.03
_CALLS = 100
_GLANCES = 40
# A tool's run is repeated so often, until nothing slowed it.
_TRIES = 15
# The tool has no option for threads.
_ONE_THREAD = """
import onnxruntime, runpy
made = onnxruntime.SessionOptions
def one_thread():
    options = made()
    options.intra_op_num_threads = 1
    return options
onnxruntime.SessionOptions = one_thread
runpy.run_module("onnxruntime.tools.onnxruntime_test", run_name="__main__")
"""
_PACKAGES = ("onnxruntime", "ai-edge-litert", "numpy")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="agreement", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        bundle = mobilenet(Path(folder))
        found = [
            _compared(bundle, "onnx", _onnxruntime, ("--threads", "1"), options.rounds),
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
    """Both in turn, as often as is said; of each the runs that nothing disturbed."""
    ours, theirs, runtime, known = list[float](), list[float](), "", float("inf")
    for _ in range(rounds):
        result = bench(bundle, target, *settings)
        runtime, median, verdict = result["runtime"], result["median_ns"]["value"], result["stability"]["verdict"]
        known = min(known, *(quiet_ns(one["yardstick_ns"]) for one in result["processes"]))
        alone = _undisturbed(tool, bundle.with_suffix(f".{target}"), known * QUICK.slowed)
        told = "always disturbed" if alone is None else f"{alone / 1e6:.2f} ms"
        print(f"{target}: {median / 1e6:.2f} ms {verdict}, its own tool {told}", flush=True)
        if verdict == "stable" and alone is not None:
            ours.append(median)
            theirs.append(alone)
    if not ours:
        raise SystemExit(f"{target}: something disturbed every run: try again on a quieter machine")
    ratio = estimate(ours, theirs)
    kept = abs(ratio.value - 1) <= APART
    print(f"{runtime}: {ratio} x its own tool's, at most {APART:.0%} apart{'' if kept else ': NOT KEPT'}", flush=True)
    return {
        "runtime": runtime,
        "ratio": ratio.to_json(),
        "kept": kept,
        "rounds": rounds,
        "edgekit_ns": ours,
        "tool_ns": theirs,
    }


def _undisturbed(tool: Callable[[Path], float], model: Path, limit_ns: float) -> float | None:
    """A tool's figure of a run on whose both sides fixed work was not slow on its processor."""
    usable = os.sched_getaffinity(0)
    for _ in range(_TRIES):
        try:
            took = {one: _on(one) for one in usable}
            quietest = min(took, key=lambda one: took[one])
            before = _on(quietest)
            # The tool runs where this process does.
            figure = tool(model)
            after = _on(quietest)
        finally:
            os.sched_setaffinity(0, usable)
        if max(before, after) <= limit_ns:
            return figure
    return None


def _on(processor_number: int) -> int:
    """Fixed work on one of the processors, on which this process then stays."""
    os.sched_setaffinity(0, {processor_number})
    return yardstick_ns(_GLANCES)


def _onnxruntime(model: Path) -> float:
    said = python(["-c", _ONE_THREAD, str(model), str(_CALLS)])
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
