"""Verification after the fact: of a bundle against its recording, of files against their original."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.bundle import Bundle
from edgekit.convert.registry import SUFFIXES
from edgekit.convert.request import ConvertRequest
from edgekit.errors import InputError
from edgekit.verify.again import verify

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

FACTORY = """
import torch
def build(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
def other():
    return build(1)
def wider():
    return torch.nn.Linear(4, 5)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("again")
    (folder / "again_nets.py").write_text(FACTORY)
    np.savez(folder / "s.npz", input=np.random.default_rng(0).standard_normal((5, 4)).astype("f4"))
    sys.path.insert(0, str(folder))
    import again_nets

    result = edgekit.convert(
        again_nets.build(),
        ["onnx", "tflite", "coreml"],
        samples=folder / "s.npz",
        quantize="float16",
        allow_slower=True,
        output=folder / "m.edge",
    )
    assert result, [str(failure.error) for failure in result.failed]
    bundle = Bundle.open(folder / "m.edge")
    (artifact,) = [a for a in bundle.artifacts if (a.target, a.scheme) == ("onnx", "float32")]
    (folder / "m.onnx").write_bytes(bundle.model_bytes(artifact))
    yield folder
    sys.path.remove(str(folder))


def against(folder: Path, factory: str, **said: Any) -> ConvertRequest:
    return ConvertRequest(f"again_nets:{factory}", ("onnx",), samples=str(folder / "s.npz"), **said)


def test_every_artifact_against_the_recording(folder: Path) -> None:
    checks = verify(folder / "m.edge")
    assert [(check.target, check.scheme) for check in checks] == [
        (target, scheme) for target in ("onnx", "tflite", "coreml") for scheme in ("float32", "float16")
    ]
    for check in checks:
        assert check.verdict.passed is True
        assert check.file == f"{check.target}/{check.scheme}{SUFFIXES[check.target]}"
    assert checks[0].verdict.samples == 5


def test_only_what_is_named(folder: Path) -> None:
    assert [(c.target, c.scheme) for c in verify(folder / "m.edge", target="tflite", scheme="float16")] == [
        ("tflite", "float16")
    ]
    with pytest.raises(InputError, match="load onnx/int8: the bundle has no such artifact"):
        verify(folder / "m.edge", target="onnx", scheme="int8")


def test_the_users_bounds(folder: Path) -> None:
    (check,) = verify(folder / "m.edge", target="onnx", scheme="float16", tolerance={"sqnr_db": 190})
    assert check.verdict.passed is False
    assert "the tolerance is 190 dB" in check.verdict.problems[0]


def test_anew_against_the_original(folder: Path) -> None:
    checks = verify(folder / "m.edge", against=against(folder, "build"), target="onnx")
    assert all(check.verdict for check in checks)
    checks = verify(folder / "m.edge", against=against(folder, "other"), target="onnx")
    assert not any(check.verdict for check in checks)


def test_against_a_model_of_another_signature(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"its outputs are output_0: float32\[1, 3\], the original's output_0: float32\[1, 5\]"
    ):
        verify(folder / "m.edge", against=against(folder, "wider"))


def test_a_model_file(folder: Path) -> None:
    (check,) = verify(folder / "m.onnx", against=against(folder, "build"))
    assert check.verdict
    assert check.to_json()["file"] == "m.onnx"
    (check,) = verify(folder / "m.onnx", against=against(folder, "other"))
    assert not check.verdict
    with pytest.raises(InputError, match="a model file has no recorded outputs; name its original: --against MODEL"):
        verify(folder / "m.onnx")
    with pytest.raises(
        InputError, match="it takes input, the original x; name the original's inputs alike: --input-name"
    ):
        verify(
            folder / "m.onnx",
            against=ConvertRequest("again_nets:build", ("onnx",), input_names=("x",), shapes={"x": (1, 4)}),
        )
