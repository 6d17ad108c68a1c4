"""Whether figures come again: the same file measured 30 times idle and 30 times beside a competing load.

Each measurement is a fresh ``edgekit bench``, and beside it in the same minute what else people do: the mean of 50
calls in one process, and pyperf. MobileNetV2 1.0, 224, its weights seeded, on ONNX Runtime and one thread. The load is
a process that computes without a pause on every processor.

    python benchmarks/repeatability.py [--rounds 30]

An interrupted run goes on where it stopped (``build/repeatability``). Writes ``benchmarks/results/repeatability.json``
and ``docs/repeatability.md``, and prints the table; exit code 1 where a limit is not kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fingerprint import fingerprint, processor, versions
from fresh import ROOT, bench, mobilenet, python

WORK = ROOT / "build" / "repeatability"
RESULTS = ROOT / "benchmarks" / "results" / "repeatability.json"
PAGE = ROOT / "docs" / "repeatability.md"
# Where `make bench-repeatability` puts pyperf.
PEERS = WORK / "peers"
CONDITIONS = ("idle", "loaded")
# Largest over smallest of what is called stable; idle runs called stable; how far a loaded one may be off that is.
SPREAD, STABLE_OF_30, OFF = 1.10, 25, 0.10
_PRELIMINARY = 2
_PACKAGES = ("onnxruntime", "numpy")
_LOAD = "while True: sum(range(100000))"
_MEAN_OF_50 = """
import sys, time
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
given = {session.get_inputs()[0].name: np.zeros((1, 3, 224, 224), np.float32)}
session.run(None, given)
start = time.perf_counter()
for _ in range(50):
    session.run(None, given)
print((time.perf_counter() - start) / 50 * 1e9)
"""
_PYPERF = """
import sys
import numpy as np
import onnxruntime
import pyperf
path = sys.argv.pop()
def run(loops):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    given = {session.get_inputs()[0].name: np.zeros((1, 3, 224, 224), np.float32)}
    session.run(None, given)
    start = pyperf.perf_counter()
    for _ in range(loops):
        session.run(None, given)
    return pyperf.perf_counter() - start
runner = pyperf.Runner(add_cmdline_args=lambda command, _: command.append(path))
runner.bench_time_func("mobilenetv2", run)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="repeatability", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args(argv)
    folder = WORK / _fingerprint()
    folder.mkdir(parents=True, exist_ok=True)
    model = mobilenet(folder)
    journal = folder / "journal.jsonl"
    found = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    if not found:
        # The first measurements on a machine do not know what it needs undisturbed; from then on the history does.
        for _ in range(_PRELIMINARY):
            bench(model, "onnx", "--threads", "1")
    for number in range(options.rounds):
        for condition in CONDITIONS:
            if any((one["round"], one["condition"]) == (number, condition) for one in found):
                continue
            found.append({"round": number, "condition": condition, **_measured(model, condition)})
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found[-1]) + "\n")
            print(_line(found[-1]), flush=True)
    content = summary(found)
    RESULTS.write_text(json.dumps(content | {"runs": found}, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(content), encoding="utf-8")
    print(page(content))
    return 0 if all(one["kept"] for one in content["limits"]) else 1


def _fingerprint() -> str:
    folders = [ROOT / "edgekit" / name for name in ("bench", "runtime")]
    return fingerprint(_PACKAGES, [*folders, Path(__file__)], processor())


def _measured(bundle: Path, condition: str) -> dict[str, Any]:
    with _beside(condition):
        result = bench(bundle, "onnx", "--threads", "1")
        bare = str(bundle.with_suffix(".onnx"))
        mean = float(python(["-c", _MEAN_OF_50, bare]))
        output = bundle.with_name("pyperf.json")
        output.unlink(missing_ok=True)
        script = bundle.with_name("pyperf_run.py")
        script.write_text(_PYPERF, encoding="utf-8")
        python([str(script), "--fast", "--quiet", "--copy-env", "-o", str(output), bare], PEERS)
    runs = json.loads(output.read_text())["benchmarks"][0]["runs"]
    values = [value for run in runs for value in run.get("values", ())]
    return {
        "median_ns": result["median_ns"]["value"],
        "verdict": result["stability"]["verdict"],
        "reasons": result["stability"]["reasons"],
        "set_aside": result["set_aside"],
        "processes": len(result["processes"]),
        "mean_of_50_ns": mean,
        "pyperf_ns": statistics.mean(values) * 1e9,
    }


@contextlib.contextmanager
def _beside(condition: str) -> Iterator[None]:
    """Whatever competes, for as long as something is measured."""
    count = (os.cpu_count() or 1) if condition == "loaded" else 0
    load = [subprocess.Popen([sys.executable, "-c", _LOAD]) for _ in range(count)]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


def summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the runs say.

    Args:
        found: a measurement each, of both conditions.
    """
    idle = [one for one in found if one["condition"] == "idle"]
    stable = [one for one in found if one["verdict"] == "stable"]
    truth = statistics.median(one["median_ns"] for one in idle)
    wrong = [one for one in stable if abs(one["median_ns"] / truth - 1) > OFF]
    called = sum(one["verdict"] == "stable" for one in idle)
    wanted = STABLE_OF_30 * len(idle) / 30
    limits = [
        _limit(f"stable idle runs, at least {wanted:g} of {len(idle)}", called, kept=called >= wanted),
        _limit(f"runs called stable more than {OFF:.0%} off, none", len(wrong), kept=not wrong),
    ]
    spread = _spread([one["median_ns"] for one in stable]) if stable else None
    kept = spread is not None and spread <= SPREAD
    limits.insert(0, _limit(f"largest over smallest of stable runs, at most {SPREAD}", spread, kept=kept))
    ways = {"edgekit bench": "median_ns", "mean of 50 calls": "mean_of_50_ns", "pyperf --fast": "pyperf_ns"}
    rows = [
        (way, condition, [one[key] for one in found if one["condition"] == condition])
        for way, key in ways.items()
        for condition in CONDITIONS
    ]
    rows.insert(
        0, ("edgekit bench, where stable", "idle", [one["median_ns"] for one in idle if one["verdict"] == "stable"])
    )
    return {
        "schema": 1,
        "environment": {"processor": processor(), "threads": 1, **versions(_PACKAGES)},
        "limits": limits,
        "ways": [
            {"way": way, "condition": condition, "runs": len(values), "milliseconds": statistics.median(values) / 1e6,
             "largest_over_smallest": _spread(values)}
            for way, condition, values in rows
            if values
        ],
    }  # fmt: skip


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values)


def _limit(limit: str, value: float | None, *, kept: bool) -> dict[str, Any]:
    return {"limit": limit, "value": value, "kept": kept}


def page(content: Mapping[str, Any]) -> str:
    """The whole page.

    Args:
        content: what :func:`summary` returned.
    """
    environment = dict(content["environment"])
    where = f"{environment.pop('processor')}, {environment.pop('threads')} thread"
    found = ", ".join(f"{name} {version}" for name, version in environment.items())
    lines = [
        "<!-- Written by `make bench-repeatability`; do not edit. -->",
        "# Do the figures come again?",
        "",
        "MobileNetV2 (1.0, 224 by 224) on ONNX Runtime, measured again and again in fresh processes: idle, and beside",
        "a process on every processor that computes without a pause. In the same minute each time: `edgekit bench`,",
        "the mean of 50 calls in one process, and `pyperf --fast`.",
        "",
        "Idle is a machine with nothing of its own to do. A virtual machine's neighbours are not idle for that: where",
        "fixed work took longer than the machine needs, most of the time, `edgekit bench` says `unstable`, and why.",
        "",
        "| way | machine | runs | median, ms | largest over smallest |",
        "|---|---|--:|--:|--:|",
        *(
            f"| {one['way']} | {one['condition']} | {one['runs']} | {one['milliseconds']:.2f} "
            f"| {one['largest_over_smallest']:.2f} |"
            for one in content["ways"]
        ),
        "",
        "| limit | found | kept |",
        "|---|--:|---|",
        *(
            f"| {one['limit']} | {'none is stable' if one['value'] is None else format(one['value'], '.4g')} "
            f"| {'yes' if one['kept'] else '**no**'} |"
            for one in content["limits"]
        ),
        "",
        f"{where}. {found}.",
        "",
    ]
    return "\n".join(lines)


def _line(one: Mapping[str, Any]) -> str:
    others = f"mean of 50 {one['mean_of_50_ns'] / 1e6:.2f} ms, pyperf {one['pyperf_ns'] / 1e6:.2f} ms"
    why = f" ({one['reasons'][0]})" if one["reasons"] else ""
    return f"{one['round'] + 1} {one['condition']}: {one['median_ns'] / 1e6:.2f} ms {one['verdict']}{why}; {others}"


if __name__ == "__main__":
    sys.exit(main())
