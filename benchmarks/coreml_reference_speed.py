"""How fast edgekit's Core ML reference is, beside PyTorch's eager mode on the same network, on one thread.

Calls of both sides alternate in one run and only their ratios are reported, because a shared machine's absolute times
mean little. Also: how long a package of 50 MB takes to load, and what importing the evaluator loads.

    python benchmarks/coreml_reference_speed.py [--seconds 20]

Writes ``benchmarks/results/coreml-reference-speed.json`` and prints a table. Exits 1 where a limit is not kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from edgekit.bench.interleaved import compare_callables
from edgekit.convert.coreml_file import import_coremltools
from edgekit.coreml_reference import open_model

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from models.convolutional import mobilenet_v2, resnet18  # noqa: E402

SHAPE = (1, 3, 224, 224)
LIMITS = {"float32": 1.2, "float16": 3.0, "load_seconds": 0.5}
NETWORKS = {"MobileNetV2 224": mobilenet_v2, "ResNet18": resnet18}
LOADS = 11
LOAD = """
import sys, time
from pathlib import Path
from edgekit.coreml_reference import open_model
started = time.perf_counter()
open_model(Path(sys.argv[1]))
print(time.perf_counter() - started)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "sklearn", "coremltools", "torch"}))
"""


def package(model: torch.nn.Module, shape: tuple[int, ...], path: Path, *, half: bool) -> None:
    """A network as an ML Program on disk."""
    ct = import_coremltools("torch")
    with torch.inference_mode():
        traced = torch.jit.trace(model, torch.randn(shape), check_trace=False)
    ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=shape)],
        outputs=[ct.TensorType(name="y")],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    ).save(str(path))


def speed(name: str, scheme: str, folder: Path, seconds: float) -> dict[str, object]:
    """The reference's time over eager PyTorch's in float32, and how far their answers are apart."""
    torch.manual_seed(0)
    model, x = NETWORKS[name](), torch.randn(SHAPE)
    path = folder / f"{name.partition(' ')[0]}-{scheme}.mlpackage"
    package(model, SHAPE, path, half=scheme == "float16")
    reference, given = open_model(path), {"x": x.numpy()}
    with torch.inference_mode():
        wanted = model(x).numpy()
        error = float(abs(reference.predict(given)["y"] - wanted).max() / abs(wanted).max())
        run = compare_callables(
            {"torch": lambda: model(x), "reference": lambda: reference.predict(given)}, max_seconds=seconds
        )
    return {"network": name, "scheme": scheme, "ratio": run.ratio.to_json(), "null": run.null.to_json(),
            "error_relative": error, "limit": LIMITS[scheme], "kept": run.ratio.value <= LIMITS[scheme]}  # fmt: skip


def loading(folder: Path) -> dict[str, object]:
    """The median time to open a package of 50 MB in a fresh process, and which frameworks that loaded."""
    path = folder / "fifty.mlpackage"
    torch.manual_seed(0)
    package(torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(12))).eval(), (1, 1024), path, half=False)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    durations, loaded = [], ""
    for _ in range(LOADS):
        done = subprocess.run([sys.executable, "-c", LOAD, path], capture_output=True, text=True, check=True)
        first, loaded = done.stdout.split("\n")[:2]
        durations.append(float(first))
    median = statistics.median(durations)
    return {"bytes": size, "seconds": median, "limit": LIMITS["load_seconds"], "frameworks_loaded": loaded.split(),
            "kept": median <= LIMITS["load_seconds"] and not loaded}  # fmt: skip


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="timed seconds a network and scheme")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="edgekit-") as name:
        folder = Path(name)
        rows = [
            speed(network, scheme, folder, arguments.seconds)
            for network in NETWORKS
            for scheme in ("float32", "float16")
        ]
        load = loading(folder)
    for row in rows:
        word = "kept" if row["kept"] else "NOT KEPT"
        ratio = row["ratio"]
        print(f"{row['network']:16} {row['scheme']:8} {ratio['value']:.2f} x torch eager "  # type: ignore[index]
              f"(limit {row['limit']}, {word}), error {row['error_relative']:.1e}")  # fmt: skip
    print(f"loading {load['bytes'] / 1e6:.1f} MB: {load['seconds']:.3f} s (limit {load['limit']}); "  # type: ignore[operator]
          f"frameworks loaded: {', '.join(load['frameworks_loaded']) or 'none'}")  # type: ignore[arg-type]  # fmt: skip
    kept = bool(load["kept"]) and all(row["kept"] for row in rows)
    result = {"schema": 1, "torch": torch.__version__, "threads": 1, "seconds": time.time() - started,
              "networks": rows, "loading": load, "kept": kept}  # fmt: skip
    (HERE / "results" / "coreml-reference-speed.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
