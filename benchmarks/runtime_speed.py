"""What a session costs beside the runtimes' own calls, for a network so small that nothing but the call counts.

An MLP of 16, 32 and 4, inputs checked, one thread, all ways in turn in one run. ONNX Runtime's own is ``session.run``;
LiteRT's own is set_tensor, invoke, get_tensor with the indices looked up beforehand. A bound call has its input written
into the session's memory beforehand, as the runtimes' own calls have it in an array.

    python benchmarks/runtime_speed.py

Writes ``benchmarks/results/runtime-speed.json`` and prints a table; exit code 1 where a limit is not kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fingerprint import processor, versions

import edgekit
from edgekit.bench import compare_callables

RESULTS = Path(__file__).resolve().parent / "results" / "runtime-speed.json"
# By runtime and way: the most it may take of the runtime's own call.
LIMITS = {
    "onnx": {"bound call": 0.6, "dict call": 1.15},
    "tflite": {"bound call": 1.0, "dict call": 1.3},
}
_SECONDS = 20.0
# The rest of the difference is noise: medians of blocks that take turns.
_TIE = 0.02
_PACKAGES = ("onnxruntime", "ai-edge-litert", "numpy")


def main() -> int:
    """Measure, print, write."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4)).eval()
    x = np.random.default_rng(0).standard_normal((1, 16)).astype(np.float32)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "mlp.edge"
        edgekit.convert(network, to=["onnx", "tflite"], samples=x.repeat(8, axis=0), output=bundle)
        for target, own in (("onnx", _onnxruntime), ("tflite", _litert)):
            found.append(_measured(bundle, target, own, x))
    document = {
        "schema": 1,
        "environment": {"processor": processor(), "threads": 1, **versions(_PACKAGES)},
        "limits": LIMITS,
        "runtimes": found,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(way["kept"] for one in found for way in one["ways"]) else 1


def _measured(bundle: Path, target: str, own: Callable[[bytes, Any], Callable[[], Any]], x: Any) -> dict[str, Any]:
    session = edgekit.load(bundle, target=target, threads=1)
    opened = edgekit.Bundle.open(bundle)
    theirs = own(bytes(opened.model_bytes(opened.artifact(target))), x)
    name = session.signature.inputs[0].name
    bound = session.bind()
    bound.inputs[name][...] = x
    given = {name: x}
    wanted, answer = np.asarray(theirs()), session.run(given)
    bound()
    for one in (*answer.values(), *bound.outputs.values()):
        np.testing.assert_allclose(one, wanted, rtol=1e-5, atol=1e-6)
    run = compare_callables(
        {"own": theirs, "bound call": bound, "dict call": lambda: session.run(given)},
        min_rounds=200, max_rounds=4000, max_seconds=_SECONDS,
    )  # fmt: skip
    ways = []
    print(f"{session.runtime}: its own call {run.medians_ns['own'] / 1000:.2f} µs, no difference is {run.null}")
    for way, limit in LIMITS[target].items():
        ratio = run.ratios[way]
        kept = ratio.value <= limit + (_TIE if limit == 1.0 else 0.0)
        ways.append({"way": way, "limit": limit, "ratio": ratio.to_json(), "kept": bool(kept)})
        print(f"   {way}: {ratio} x, at most {limit}{'' if kept else ': NOT KEPT'}")
    microseconds = {way: value / 1000 for way, value in run.medians_ns.items()}
    return {"runtime": session.runtime, "microseconds": microseconds, "ways": ways, "null": run.null.to_json()}


def _onnxruntime(model: bytes, x: Any) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    given, names = {session.get_inputs()[0].name: x}, [session.get_outputs()[0].name]
    return lambda: session.run(names, given)[0]


def _litert(model: bytes, x: Any) -> Callable[[], Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call() -> Any:
        interpreter.set_tensor(given, x)
        interpreter.invoke()
        return interpreter.get_tensor(found)

    return call


if __name__ == "__main__":
    sys.exit(main())
