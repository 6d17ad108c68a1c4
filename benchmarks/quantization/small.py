"""What the trained networks lose: edgekit's search, the grid of everything, and the files of others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bench import compare_callables
from edgekit.convert.prepare import prepare
from edgekit.convert.request import ConvertRequest
from edgekit.metrics import measured, metric_named
from edgekit.quantize.ranges import METHODS
from edgekit.runtime.loading import open_engine
from edgekit.samples import RawSamples
from edgekit.tune import Budget, Candidate, Tried, tune
from edgekit.tune.run import open_workshop
from edgekit.tune.search import chosen
from edgekit.tune.workshop import Workshop
from quantization.networks import Floats, Network, answers
from quantization.peers import caller, made_by_peers

METRIC, DROP = "accuracy", 0.005
TARGETS = ("onnx", "tflite")
# Layers left in float32 by the grid, those that cost most alone first.
IN_FLOAT = (1, 2, 4, 8, 16)
# A class of devices whose 8-bit activations have a sign.
_SIGNED = "raspberry-pi-5"


def searched(network: Network, folder: Path) -> dict[str, Any]:
    """Search, then evaluate the whole grid, on the trained network.

    Args:
        network: which.
        folder: of all files; what an interrupted run left in it is taken.

    Returns:
        ``candidates``: all of the search with what each loses; ``best``: by target the search's choice; ``grid``: what
        the grid found and what both cost.
    """
    request = _request(network, folder)
    ranges, inputs, labels = network.small_inputs()
    np.save(folder / "ranges.npy", ranges)
    np.save(folder / "labels.npy", labels)
    given = RawSamples({"": inputs}, "nameless", "Fashion-MNIST")
    budget = Budget(METRIC, DROP)
    started = time.perf_counter()
    output = folder / "small.edge"
    found = tune(request, output, drop=DROP, native=network.small, given=given, force=True, fresh=True, event=_told)
    seconds = time.perf_counter() - started
    shop, tried, grid_seconds = _gridded(network, request, given, found.folder)
    return {
        "candidates": [_row(shop, one, budget) for one in found.tried],
        "best": {target: one.candidate.to_json() for target, one in found.best.items()},
        "grid": {
            "candidates": [_row(shop, one, budget) for one in tried],
            "seconds": grid_seconds,
            "search_seconds": seconds,
            "targets": {
                target: _beside_the_grid(found.best.get(target), _of(tried, target), budget) for target in TARGETS
            },
        },
    }


def _gridded(
    network: Network, request: ConvertRequest, given: RawSamples, folder: Path
) -> tuple[Workshop, list[Tried], float]:
    """The grid where the search was, which it shares files with, and its cost as if it were alone.

    What the search has tried counts with the time that it took then. ONNX's int8 comes with and without a sign: edgekit
    chooses by the processor, the grid tries both.
    """
    started = time.perf_counter()
    prepared = prepare(replace(request, schemes=("int8",)), _quiet, network.small, given)
    request = replace(request, schemes=("float32",))
    shop = open_workshop(prepared, request, folder, _say)
    opened = time.perf_counter() - started
    tried = [one for target in TARGETS for one in _grid(shop, target)]
    other = folder.with_name(f"{folder.name}.other-sign")
    signed = open_workshop(prepared, replace(request, device=_SIGNED, targets=("onnx",)), other, _say)
    again = list(_grid(signed, "onnx", "int8"))
    plain = [shop.tried(Candidate(target, "float32")) for target in TARGETS]
    return shop, [*tried, *again], opened + sum(one.seconds for one in (*plain, *tried, *again))


def _request(network: Network, folder: Path) -> ConvertRequest:
    return ConvertRequest(
        model=network.name,
        targets=TARGETS,
        labels=str(folder / "labels.npy"),
        calibration=str(folder / "ranges.npy"),
        metric=METRIC,
        threads=1,
    )


def _grid(shop: Workshop, target: str, only: str = "") -> Iterator[Tried]:
    """Every scheme, of ONNX's int8 every way to find ranges, with none and with each number of layers in float32."""
    for scheme in shop.schemes(target):
        if scheme == "float32" or (only and scheme != only):
            continue
        for ranges in METHODS if (target, scheme) == ("onnx", "int8") else METHODS[:1]:
            plain = Candidate(target, scheme, ranges)
            yield shop.tried(plain)
            order = shop.by_sensitivity(plain)
            for count in IN_FLOAT:
                if count < len(order):
                    yield shop.tried(replace(plain, skip=tuple(order[:count])))


def _of(tried: list[Tried], target: str) -> list[Tried]:
    return [one for one in tried if one.candidate.target == target]


def _beside_the_grid(best: Tried | None, tried: list[Tried], budget: Budget) -> dict[str, Any]:
    """The search's choice and the grid's, timed in turn in one run."""
    of_grid = chosen(tried, budget, "speed")
    row: dict[str, Any] = {
        "search": best.candidate.name if best else None,
        "grid": of_grid.candidate.name if of_grid else None,
        "ratio": None,
    }
    if best is None or of_grid is None or best.made is None or of_grid.made is None:
        return row
    if best.made.path == of_grid.made.path:
        return row | {"ratio": {"value": 1.0, "low": 1.0, "high": 1.0}}
    calls = {}
    for name, one in (("grid", of_grid.made), ("search", best.made)):
        engine = open_engine(best.candidate.target, one.path, threads=1)
        given = {
            spec.name: np.zeros([size or 1 for size in spec.shape], np.float32) for spec in engine.signature.inputs
        }
        calls[name] = lambda engine=engine, given=given: engine.run(given)
    ratio = compare_callables(calls, max_seconds=5.0).ratio
    return row | {"ratio": {"value": ratio.value, "low": ratio.low, "high": ratio.high}}


def _row(shop: Workshop, one: Tried, budget: Budget) -> dict[str, Any]:
    layers = shop.layers(one.candidate) if one.candidate.skip else []
    return {
        **one.candidate.to_json(),
        "skip_places": [layers.index(layer) for layer in one.candidate.skip],
        "name": one.candidate.name,
        "metric": one.metric.to_json() if one.metric else None,
        "within": budget.keeps(one.metric),
        "speedup": one.speedup,
        "bytes": one.bytes,
        "seconds": one.seconds,
        "error": one.error,
    }


def lost_by_peers(network: Network, folder: Path) -> dict[str, Any]:
    """What the peers' files of the trained network lose on the same samples, and why there is none of the others."""
    ranges, inputs, labels = network.small_inputs()
    files, failed = made_by_peers(network.small, ranges, folder)
    reference = answers(network.small, inputs)
    rows = {}
    for name, path in files.items():
        loss = measured(metric_named(METRIC), reference, _answers(path, inputs), labels, batched=False)
        rows[name] = {"metric": loss.to_json(), "within": Budget(METRIC, DROP).keeps(loss)}
        _say(f"{name}: {loss}")
    return {"rows": rows, "failed": failed}


def _answers(path: Path, inputs: Floats) -> list[dict[str, Any]]:
    call = caller(path)
    return [{"output_0": np.asarray(call(row[None]), np.float32)} for row in inputs]


def _told(_: str, step: str, seconds: float) -> None:
    if step:
        _say(f"{seconds:5.0f} s  {step}")


def _say(step: str) -> None:
    print(f"   {step}", flush=True)


def _quiet(step: str) -> None:
    del step
