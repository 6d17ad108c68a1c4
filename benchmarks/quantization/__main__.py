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
from quantization.pretrained import PRETRAINED, Pretrained, agreed
from quantization.results import goals, rows_of, rows_of_pretrained
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
    parser.add_argument("--only", default="", metavar="NAME", help="networks whose names hold this; no page is written")
    parser.add_argument("--again", default="", metavar="STEP", help="forget a step: search, peers or speed")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    # One thread a side, whatever the libraries would take.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    found, pretrained = [], []
    try:
        for network in NETWORKS:
            if options.only in network.name:
                found.append(_measured(network, options.again))
                print(short(found[-1]["full"]), flush=True)
        for other in PRETRAINED:
            if options.only in other.name:
                pretrained.append(_pretrained(other, options.again))
                print(short(pretrained[-1]), flush=True)
    except EdgekitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    reached = goals(found)
    if not options.only:
        _write(found, pretrained, reached)
    return 0 if all(one["reached"] for one in reached) else 1


def _measured(network: Network, again: str) -> dict[str, Any]:
    """What an interrupted run has left, and the rest."""
    folder = WORK / _fingerprint() / network.name
    small, full = folder / "small", folder / "full"
    small.mkdir(parents=True, exist_ok=True)
    full.mkdir(parents=True, exist_ok=True)
    search = _step(folder, "search", again, lambda: searched(network, small))
    return {
        "network": network.name,
        "goal": network.goal,
        "small": search,
        "peers": _step(folder, "peers", again, lambda: lost_by_peers(network, small)),
        "full": _step(folder, "speed", again, lambda: measured(network, search, full)),
    }


def _pretrained(network: Pretrained, again: str) -> dict[str, Any]:
    folder = WORK / _fingerprint() / network.name
    folder.mkdir(parents=True, exist_ok=True)
    return _step(folder, "speed", again, lambda: agreed(network, folder))


def _step(folder: Path, name: str, again: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a step found, now or in an earlier run."""
    file = folder / f"{name}.json"
    if name == again:
        file.unlink(missing_ok=True)
    if not file.exists():
        print(f"{folder.name}: {name}", flush=True)
        content = json.dumps(work())
        file.write_text(content, encoding="utf-8")
    done: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return done


def _write(
    found: Sequence[Mapping[str, Any]],
    pretrained: Sequence[Mapping[str, Any]],
    reached: Sequence[Mapping[str, Any]],
) -> None:
    content = {
        "schema": _SCHEMA,
        "environment": {"processor": processor(), "threads": 1, **versions(_PACKAGES)},
        "metric": METRIC,
        "max_drop": DROP,
        "in_float": IN_FLOAT,
        "rows": [
            *(row for one in found for row in rows_of(one)),
            *(row for one in pretrained for row in rows_of_pretrained(one)),
        ],
        "goals": reached,
        "networks": found,
        "pretrained": pretrained,
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
