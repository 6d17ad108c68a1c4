"""The search for the best file within a budget, on a network trained on digits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import edgekit
from edgekit.convert.prepare import prepare, reference_runs
from edgekit.convert.request import ConvertRequest
from edgekit.errors import InputError, VerificationError
from edgekit.metrics import MetricLoss
from edgekit.quantize.coreml_layers import operations
from edgekit.samples import RawSamples
from edgekit.tune import Budget, Candidate, Tried, parse_drop, tune, workshop
from edgekit.tune.journal import Journal
from edgekit.tune.search import _repaired, chosen, frontier
from edgekit.tune.workshop import Workshop
from edgekit.verify.speed import Speed
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

PIXELS, LABELS = load_digits(return_X_y=True)
IMAGES = (PIXELS / 16).astype(np.float32).reshape(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def network() -> Any:
    """Two convolutions; one channel of the first is 3,000 times as loud as the others, which int8 does not bear."""
    torch.manual_seed(0)
    first, second = torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.Conv2d(16, 16, 3, padding=1)
    layers = torch.nn.Sequential(
        first, torch.nn.ReLU(), second, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(1024, 10)
    )
    optimizer = torch.optim.Adam(layers.parameters(), 2e-3)
    x, y = torch.from_numpy(IMAGES[:800]), torch.from_numpy(LABELS[:800])
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layers(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        first.weight[0] *= 3000
        first.bias[0] *= 3000
        second.weight[:, 0] /= 3000
    return layers.eval()


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("labels") / "y.npy"
    np.save(path, LABELS[800:])
    return str(path)


def search(network: Any, labels: str, output: Path, **given: Any) -> Any:
    targets = given.pop("targets", ("onnx",))
    request = ConvertRequest(model="network", targets=targets, labels=labels, metric="accuracy")
    samples = RawSamples({"": IMAGES[800:]}, "nameless", "an array")
    return tune(request, output, native=network, given=samples, **({"drop": 0.02, "objective": "size"} | given))


def test_the_search_keeps_all_that_it_tried(network: Any, labels: str, tmp_path: Path) -> None:
    steps: list[str] = []
    result = search(network, labels, tmp_path / "m.edge", event=lambda _, step, __: steps.append(step))
    best = result.best["onnx"]
    assert best.metric is not None
    assert best.metric.high <= 0.02
    assert best.bytes == min(
        one.bytes for one in result.tried if result.budget.keeps(one.metric) and one.candidate.scheme != "float32"
    )
    bundle = edgekit.Bundle.open(result.bundle)
    assert {one.scheme for one in bundle.manifest.artifacts} == {"float32", best.candidate.scheme}

    document = json.loads((result.folder / "tune.json").read_text())
    assert document == result.to_json()
    assert [row["name"] for row in document["candidates"] if row["best"]] == [best.candidate.name]
    picture = ET.parse(result.folder / "pareto.svg").getroot()
    circles = picture.findall("{http://www.w3.org/2000/svg}circle/{http://www.w3.org/2000/svg}title")
    assert len(circles) == sum(one.metric is not None for one in result.tried)

    # A second search finds everything in the journal, and the same answer.
    again: list[str] = []
    second = search(network, labels, tmp_path / "m.edge", force=True, event=lambda _, step, __: again.append(step))
    assert any(step.startswith("try") for step in steps)
    assert not [step for step in again if step.startswith("try")]
    assert second.to_json() == result.to_json()


@pytest.mark.parametrize("target", ["onnx", "tflite", "coreml"])
def test_layers_that_cost_most_stay_in_float(target: str, network: Any, labels: str, tmp_path: Path) -> None:
    request = ConvertRequest(model="network", targets=(target,), labels=labels, metric="accuracy")
    samples = RawSamples({"": IMAGES[800:]}, "nameless", "an array")
    prepared = prepare(replace(request, schemes=("int8",)), lambda _: None, network, samples)
    steps: list[str] = []
    shop = Workshop(
        prepared, request, reference_runs(prepared), Journal(tmp_path, ""), tmp_path, steps.append, for_speed=True
    )
    broken = shop.tried(Candidate(target, "int8"))
    budget = Budget("accuracy", 0.02)
    assert not budget.keeps(broken.metric), "int8 alone was to fail"
    order = shop.by_sensitivity(Candidate(target, "int8"))
    assert len(order) == 3
    assert sum("alone" in step for step in steps) == 3
    (repaired,) = _repaired(shop, broken, budget)
    assert budget.keeps(repaired.metric)
    # The convolutions write and read what is 3,000 times as loud in one channel: no other range helps them.
    left = repaired.candidate.skip
    assert 1 <= len(left) <= 2
    assert left == tuple(order[: len(left)])
    assert repaired.made is not None
    assert broken.made is not None
    assert f"{', '.join(sorted(left))} left in float32" in repaired.made.notes[-1]
    # As many weights fewer are in integers.
    assert integers(repaired.made.path) == integers(broken.made.path) - len(left) > 0


@pytest.mark.parametrize("for_speed", [True, False])
def test_what_cannot_win_is_measured_on_fewer_samples(
    for_speed: bool,
    network: Any,
    labels: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workshop, "_IF_SLOWER", 50)
    request = ConvertRequest(model="network", targets=("tflite",), labels=labels, metric="accuracy", threads=1)
    samples = RawSamples({"": IMAGES[800:]}, "nameless", "an array")
    prepared = prepare(replace(request, schemes=("int8",)), lambda _: None, network, samples)
    steps: list[str] = []
    journal, reference = Journal(tmp_path, ""), reference_runs(prepared)
    shop = Workshop(prepared, request, reference, journal, tmp_path, steps.append, for_speed=for_speed)
    every = len(prepared.samples)
    float32 = shop.tried(Candidate("tflite", "float32"))
    assert float32.metric is not None
    assert float32.metric.samples == every
    # LiteRT has no fast arithmetic for activations of 16 bits.
    slow = shop.tried(Candidate("tflite", "int16x8"))
    assert slow.verdict is not None
    assert slow.verdict.speed is not None
    assert slow.verdict.speed.word == "slower"
    assert slow.metric is not None
    assert slow.metric.samples == slow.verdict.samples == (50 if for_speed else every)
    assert "schemes, about" in steps[-1]
    # Faster than float32 or not: a hundred times as fast is none.
    outrun = shop.tried(Candidate("tflite", "float16"), rival=100.0)
    assert outrun.metric is not None
    assert outrun.metric.samples == (50 if for_speed else every)
    # Without a rival all samples are measured, unless it is slower than float32.
    dynamic = shop.tried(Candidate("tflite", "int8-dynamic"))
    assert dynamic.verdict is not None
    assert dynamic.verdict.speed is not None
    assert dynamic.metric is not None
    assert dynamic.metric.samples == (50 if for_speed and dynamic.verdict.speed.word == "slower" else every)


def test_leaders_are_timed_once_more_in_one_run(network: Any, labels: str, tmp_path: Path) -> None:
    request = ConvertRequest(model="network", targets=("tflite",), labels=labels, metric="accuracy", threads=1)
    prepared = prepare(request, lambda _: None, network, RawSamples({"": IMAGES[800:]}, "nameless", "an array"))
    journal, steps = Journal(tmp_path, ""), list[str]()
    shop = Workshop(prepared, request, reference_runs(prepared), journal, tmp_path, steps.append, for_speed=True)
    base = shop.tried(Candidate("tflite", "float32"))
    measured = [shop.tried(Candidate("tflite", scheme)) for scheme in ("int8-weights", "int8-dynamic")]
    # As if each had been timed in a lucky moment.
    lucky = [Speed(99.0, 98.0, 100.0, "faster", 0.01, ms) for ms in (0.98, 0.99)]
    leaders = [
        replace(one, verdict=replace(one.verdict, speed=speed))
        for one, speed in zip(measured, lucky, strict=True)
        if one.verdict is not None
    ]
    again = shop.run_off(leaders)
    assert steps[-1] == "time 2 tflite files beside each other"
    speeds = [one.verdict.speed for one in again if one.verdict is not None and one.verdict.speed is not None]
    assert [one.candidate for one in again] == [one.candidate for one in measured]
    assert speeds[0].float32_ms == speeds[1].float32_ms, "not of one run"
    assert base.call_ms is not None
    for one, speed in zip(again, speeds, strict=True):
        assert 0.05 < speed.low <= speed.speedup <= speed.high < 20
        assert one.call_ms == pytest.approx(base.call_ms / speed.speedup)
        assert Journal(tmp_path, "").get(one.candidate) == one
    # What was timed in one run is not timed again.
    assert shop.run_off(again) == again
    assert len(steps) == len(set(steps))


def test_layers_that_the_runtime_joins_are_left_in_float(tmp_path: Path) -> None:
    """A linear layer over a sequence is a MatMul and an Add: one node, of another name, once it is to be quantized."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8)).eval()
    x = np.random.default_rng(0).normal(size=(60, 5, 8)).astype(np.float32)
    request = ConvertRequest(model="network", targets=("onnx",), threads=1)
    prepared = prepare(
        replace(request, schemes=("int8",)), lambda _: None, network, RawSamples({"": x}, "nameless", "x")
    )
    journal, reference = Journal(tmp_path, ""), reference_runs(prepared)
    shop = Workshop(prepared, request, reference, journal, tmp_path, lambda _: None, for_speed=True)
    whole = shop.tried(Candidate("onnx", "int8"))
    order = shop.by_sensitivity(whole.candidate)
    assert len(order) == 2
    part = shop.tried(replace(whole.candidate, skip=tuple(order[:1])))
    assert whole.made is not None
    assert part.made is not None
    assert (integers(whole.made.path), integers(part.made.path)) == (2, 1)
    unknown = shop.tried(replace(whole.candidate, skip=("node_nowhere",)))
    assert unknown.made is None
    assert "no such layers: node_nowhere" in unknown.error


def integers(path: Path) -> int:
    """How many weights of several dimensions a file holds in 8 bits."""
    if path.suffix == ".onnx":
        tensors = onnx.load(path).graph.initializer
        return sum(one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1 for one in tensors)
    if path.suffix == ".mlpackage":
        return sum(one.type == "constexpr_affine_dequantize" for one in operations(path))
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    graph = model.Subgraphs(0)
    every = [graph.Tensors(index) for index in range(graph.TensorsLength())]
    return sum(
        one.Type() == schema.TensorType.INT8 and one.ShapeLength() > 1 and model.Buffers(one.Buffer()).DataLength() > 64
        for one in every
    )


def test_every_target_has_its_best(network: Any, labels: str, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_quantizer")
    pytest.importorskip("coremltools")
    result = search(network, labels, tmp_path / "m.edge", targets=("tflite", "coreml"), drop=0.05)
    assert set(result.best) == {"tflite", "coreml"}
    for target in result.best:
        assert edgekit.load(result.bundle, target=target, scheme=result.best[target].candidate.scheme)
    timed = {one.candidate.target for one in result.tried if one.call_ms is not None}
    assert timed == {"tflite"}


def test_a_budget_that_nothing_keeps_names_the_nearest(network: Any, tmp_path: Path) -> None:
    with torch.no_grad():
        answers = network(torch.from_numpy(IMAGES[800:1000])).numpy()
    np.save(tmp_path / "y.npy", answers + np.random.default_rng(0).normal(0, 1e-4, answers.shape))
    request = ConvertRequest(model="network", targets=("onnx",), labels=str(tmp_path / "y.npy"), metric="mae")
    samples = RawSamples({"": IMAGES[800:1000]}, "nameless", "an array")
    with pytest.raises(VerificationError) as caught:
        tune(request, tmp_path / "m.edge", native=network, given=samples, drop=0.01)
    told = str(caught.value)
    assert caught.value.exit_code == 1
    assert re.search(r"nothing keeps it; the nearest is onnx \S+: mae \S+ → ", told), told
    assert re.search(r"allow [\d.]+%, or train with quantization", told)
    assert not (tmp_path / "m.edge").exists()
    assert (tmp_path / "m.edge.tune" / "pareto.svg").exists()


def test_too_few_labels_are_refused_with_how_many_it_takes(network: Any, labels: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"with 499 labelled samples .* may lose 0.76 points; give at least 765"):
        search(network, labels, tmp_path / "m.edge", drop=0.005)
    assert not list(tmp_path.iterdir())


def test_convert_takes_auto(network: Any, tmp_path: Path) -> None:
    given = {"samples": IMAGES[800:], "labels": LABELS[800:], "metric": "accuracy"}
    result = edgekit.convert(network, "onnx", quantize="auto", max_drop="5%", output=tmp_path / "m.edge", **given)
    assert result
    assert len(result.artifacts) == 2
    for wrong, why in [
        ({"quantize": "auto"}, "nothing says what may be lost"),
        ({"quantize": "auto,int8", "max_drop": 0.01}, "auto chooses the scheme itself"),
        ({"max_drop": 0.01}, "it belongs to --quantize auto"),
        ({"quantize": "auto", "max_drop": "1%", "metric": None, "labels": None}, "no metric says what may be lost"),
    ]:
        with pytest.raises(InputError, match=why):
            edgekit.convert(network, "onnx", output=tmp_path / "n.edge", **(given | wrong))


def test_the_command(network: Any, tmp_path: Path) -> None:
    torch.export.save(torch.export.export(network, (torch.zeros(1, 1, 8, 8),)), tmp_path / "digits.pt2")
    np.save(tmp_path / "x.npy", IMAGES[800:])
    np.save(tmp_path / "y.npy", LABELS[800:])
    command = [sys.executable, "-m", "edgekit", "tune", "digits.pt2", "--to", "onnx", "--samples", "x.npy"]
    command += ["--labels", "y.npy", "--max-drop", "5%", "--for", "size"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "best" in done.stdout
    assert "int8-dynamic" in done.stdout
    assert "wrote digits.edge; every candidate and the picture: digits.edge.tune/pareto.svg" in done.stderr
    done = subprocess.run([*command, "--force", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "try onnx" not in done.stderr, "an interrupted search goes on where it was"
    assert json.loads(done.stdout)["max_drop"] == 0.05


@pytest.mark.parametrize(("text", "drop"), [("0.5%", 0.005), ("0.005", 0.005), (" 2 % ", 0.02)])
def test_budgets_are_read(text: str, drop: float) -> None:
    assert parse_drop(text) == pytest.approx(drop)


@pytest.mark.parametrize("text", ["", "much", "0", "-1%", "60%", "nan"])
def test_no_budgets(text: str) -> None:
    with pytest.raises(InputError, match=re.escape("--max-drop")):
        parse_drop(text)


def tried(name: str, *, loss: float, high: float, size: int, speedup: float | None = None) -> Tried:
    metric = MetricLoss("accuracy", 0.9, 0.9 - loss, loss, -high, high, False, 1000, 0.5, "")
    speed = None
    if speedup is not None:
        word = "slower" if speedup < 0.95 else "faster"
        speed = Speed(speedup, speedup, speedup, word, 1 / speedup, 1.0)
    verdict = Verdict(True, "onnxruntime", 1000, False, Tolerance(), metric=metric, speed=speed)
    call_ms = None if speedup is None else 1 / speedup
    return Tried(Candidate("onnx", name), None, verdict, size, call_ms, 1.0)


BUDGET = Budget("accuracy", 0.005)


def test_the_choice() -> None:
    fast = tried("int8", loss=0.02, high=0.03, size=10, speedup=3.0)
    good = tried("int8-dynamic", loss=0.001, high=0.004, size=12, speedup=2.0)
    alike = tried("int8-weights", loss=0.001, high=0.004, size=11, speedup=1.95)
    small = tried("int4-weights", loss=0.001, high=0.004, size=5, speedup=0.5)
    assert chosen([fast], BUDGET, "speed") is None
    assert chosen([fast, good, small], BUDGET, "speed") is good
    assert chosen([fast, good, alike, small], BUDGET, "speed") is alike, "of two as fast, the smaller"
    assert chosen([fast, good, small], BUDGET, "size") is small
    assert chosen([small], BUDGET, "speed") is None, "slower than float32"
    assert BUDGET.needed(fast.metric) is None  # type: ignore[arg-type]
    unsure = replace(good.metric, high=0.008)  # type: ignore[type-var]
    assert BUDGET.needed(unsure) == pytest.approx(1000 * (7 / 4) ** 2, abs=1)


def test_what_nothing_beats() -> None:
    a = tried("int8", loss=0.01, high=0.02, size=10, speedup=3.0)
    b = tried("int8-dynamic", loss=0.0, high=0.01, size=20, speedup=1.0)
    beaten = tried("float16", loss=0.01, high=0.02, size=20, speedup=1.0)
    untimed = tried("int8-weights", loss=0.01, high=0.02, size=30)
    assert frontier([a, b, beaten, untimed]) == [a, b, untimed]


def test_a_journal_of_something_else_is_forgotten(tmp_path: Path) -> None:
    one = tried("int8", loss=0.01, high=0.02, size=10, speedup=3.0)
    journal = Journal(tmp_path, "a")
    journal.add(one)
    assert Journal(tmp_path, "a").get(one.candidate) == one
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"candidate": {"targ')  # killed while writing
    assert Journal(tmp_path, "a").all == (one,)
    assert Journal(tmp_path, "b").all == ()
