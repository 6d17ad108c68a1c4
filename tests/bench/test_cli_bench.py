"""``edgekit bench``, ``compare`` and ``history`` as a user calls them, once by the product's own protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from test_schemas import check, validator

from edgekit import devices
from edgekit.bench.history import History
from edgekit.bench.result import Result, read_result
from edgekit.cli.app import app
from edgekit.errors import InputError


def edgekit(folder: Path, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The command, with a history of its own."""
    environment = {**os.environ, "EDGEKIT_HISTORY": str(folder / "history.sqlite")}
    done = subprocess.run(
        [sys.executable, "-m", "edgekit", *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_a_measurement_and_its_gate(bench_bundle: Path, result: Result, tmp_path: Path) -> None:
    """One measurement of 10 s, in two processes rather than ten, beside a baseline that nothing can keep up with."""
    fast = tuple(
        replace(one, durations_ns=tuple(-(-duration // 1000) for duration in one.durations_ns))
        for one in result.processes
    )
    baseline = replace(result, processes=fast)
    (tmp_path / "baseline.json").write_text(json.dumps(baseline.to_json()), encoding="utf-8")
    done = edgekit(
        tmp_path, "bench", bench_bundle, "--target", "onnx", "--threads", "1", "--processes", "2", "-o", "result.json",
        "--gate", "baseline.json", "--max-regression", "5%", "--gate-on", "median,size", "--junit", "bench.xml",
        "--github", "--json", code=1,
    )  # fmt: skip
    document = check("bench", json.loads(done.stdout))
    assert document["calls"] >= 128
    assert sum(sum(one["durations_ns"]) for one in document["processes"]) > 10e9
    assert [one["outcome"] for one in document["gate"]][1] == "passed"
    assert document["gate"][0]["outcome"] in {"failed", "undecided"}
    assert document["gate"][0]["ratio"]["low"] > 100
    assert "process 1 of 2" in done.stderr
    # Annotations stay off a stdout that is one document.
    assert "::error title=edgekit bench net.edge onnx/float32::median" in done.stderr
    assert ET.parse(tmp_path / "bench.xml").getroot().get("tests") == "2"
    written = read_result(tmp_path / "result.json")
    assert written.to_json() == {key: value for key, value in document.items() if key != "gate"}
    _kept(tmp_path, written)


def _kept(folder: Path, result: Result) -> None:
    """It is in the history, is shown from there, and is a tie with itself."""
    listed = check("history", json.loads(edgekit(folder, "history", "--json").stdout))
    assert [(one["id"], one["median_ns"]) for one in listed["results"]] == [(1, result.median.value)]
    assert "net.edge onnx/float32" in edgekit(folder, "history").stdout
    shown = edgekit(folder, "history", "1").stdout
    assert shown.startswith("onnx/float32 of net.edge on onnxruntime ")
    for word in ("median", "95 % interval", "p99 ", "early-stopping bound", "first call", "peak memory", "stable: "):
        assert word in shown
    assert json.loads(edgekit(folder, "history", "1", "--json").stdout) == result.to_json()
    compared = check("compare", json.loads(edgekit(folder, "compare", "1", "result.json", "--json").stdout))
    assert (compared["verdict"], compared["ratio"]["value"]) == ("tie", 1)
    assert "is a tie with" in edgekit(folder, "compare", "1", "1").stdout


def test_sensors_and_minutes_are_in_the_schema(result: Result) -> None:
    sample = {
        **result.readings[0], "temperatures": {"cpu": 49.5}, "throttled": ["now"], "throttle_counts": {"cpu0": 1},
        "watts": {"VDD_IN": 5.0}, "joules": {"package": 1.5}, "clocks_mhz": {"cpu0": 2400.0},
    }  # fmt: skip
    one = result.processes[0]
    minute = {"durations_ns": [1, 2], "conditions": one.conditions, "yardstick_ns": 1}
    more = replace(
        result,
        readings=(sample,),
        energy={"watts": 5.0, "joules_a_call": 0.1, "samples": 9.0},
        sustained={"loops": 1, "minutes": [minute], "medians_ns": [1.5], "last_over_first": 1.0},
    )
    validator("bench").validate(json.loads(json.dumps(more.to_json())))


def test_refusals_come_before_the_measurement(
    bench_bundle: Path, tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEKIT_HISTORY", str(tmp_path / "history.sqlite"))
    (tmp_path / "there.json").write_text(json.dumps(result.to_json()), encoding="utf-8")
    model = str(bench_bundle)
    refused = {
        ("bench", model, "-o", "there.json"): "it exists already",
        ("bench", model, "--gate", "gone.json"): "No such file",
        ("bench", model, "--gate", "there.json", "--max-regression", "5"): "not a percentage",
        ("bench", model, "--max-regression", "5%"): "there is nothing to be worse than",
        ("bench", model, "--gate-on", "size"): "there is nothing to be worse than",
        ("bench", model, "--sustained", "long"): "not a duration",
        ("bench", model, "--device", "toaster"): "no such device",
        ("bench", model, "--gate", "there.json", "--gate-on", "tail"): "no such metric",
        ("bench", model, "--gate", "there.json", "--gate-on", ""): "no such metric",
        ("compare", model, "there.json"): "one is a model and the other a result",
        ("compare", model, model, "--artifacts", "onnx"): "1 named",
        ("compare", "7", "there.json"): "does not have it",
        **{
            ("bench", model, "--device", one.id): f"it is reached by {', '.join(one.transports)}, not local"
            for one in devices.profiles()
            if not {"local", "browser"} & set(one.transports)
        },
    }
    for arguments, why in refused.items():
        with pytest.raises(InputError) as caught:
            app(arguments, standalone_mode=False)
        assert why in str(caught.value), arguments
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.json"]


def test_a_history_that_cannot_be_kept_is_no_failure(tmp_path: Path, result: Result) -> None:
    from edgekit.cli.history import best_yardstick, keep

    (tmp_path / "file").write_text("in the way")
    broken = History(tmp_path / "file" / "history.sqlite")
    keep(result, broken)
    assert best_yardstick(broken, result.likeness) is None
