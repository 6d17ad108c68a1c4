"""How fast the networks of full size are: what keeps the budget when small, beside plain float32 and the others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.convert.prepare import prepare
from edgekit.convert.request import ConvertRequest
from edgekit.metrics import MetricLoss
from edgekit.runtime.loading import open_engine
from edgekit.runtime.session import Session
from edgekit.samples import RawSamples
from edgekit.signature import Signature
from edgekit.tune import Budget, Candidate, Tried
from edgekit.tune.run import open_workshop
from edgekit.tune.search import chosen
from edgekit.tune.workshop import Workshop
from quantization.networks import Floats, Network
from quantization.peers import FOLDER, caller, made_by_peers
from quantization.small import DROP, METRIC, TARGETS
from quantization.timing import BASELINE, Call, in_turn


def measured(network: Network, small: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make the files of full size and time them in turn.

    Args:
        network: which.
        small: what :func:`quantization.small.searched` found of the trained one.
        folder: of all files; what an interrupted run left in it is taken.

    Returns:
        ``sides``: by name the target, scheme, size, SQNR against the original, and the speed-up with its interval.
    """
    inputs = network.full_inputs()
    ranges, compared = np.split(inputs, 2)
    np.save(folder / "ranges.npy", ranges)
    request = ConvertRequest(
        model=network.name, targets=TARGETS, calibration=str(folder / "ranges.npy"), threads=1, allow_slower=True
    )
    given = RawSamples({"": compared}, "nameless", "full size")
    prepared = prepare(replace(request, schemes=("int8",)), _quiet, network.full, given)
    shop = open_workshop(prepared, replace(request, schemes=("float32",)), folder, _say)
    tried = [
        one
        for row in small["candidates"]
        if row["within"] and row["scheme"] != "float32" and (one := _enlarged(shop, row)) is not None
    ]
    best = {
        target: one
        for target in TARGETS
        if (one := chosen([t for t in tried if t.candidate.target == target], Budget(METRIC, DROP), "speed"))
    }
    files, failed = made_by_peers(network.full, ranges, folder)
    return {"candidates": [_candidate(one) for one in tried], "failed": failed} | _timed(
        network, shop, prepared.signature, best, files, compared
    )


def _enlarged(shop: Workshop, row: Mapping[str, Any]) -> Tried | None:
    """A candidate of the trained network made of the large one, with what the trained one loses."""
    candidate = Candidate.from_json({key: row[key] for key in ("target", "scheme", "ranges", "skip")})
    if row["skip"]:
        layers = shop.layers(candidate)
        # Both have the same layers in the same order, whatever an exporter calls them.
        candidate = replace(candidate, skip=tuple(layers[place] for place in row["skip_places"]))
    found = shop.tried(candidate)
    if found.verdict is None:
        return None
    return replace(found, verdict=replace(found.verdict, metric=MetricLoss.from_json(row["metric"])))


def _candidate(one: Tried) -> dict[str, Any]:
    verdict = one.verdict
    speed = verdict.speed.to_json() if verdict is not None and verdict.speed else None
    return {"target": one.candidate.target, "name": one.candidate.name, "speed": speed, "bytes": one.bytes}


def _timed(
    network: Network,
    shop: Workshop,
    signature: Signature,
    best: Mapping[str, Tried],
    files: Mapping[str, Path],
    inputs: Floats,
) -> dict[str, Any]:
    wanted = [_torch(network, one) for one in inputs[:8]]
    calls: dict[str, Call] = {BASELINE: caller(files["plain"])}
    described: dict[str, dict[str, Any]] = {
        BASELINE: {"target": "onnx", "scheme": "float32", "bytes": files["plain"].stat().st_size}
    }
    for target, one in best.items():
        name = f"edgekit {target}"
        calls[name] = _session(signature, one)
        described[name] = {"target": target, "scheme": one.candidate.name, "bytes": one.bytes}
    for name, path in files.items():
        if name != "plain":
            calls[name] = caller(path)
            scheme = "float32" if name.startswith("plain") else "int8"
            described[name] = {"target": path.suffix[1:], "scheme": scheme, "bytes": path.stat().st_size}
    quantized = shop.tried(Candidate("onnx", "int8")).made
    if quantized is not None and (anchor := _openvino(quantized.path)) is not None:
        calls["OpenVINO on edgekit's ONNX int8"] = anchor
        described["OpenVINO on edgekit's ONNX int8"] = {
            "target": "onnx", "scheme": "int8", "bytes": quantized.path.stat().st_size,
        }  # fmt: skip
    return in_turn(calls, described, wanted, inputs)


def _session(signature: Signature, one: Tried) -> Call:
    """A call of edgekit's own session, the input copied and the answer read."""
    made = one.made
    if made is None:
        raise ValueError("it was not made")
    engine = open_engine(one.candidate.target, made.path, threads=1)
    session = Session(engine, signature, made.inputs, made.outputs)
    given, found = signature.inputs[0].name, signature.outputs[0].name
    return lambda row: session.run({given: row})[found]


def _openvino(path: Path) -> Call | None:
    """OpenVINO on a file, one thread, where it is among the peers: an anchor, no runtime of edgekit's."""
    import sys

    if not (FOLDER / "openvino").exists():
        return None
    sys.path.append(str(FOLDER / "openvino"))
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    request = compiled.create_infer_request()
    return lambda row: request.infer([row])[0]


def _torch(network: Network, row: Floats) -> Any:
    import torch

    with torch.no_grad():
        return network.full(torch.from_numpy(row[None])).numpy()


def _say(step: str) -> None:
    print(f"   {time.strftime('%H:%M:%S')} {step}", flush=True)


def _quiet(step: str) -> None:
    del step
