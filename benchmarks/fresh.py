"""A seeded network as a bundle and as bare files, and fresh processes that measure it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import mobilenet_v2

import edgekit

ROOT = Path(__file__).resolve().parents[1]


def mobilenet(folder: Path) -> Path:
    """MobileNetV2 1.0, 224, as ``mobilenetv2.edge``; ``mobilenetv2.onnx`` and ``.tflite`` beside it.

    Args:
        folder: where they are written, unless they are there.
    """
    bundle = folder / "mobilenetv2.edge"
    bare = {target: bundle.with_suffix(f".{target}") for target in ("onnx", "tflite")}
    if not all(path.exists() for path in bare.values()):
        torch.manual_seed(0)
        samples = np.random.default_rng(0).random((2, 3, 224, 224), np.float32)
        edgekit.convert(mobilenet_v2(), list(bare), samples=samples, output=bundle, force=True)
        opened = edgekit.Bundle.open(bundle)
        for target, path in bare.items():
            path.write_bytes(opened.model_bytes(opened.artifact(target)))
    return bundle


def bench(bundle: Path, target: str, *options: str) -> dict[str, Any]:
    """What ``edgekit bench`` says of an artifact.

    Args:
        bundle: of :func:`mobilenet`.
        target: which artifact.
        options: more of the command's.
    """
    command = ["-m", "edgekit", "bench", str(bundle), "--target", target, "--json", "--quiet"]
    # A history of its own: what this machine has needed before is part of the verdict.
    os.environ["EDGEKIT_HISTORY"] = str(bundle.with_name("history.sqlite"))
    result: dict[str, Any] = json.loads(python([*command, *options]))
    return result


def python(arguments: Sequence[str], *paths: Path) -> str:
    """What a fresh Python prints.

    Args:
        arguments: of the interpreter.
        paths: where it finds packages besides its own.
    """
    found = os.pathsep.join(map(str, (ROOT, *paths)))
    environment = {**os.environ, "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout
