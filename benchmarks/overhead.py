"""What a conversion through edgekit costs beside the vendor's converter called by hand, verification apart.

Each measurement is a fresh process; the two sides alternate in one run, and only their ratios are reported, because a
shared machine's absolute times mean little. The network is EfficientNet-Lite0 with its ImageNet weights.

    python benchmarks/overhead.py [--rounds 3] [--targets onnx,tflite,coreml]

Writes ``benchmarks/results/overhead.json`` and prints a table. Needs a POSIX system (peak memory by ``wait4``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "examples" / "01-pytorch-image-classifier"
SHAPE = (1, 3, 224, 224)
LIMITS = {"wall": 1.15, "memory": 1.10}


def by_hand(target: str, output: Path) -> None:
    """The vendor's converter as its documentation shows it."""
    import torch

    sys.path.insert(0, str(EXAMPLE))
    from network import build

    model, example = build(), torch.randn(SHAPE)
    if target == "onnx":
        torch.onnx.export(model, (example,), output / "m.onnx", dynamo=True, external_data=False, verbose=False)
    elif target == "tflite":
        import litert_torch

        litert_torch.convert(model, (example,)).export(str(output / "m.tflite"))
    else:
        import coremltools as ct

        # coremltools takes no dictionary outputs: what anyone would write around it by hand.
        class Flat(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, image: torch.Tensor) -> torch.Tensor:
                return self.model(image)["probabilities"]

        traced = torch.jit.trace(Flat().eval(), example)
        made = ct.convert(
            traced,
            inputs=[ct.TensorType(name="image", shape=SHAPE)],
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
        made.save(str(output / "m.mlpackage"))


def through_edgekit(targets: list[str], work: Path, jobs: int) -> None:
    """The conversion step of ``edgekit convert``: its worker processes, without running the original or the results."""
    from edgekit.convert.request import ConvertRequest
    from edgekit.convert.supervisor import Task, run_tasks

    os.chdir(EXAMPLE)
    request = ConvertRequest(model="network:build", targets=tuple(targets), shapes={"image": SHAPE})
    tasks = [
        Task(
            target,
            work / target,
            {
                "kind": "convert",
                "asked": f"convert to {target}",
                "target": target,
                "request": request.to_json(),
                "work": str(work),
                "reference": False,
            },
        )
        for target in targets
    ]
    outcomes = run_tasks(tasks, jobs=jobs, timeout=1800, event=lambda *_: None, stop_on=lambda _: False)
    for outcome in outcomes:
        if outcome.error is not None or outcome.result["failed"]:
            raise SystemExit(f"{outcome.error or outcome.result['failed']}")


def measure(*arguments: str) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of the largest process of a fresh run of this file."""
    with tempfile.TemporaryDirectory() as folder:
        before = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, *arguments, "--output", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - before
        if status:
            raise SystemExit(f"{' '.join(arguments)} failed")
        peak = usage.ru_maxrss
        report = Path(folder) / "children.txt"
        if report.exists():
            peak = max(peak, int(report.read_text()))
    return seconds, peak / 1000


def compare(target: str, rounds: int) -> dict[str, object]:
    """Alternate the two sides and relate them."""
    sides: dict[str, list[tuple[float, float]]] = {"hand": [], "edgekit": []}
    for index in range(rounds):
        order = ["hand", "edgekit"] if index % 2 == 0 else ["edgekit", "hand"]
        for side in order:
            sides[side].append(measure("--side", side, "--targets", target))
            print(
                f"{target} {side}: {sides[side][-1][0]:.1f} s, {sides[side][-1][1]:.0f} MB", file=sys.stderr, flush=True
            )
    wall = {side: statistics.median(seconds for seconds, _ in runs) for side, runs in sides.items()}
    memory = {side: statistics.median(peak for _, peak in runs) for side, runs in sides.items()}
    return {
        "target": target,
        "rounds": rounds,
        "runs": sides,
        "wall_ratio": wall["edgekit"] / wall["hand"],
        "memory_ratio": memory["edgekit"] / memory["hand"],
    }


def side_by_side(targets: list[str], rounds: int) -> dict[str, float]:
    """All targets at once on this machine's processors, related to the same targets one after the other."""
    together, apart = [], []
    for _ in range(rounds):
        together.append(measure("--side", "edgekit", "--targets", ",".join(targets))[0])
        apart.append(sum(measure("--side", "edgekit", "--targets", target)[0] for target in targets))
    return {"processors": os.cpu_count() or 1, "wall_ratio": statistics.median(together) / statistics.median(apart)}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", default="onnx,tflite,coreml")
    parser.add_argument("--side", choices=("hand", "edgekit"), help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    targets = given.targets.split(",")
    if given.side == "hand":
        by_hand(targets[0], given.output)
        return
    if given.side == "edgekit":
        import resource

        through_edgekit(targets, given.output / "work", os.cpu_count() or 1)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        (given.output / "children.txt").write_text(str(peak))
        return
    results = [compare(target, given.rounds) for target in targets]
    together = side_by_side(targets, max(1, given.rounds // 2)) if len(targets) > 1 else None
    print(
        f"{'target':8} {'wall':>6} {'memory':>7}   (edgekit / by hand; at most {LIMITS['wall']} and {LIMITS['memory']})"
    )
    for result in results:
        print(f"{result['target']:8} {result['wall_ratio']:6.2f} {result['memory_ratio']:7.2f}")
    if together:
        print(f"{len(targets)} targets side by side on {together['processors']} processors: "
              f"{together['wall_ratio']:.2f} of the sum of each alone")  # fmt: skip
    path = HERE / "results" / "overhead.json"
    path.parent.mkdir(exist_ok=True)
    document = {"schema": 1, "limits": LIMITS, "targets": results, "side_by_side": together}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
