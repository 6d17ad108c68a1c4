"""A task's metric and the speed beside float32, measured by ``convert`` on a network trained on digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.errors import InputError

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

PIXELS, LABELS = load_digits(return_X_y=True)
IMAGES = (PIXELS / 16).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(64, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
    optimizer = torch.optim.Adam(layers.parameters(), 3e-3)
    x, y = torch.from_numpy(IMAGES[:1000]), torch.from_numpy(LABELS[:1000])
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layers(x), y).backward()
        optimizer.step()
    return layers.eval()


@pytest.fixture(scope="module")
def slow() -> Any:
    """Many small layers: more work to round each one's input than to multiply it."""
    torch.manual_seed(0)
    layers = [layer for _ in range(20) for layer in (torch.nn.Linear(32, 32), torch.nn.Tanh())]
    return torch.nn.Sequential(*layers).eval()


def rows_of(result: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["target"], row["scheme"]): row["verdict"] for row in result.artifacts}


def test_the_metric_is_of_the_original_and_of_each_file(network: Any, tmp_path: Path) -> None:
    images, labels = IMAGES[1000:], LABELS[1000:]
    result = edgekit.convert(
        network, ["onnx", "coreml"], samples=images, labels=labels, metric="accuracy", quantize="int8-weights",
        output=tmp_path / "m.edge", allow_slower=True,
    )  # fmt: skip
    assert result, str(result)
    with torch.no_grad():
        right = float((network(torch.from_numpy(images)).numpy().argmax(axis=1) == labels).mean())
    for (target, scheme), verdict in rows_of(result).items():
        loss = verdict["metric"]
        assert loss["original"] == pytest.approx(right), target
        assert loss["samples"] == len(labels)
        assert loss["low"] <= loss["loss"] <= loss["high"]
        assert abs(loss["loss"]) < 0.02
        assert (verdict["speed"] is not None) == (target == "onnx" and scheme != "float32")
    session = edgekit.load(tmp_path / "m.edge", scheme="int8-weights")
    (name,) = session.signature.output_names
    found = np.concatenate([session.run({"input": row[None]})[name] for row in images]).argmax(axis=1)
    measured = rows_of(result)["onnx", "int8-weights"]["metric"]["converted"]
    assert measured == pytest.approx((found == labels).mean())
    kept = {
        a.target: a.verdict
        for a in edgekit.Bundle.open(tmp_path / "m.edge").manifest.artifacts
        if a.scheme == "float32"
    }
    assert kept["onnx"].metric is not None


def test_labels_stay_with_their_samples_where_some_tell_ranges(network: Any, tmp_path: Path) -> None:
    images, labels = IMAGES[1000:], LABELS[1000:]
    result = edgekit.convert(
        network, "onnx", samples=images, labels=labels, metric="accuracy", quantize="int8", allow_slower=True,
        output=tmp_path / "m.edge",
    )  # fmt: skip
    assert result, str(result)
    for verdict in rows_of(result).values():
        assert verdict["metric"]["samples"] == len(labels) - len(labels) // 2
        assert verdict["metric"]["original"] > 0.8, "labels of other samples"


def test_samples_for_ranges_given_apart(network: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "ranges.npy", IMAGES[:200])
    result = edgekit.convert(
        network, "onnx", samples=IMAGES[1000:1100], calibration=tmp_path / "ranges.npy", quantize="int8",
        allow_slower=True, output=tmp_path / "m.edge",
    )  # fmt: skip
    assert result, str(result)
    assert {verdict["samples"] for verdict in rows_of(result).values()} == {100}
    with pytest.raises(InputError, match="no scheme takes ranges from samples; those that do are int8, int16x8"):
        edgekit.convert(
            network, "onnx", samples=IMAGES[:9], calibration=tmp_path / "ranges.npy", output=tmp_path / "n.edge"
        )


def test_slower_than_float32_is_refused_unless_allowed(slow: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 32)).astype(np.float32)
    given = {"samples": x, "quantize": "int8-dynamic", "tolerance": {"sqnr_db": 0.0}}
    result = edgekit.convert(slow, "onnx", output=tmp_path / "m.edge", **given)
    assert not result
    assert result.exit_code == 1
    (failure,) = result.failed
    assert "x float32's speed here" in str(failure.error)
    assert "--allow-slower" in str(failure.error)
    (row,) = [row for row in result.artifacts if row["scheme"] == "int8-dynamic"]
    assert row["file"] is None
    assert row["verdict"]["speed"]["word"] == "slower"
    assert row["verdict"]["speed"]["high"] < 0.95
    assert [one.scheme for one in edgekit.Bundle.open(tmp_path / "m.edge").manifest.artifacts] == ["float32"]
    allowed = edgekit.convert(slow, "onnx", output=tmp_path / "n.edge", allow_slower=True, **given)
    assert allowed, str(allowed)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"metric": "accuracy"}, "there are no labels to measure it by; give --labels"),
    ({"labels": LABELS[:50]}, "nothing is measured by them; give --metric: accuracy"),
    ({"metric": "accuracy", "labels": LABELS[:49]}, "it holds 49 labels, and there are 50 samples"),
    ({"metric": "accuracy", "labels": LABELS[:50] + 5}, "the labels go from 5 to 14, the model has 10 classes"),
    ({"metric": "recall", "labels": LABELS[:50]}, "the metrics are accuracy"),
    ({"metric": "accuracy", "labels": LABELS[:50], "samples": None}, "there are no samples to measure it on"),
]


@pytest.mark.parametrize(("given", "why"), REFUSALS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_cannot_be_measured_is_refused_before_any_work(
    given: dict[str, Any], why: str, network: Any, tmp_path: Path
) -> None:
    asked = {"samples": IMAGES[:50], "input_shapes": {"input": (1, 64)}} | given
    with pytest.raises(InputError, match=why):
        edgekit.convert(network, "onnx", output=tmp_path / "m.edge", **asked)
    assert not list(tmp_path.iterdir())


def test_the_command_measures_by_a_function_of_ones_own(network: Any, tmp_path: Path) -> None:
    torch.export.save(torch.export.export(network, (torch.zeros(1, 64),)), tmp_path / "m.pt2")
    (tmp_path / "house.py").write_text(
        "def sure(outputs, labels):\n"
        "    scores = outputs['output_0']\n"
        "    return (scores[range(len(labels)), labels] > 0).mean()\n"
    )
    np.save(tmp_path / "x.npy", IMAGES[1000:1200])
    (tmp_path / "y.csv").write_text("digit\n" + "\n".join(map(str, LABELS[1000:1200])) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", "convert", "m.pt2", "--samples", "x.npy", "--metric", "house:sure",
         "--labels", "y.csv", "--quantize", "int8-weights", "--allow-slower", "--json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["artifacts"]
    assert {row["scheme"] for row in rows} == {"float32", "int8-weights"}
    for row in rows:
        assert row["verdict"]["metric"]["metric"] == "house:sure"
        assert row["verdict"]["metric"]["original"] > 0.5
    shown = subprocess.run(
        [sys.executable, "-m", "edgekit", "convert", "m.pt2", "--samples", "x.npy", "--metric", "accuracy", "--force",
         "--labels", "y.csv"], cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "onnx float32: accuracy 9" in shown.stderr
    assert "points, 95 % interval" in shown.stderr
