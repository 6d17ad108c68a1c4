"""Real packages, made by coremltools from torch modules."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.convert.coreml_file import import_coremltools

MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")


def converter() -> Any:
    """coremltools, with torch."""
    return import_coremltools("torch")


def save(module: Any, example: Any, path: Path, *, half: bool = False, **options: Any) -> Path:
    """Trace a torch module, convert it and save the package; inputs are named x, y, … unless described."""
    import torch

    ct = converter()
    examples = example if isinstance(example, tuple) else (example,)
    if "inputs" not in options:
        kinds = {torch.int32: np.int32, torch.int64: np.int32}
        options["inputs"] = [
            ct.TensorType(name=name, shape=one.shape, dtype=kinds.get(one.dtype, np.float32))
            for name, one in zip("xyz", examples, strict=False)
        ]
    if "classifier_config" not in options:
        options.setdefault("outputs", [ct.TensorType(name="output")])
    options.setdefault("minimum_deployment_target", ct.target.iOS16)
    with torch.no_grad():
        traced = torch.jit.trace(module.eval(), examples, check_trace=False)
    with warnings.catch_warnings():
        # A classifier's outputs cannot be named.
        warnings.filterwarnings("ignore", "Output, .* has been renamed", UserWarning)
        converted = ct.convert(
            traced,
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            skip_model_load=True,
            **options,
        )
    converted.save(str(path))
    return path


def wanted(module: Any, *inputs: Any) -> Any:
    """What torch says: arrays in, an array (or several) out."""
    import torch

    with torch.no_grad():
        result = module(*(torch.from_numpy(np.ascontiguousarray(one)) for one in inputs))
    return tuple(one.numpy() for one in result) if isinstance(result, tuple) else result.numpy()
