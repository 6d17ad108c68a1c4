"""What a budget of half a point of accuracy buys, beside others: ``python -m quantization``.

Run with ``benchmarks/`` on PYTHONPATH (``make bench-quantization`` does). Writes benchmarks/results/quantization.json
and docs/quantization-speed.md; exit code 1 where a goal is not reached.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fingerprint import fingerprint, processor, versions

from edgekit.errors import EdgekitError
from quantization.full import measured
from quantization.networks import NETWORKS, Network
from quantization.page import short, write_page
from quantization.results import goals, rows_of
from quantization.small import DROP, IN_FLOAT, METRIC, lost_by_peers, searched

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "quantization.json"
PAGE = ROOT / "docs" / "quantization-speed.md"
WORK = ROOT / "build" / "quantization"
_PACKAGES = ("torch", "onnx", "onnxruntime", "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "numpy")
# 1: the first.
_SCHEMA = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, count, write."""
    parser = argparse.ArgumentParser(prog="quantization", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--only", default="", metavar="NAME", help="one network; no page is written")
    parser.add_argument("--again", default="", metavar="STEP", help="forget a step: search, peers or speed")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    # One thread a side, whatever the libraries would take.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found = []
    try:
        for network in NETWORKS:
            if options.only in network.name:
                found.append(_measured(network, options.again))
                print(short(found[-1]), flush=True)
    except EdgekitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    reached = goals(found)
    if len(found) == len(NETWORKS):
        _write(found, reached)
    return 0 if all(one["reached"] for one in reached) else 1


def _measured(network: Network, again: str) -> dict[str, Any]:
    """What an interrupted run has left, and the rest."""
    folder = WORK / _fingerprint() / network.name
    small, full = folder / "small", folder / "full"
    small.mkdir(parents=True, exist_ok=True)
    full.mkdir(parents=True, exist_ok=True)

    def step(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        file = folder / f"{name}.json"
        if name == again:
            file.unlink(missing_ok=True)
        if not file.exists():
            print(f"{network.name}: {name}", flush=True)
            content = json.dumps(work())
            file.write_text(content, encoding="utf-8")
        done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return done

    search = step("search", lambda: searched(network, small))
    return {
        "network": network.name,
        "goal": network.goal,
        "small": search,
        "peers": step("peers", lambda: lost_by_peers(network, small)),
        "full": step("speed", lambda: measured(network, search, full)),
    }


def _write(found: Sequence[Mapping[str, Any]], reached: Sequence[Mapping[str, Any]]) -> None:
    content = {
        "schema": _SCHEMA,
        "environment": {"processor": processor(), "threads": 1, **versions(_PACKAGES)},
        "metric": METRIC,
        "max_drop": DROP,
        "in_float": IN_FLOAT,
        "rows": [row for one in found for row in rows_of(one)],
        "goals": reached,
        "networks": found,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(write_page(content), encoding="utf-8")


def _fingerprint() -> str:
    """What the results depend on: edgekit's quantizers and search, the networks, the versions."""
    folders = [ROOT / "edgekit" / name for name in ("quantize", "tune", "metrics")]
    here = Path(__file__).parent
    own = [here / f"{name}.py" for name in ("networks", "small", "peers")]
    return fingerprint(_PACKAGES, [*folders, here.parent / "models", *own], processor())


if __name__ == "__main__":
    sys.exit(main())
