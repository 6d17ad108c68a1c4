"""Core ML artifacts where there is no Core ML: bundles, files, verdicts that say who executed what, and notes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.runtime import open_engine
from edgekit.verify.again import verify

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="Core ML itself runs there (not for macOS)")

REFERENCE = "edgekit Core ML reference"


class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.hidden = torch.nn.Linear(16, 8)
        self.scores = torch.nn.Linear(8, 3)
        self.scale = scale

    def forward(self, x: Any) -> Any:
        hidden = self.hidden(x) * self.scale
        return {"scores": self.scores(hidden / self.scale), "largest": hidden.abs().max() / self.scale}


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("coreml") / "m.edge"
    x = np.random.default_rng(0).standard_normal((6, 16)).astype("f4")
    return edgekit.convert(Network(3e5), ["onnx", "coreml"], samples=x, quantize="float16", output=path)


def row(result: Any, target: str, scheme: str) -> Any:
    return next(one for one in result.artifacts if (one["target"], one["scheme"]) == (target, scheme))


def test_a_coreml_artifact_is_executed_compared_and_not_timed(converted: Any) -> None:
    made = row(converted, "coreml", "float32")
    assert made["verdict"]["passed"] is True
    assert made["verdict"]["executed_by"] == REFERENCE
    assert made["verdict"]["identical"] or made["verdict"]["sqnr_db"] > 100
    assert made["call_ms"] is None
    assert made["verdict"]["notes"] == [
        "executed in software; the Neural Engine, the GPU and Apple's compiler were not exercised"
    ]
    assert row(converted, "onnx", "float32")["call_ms"] > 0


def test_a_half_precision_overflow_is_named_with_its_layer(converted: Any) -> None:
    made = row(converted, "coreml", "float16")
    assert made["verdict"]["passed"] is False
    found = [note for note in made["verdict"]["notes"] if "overflow to infinity" in note]
    assert found, made["verdict"]["notes"]
    assert "half precision in layer" in found[0]


def test_a_real_runtime_is_preferred_and_the_reference_taken_by_name(converted: Any) -> None:
    assert edgekit.load(converted.bundle).runtime.startswith("onnxruntime")
    session = edgekit.load(converted.bundle, target="coreml")
    assert (session.runtime, session.emulated) == (REFERENCE, True)
    x = np.random.default_rng(1).standard_normal((1, 16)).astype("f4")
    want = edgekit.load(converted.bundle, target="onnx").run({"x": x})
    got = session.run({"x": x})
    # Core ML has no arrays without dimensions; the session gives what the original gave.
    assert got["largest"].shape == want["largest"].shape == ()
    for name, array in want.items():
        np.testing.assert_allclose(got[name], array, rtol=1e-5, atol=1e-6)
    assert session.self_test()


def test_bound_buffers(converted: Any) -> None:
    bound = edgekit.load(converted.bundle, target="coreml").bind()
    bound.inputs["x"][:] = 1
    bound()
    want = edgekit.load(converted.bundle, target="onnx").run({"x": np.ones((1, 16), "f4")})
    np.testing.assert_allclose(bound.outputs["scores"], want["scores"], rtol=1e-5, atol=1e-6)


def test_a_bundle_is_verified_again(converted: Any) -> None:
    (check,) = verify(converted.bundle, target="coreml", scheme="float32")
    assert check.verdict.executed_by == REFERENCE


def package(tmp_path: Path, module: Any, shape: tuple[int, ...]) -> Path:
    from edgekit.convert.coreml_file import import_coremltools

    ct = import_coremltools("torch")
    path = tmp_path / "m.mlpackage"
    ct.convert(
        torch.jit.trace(module.eval(), torch.randn(shape), check_trace=False),
        inputs=[ct.TensorType(name="x", shape=shape)],
        outputs=[ct.TensorType(name="y")],
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    ).save(str(path))
    return path


class Noise(torch.nn.Module):  # type: ignore[name-defined,misc]
    def forward(self, x: Any) -> Any:
        return x + torch.randn_like(x)


@pytest.mark.filterwarnings("ignore:.*has been deprecated:torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_random_numbers_are_not_comparable(tmp_path: Path) -> None:
    engine = open_engine("coreml", package(tmp_path, Noise(), (1, 4)))
    assert "draws random numbers (random_normal)" in engine.incomparable
    assert engine.run({"x": np.zeros((1, 4), "f4")})["y"].std() > 0


def test_threads_are_given_back(converted: Any) -> None:
    before = torch.get_num_threads()
    edgekit.load(converted.bundle, target="coreml", threads=1).run({"x": np.ones((1, 16), "f4")})
    assert torch.get_num_threads() == before


def test_a_file_of_its_own(tmp_path: Path) -> None:
    path = package(tmp_path, torch.nn.Linear(4, 2), (1, 4))
    session = edgekit.load(path)
    assert str(session.signature.inputs[0]) == "x: float32[1, 4]"
    assert session.run({"x": np.ones((1, 4), "f4")})["y"].shape == (1, 2)
    with pytest.raises(InputError, match=r"load .*missing\.mlmodel: no such file"):
        edgekit.load(tmp_path / "missing.mlmodel")
