"""Importing coremltools with what a conversion needs, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_BOTH = """
import sys
import numpy as np
import torch
import edgekit

samples = np.random.default_rng(0).random((4, 4), np.float32)
linear = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Softmax(-1)).eval()
assert edgekit.convert(linear, ["coreml"], samples=samples, output="torch.edge")
assert "tensorflow" not in sys.modules
import keras

dense = keras.Sequential([keras.Input((4,), name="x"), keras.layers.Dense(3, activation="softmax")])
result = edgekit.convert(dense, ["coreml"], samples=samples, output="keras.edge")
assert result, result.failed
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_that_converted_a_torch_model_converts_a_keras_model_too(tmp_path: Path) -> None:
    for needed in ("torch", "tensorflow", "coremltools"):
        pytest.importorskip(needed)
    done = subprocess.run([sys.executable, "-c", _BOTH], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
