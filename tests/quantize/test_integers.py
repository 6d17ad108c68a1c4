"""Eight and four bits on every target: smaller, close to the original on samples that told no ranges, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.errors import ConversionError, InputError
from edgekit.quantize.calibration import split
from edgekit.samples import Samples

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("ai_edge_quantizer")
pytest.importorskip("coremltools")

DIGITS, LABELS = load_digits(return_X_y=True)
# So small a network is as fast in float32.
SLOWER: dict[str, Any] = {"allow_slower": True}
IMAGES = (DIGITS / 16).astype(np.float32).reshape(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def network() -> Any:
    """A small convolutional network, trained on handwritten digits for a moment."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(512, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(layers.parameters(), 3e-3)
    x, y = torch.from_numpy(IMAGES[:1200]), torch.from_numpy(LABELS[:1200])
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layers(x), y).backward()
        optimizer.step()
    return layers.eval()


# Of each target, its schemes and the share of the float32 file that the quantized one may take.
SIZES = {
    "onnx": {"int8-dynamic": 0.4, "int8-weights": 0.4, "int4-weights": 0.4, "int8": 0.5},
    "tflite": {"int8-dynamic": 0.4, "int8-weights": 0.4, "int4-weights": 0.3, "int8": 0.4, "int16x8": 0.4},
    "coreml": {"int8-weights": 0.4, "palette8": 0.5, "palette4": 0.3, "pruned50": 0.7},
}


@pytest.mark.parametrize("target", list(SIZES))
def test_schemes(target: str, network: Any, tmp_path: Path) -> None:
    samples = IMAGES[1200:1400]
    path = tmp_path / "m.edge"
    result = edgekit.convert(network, target, samples=samples, quantize=list(SIZES[target]), output=path, **SLOWER)
    assert result, str(result)
    rows = {row["scheme"]: row for row in result.artifacts}
    assert rows.keys() == {"float32", *SIZES[target]}
    with torch.no_grad():
        sure = network(torch.from_numpy(IMAGES[1400:])).numpy().argmax(axis=1)
    for scheme, share in SIZES[target].items():
        assert rows[scheme]["bytes"] < share * rows["float32"]["bytes"], scheme
        # Rounded, not untouched.
        assert 10 < rows[scheme]["verdict"]["sqnr_db"] < 90, scheme
        session = edgekit.load(path, target=target, scheme=scheme)
        (name,) = session.signature.output_names
        rows_at_once = [session.run({"input": image[None]})[name] for image in IMAGES[1400:]]
        agreement = (np.concatenate(rows_at_once).argmax(axis=1) == sure).mean()
        assert agreement > (0.93 if "4" in scheme else 0.97), (scheme, agreement)


def test_ranges_and_comparison_share_no_sample(network: Any, tmp_path: Path) -> None:
    samples = IMAGES[1200:1300]
    result = edgekit.convert(network, "onnx", samples=samples, quantize="int8", output=tmp_path / "m.edge", **SLOWER)
    assert [row["verdict"]["samples"] for row in result.artifacts] == [50, 50]
    calibration, rest = split(Samples({"input": samples}, batched=True), ["int8"], seed=0)
    assert calibration is not None
    both = np.concatenate([calibration.arrays["input"], rest.arrays["input"]])
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(samples, axis=0))


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_more_samples_than_are_merged_at_once_widen_the_ranges(target: str, network: Any, tmp_path: Path) -> None:
    # One bright picture among many dark ones: what forgets or averages it away cuts it off.
    dark = IMAGES[1200:1201] * np.linspace(0.005, 0.01, 80, dtype=np.float32)[:, None, None, None]
    bright = IMAGES[1300:1301]
    samples = np.concatenate([bright, dark[:40], bright, dark[40:], bright, dark, bright])
    result = edgekit.convert(
        network,
        target,
        samples=samples,
        quantize="int8",
        output=tmp_path / "m.edge",
        tolerance={"sqnr_db": 0.0},
        **SLOWER,
    )
    assert result, str(result)
    session = edgekit.load(tmp_path / "m.edge", scheme="int8")
    (name,) = session.signature.output_names
    answer = session.run({"input": bright})[name]
    with torch.no_grad():
        wanted = network(torch.from_numpy(bright)).numpy()
    assert np.abs(answer - wanted).max() < 0.1 * np.abs(wanted).max()


REFUSALS = [
    (None, "takes the activations' ranges from real inputs, and there are none"),
    (IMAGES[:12], "12 samples are too few"),
    (np.repeat(IMAGES[:1], 40, axis=0), "all samples are the same"),
]


@pytest.mark.parametrize(("samples", "why"), REFUSALS)
def test_samples_that_tell_no_ranges(samples: Any, why: str, network: Any, tmp_path: Path) -> None:
    shapes = {} if samples is not None else {"input": (1, 1, 8, 8)}
    with pytest.raises(InputError, match=why) as caught:
        edgekit.convert(
            network, "onnx", samples=samples, input_shapes=shapes, quantize="int8", output=tmp_path / "m.edge"
        )
    assert "give --samples with 100 to 512 inputs" in str(caught.value)
    assert not (tmp_path / "m.edge").exists()


def test_samples_with_nan_tell_no_ranges() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    rows[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        split(Samples({"x": rows}, batched=True), ["int8"], seed=0)


@pytest.mark.parametrize("scheme", ["int8-dynamic", "int8-weights", "int4-weights"])
def test_a_scheme_that_touches_nothing_is_an_error(scheme: str, tmp_path: Path) -> None:
    class Plain(torch.nn.Module):  # type: ignore[name-defined,misc]
        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.relu(x) * 2

    result = edgekit.convert(
        Plain(), "onnx", samples=np.ones((2, 4), "f4"), quantize=scheme, output=tmp_path / "m.edge"
    )
    (failure,) = result.failed
    assert isinstance(failure.error, ConversionError)
    assert "not one tensor of this model was quantized" in str(failure.error)


def test_linear_layers_are_quantized_to_four_bits(tmp_path: Path) -> None:
    # PyTorch writes them as Gemm, which onnxruntime's own quantizer passes by.
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64, bias=False)).eval()
    x = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    result = edgekit.convert(model, "onnx", samples=x, quantize="int4-weights", output=tmp_path / "m.edge", **SLOWER)
    assert result, str(result)
    bundle = edgekit.Bundle.open(tmp_path / "m.edge")
    content = bytes(bundle.model_bytes(bundle.artifact("onnx", "int4-weights")))
    assert [node.op_type for node in onnx.load_from_string(content).graph.node].count("MatMulNBits") == 2
