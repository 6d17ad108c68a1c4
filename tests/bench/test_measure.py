"""Real measurements of a real bundle, by a protocol that is only shorter."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from short_protocol import SHORT

from edgekit import devices
from edgekit.bench.measure import Settings, measure
from edgekit.bench.protocol import FULL, QUICK, Protocol
from edgekit.bench.result import Result, read_result
from edgekit.bench.subject import resolve
from edgekit.bench.transports import LocalTransport
from edgekit.bundle import Bundle
from edgekit.errors import ExecutionError, InputError


def quiet() -> None:
    """A tick that does nothing."""


def test_the_products_protocols() -> None:
    """MLPerf Mobile's: 128 calls and 10 s, 1,024 and 60 s; percentiles need as many."""
    assert (QUICK.min_calls, QUICK.min_seconds) == (128, 10)
    assert (FULL.min_calls, FULL.min_seconds) == (1024, 60)
    for one in (QUICK, FULL):
        assert one.calls_a_process * one.processes >= one.min_calls
        assert one.seconds_a_process * one.processes == pytest.approx(one.min_seconds)


def test_a_measurement(result: Result, bench_bundle: Path) -> None:
    artifact = Bundle.open(bench_bundle).artifact("onnx")
    assert result.model == {
        "file": "net.edge", "target": "onnx", "scheme": "float32", "bytes": artifact.bytes, "sha256": artifact.sha256,
    }  # fmt: skip
    assert result.runtime.startswith("onnxruntime ")
    assert result.providers == ("CPUExecutionProvider",)
    assert sorted(result.placement) == ["CPUExecutionProvider"]
    assert "Gemm" in " ".join(result.placement["CPUExecutionProvider"])
    assert result.fell_back == ()
    assert len(result.used) >= 2
    for one in result.processes:
        timed = sum(one.durations_ns) / 1e9
        assert len(one.durations_ns) * one.loops >= SHORT.calls_a_process
        assert 0.05 < timed <= one.conditions["seconds"]
        assert one.bound
        assert sum(one.slices) == len(one.durations_ns)
        assert len(one.slices) == len(one.yardstick_ns)
        assert min(one.yardstick_ns) > 0
        assert all(duration > 0 for duration in one.cold.values())
    # A network of 13,000 multiplications a pixel row takes neither a microsecond nor a tenth of a second.
    assert 1e3 < result.median.low <= result.median.value <= result.median.high < 1e8
    assert result.cold["load_ns"] > result.median.value


def test_percentiles_are_of_single_calls(result: Result) -> None:
    assert [one.percentile for one in result.percentiles][:3] == [50, 90, 95]
    single = np.concatenate([one.single_calls_ns for one in result.used])
    if result.used[0].loops > 1:
        assert sum(len(one.singles_ns) for one in result.processes) >= SHORT.singles * len(result.processes)
        assert len(single) >= SHORT.quiet_share * SHORT.singles * len(result.used)
    values = [one.value for one in result.percentiles]
    assert values == sorted(values)
    assert all(one.bound >= one.value for one in result.percentiles)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is Linux's to tell")
def test_memory_is_a_pass_of_its_own(result: Result, bench_bundle: Path) -> None:
    assert result.memory is not None
    before, peak = result.memory["before_bytes"], result.memory["peak_bytes"]
    assert before is not None
    assert peak is not None
    # What the model adds is more than its file and less than what this process, with its frameworks, takes.
    assert result.model["bytes"] < peak - before < 200e6
    assert before > 10e6


def test_a_result_is_read_back_as_it_was(result: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(result.to_json()), encoding="utf-8")
    again = read_result(tmp_path / "result.json")
    assert again.to_json() == result.to_json()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[]", "it is none of schema 1"),
        ("{", "not JSON"),
        ('{"schema": 1, "protocol": {"version": 0}}', "it is version 0, and this edgekit measures by version 2"),
        ('{"schema": 1}', "it lacks 'protocol'; give what edgekit bench wrote"),
        ('{"schema": 1, "protocol": []}', "it is damaged"),
    ],
)
def test_what_is_no_result(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=why) as caught:
        read_result(tmp_path / "odd.json")
    assert "odd.json" in caught.value.asked


@pytest.mark.parametrize(("provider", "taken"), [("XNNPACK", True), ("CPU", False)])
def test_what_a_delegate_took_is_read_back(provider: str, taken: bool, bench_bundle: Path) -> None:
    result = measure(bench_bundle, Settings(protocol=SHORT, target="tflite", threads=1, providers=(provider,)))
    assert result.runtime.startswith("litert")
    assert result.cold["import_ns"] > 1e6  # the import is not part of the load; a fast machine needs 5 ms
    assert result.providers == (provider,)
    assert "CONV_2D" in result.placement[provider]
    assert (sorted(result.placement) == ["CPU"]) is not taken
    assert result.fell_back == ()


def test_a_provider_that_takes_nothing_is_seen_through(bench_bundle: Path) -> None:
    """The Azure provider of every onnxruntime is there, and computes nothing of such a model."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built without it")
    result = measure(bench_bundle, Settings(protocol=SHORT, target="onnx", providers=("AzureExecutionProvider",)))
    assert result.providers[0] == "AzureExecutionProvider"
    assert result.fell_back == result.placement["CPUExecutionProvider"] != ()
    # Of one that was asked for and is not even among those that the runtime took, likewise.
    asked = {**result.settings, "providers": ["TensorrtExecutionProvider"]}
    absent = replace(result, settings=asked, providers=("CPUExecutionProvider",))
    assert absent.fell_back == result.fell_back
    assert absent.first_choice == "TensorrtExecutionProvider"


def test_what_a_class_names_and_does_not_run_is_said(bench_bundle: Path) -> None:
    """An onnxruntime without CUDA on a board whose class prefers it: the figure is the processor's."""
    jetson = devices.get("jetson-orin-nano")
    result = measure(bench_bundle, Settings(SHORT, target="onnx", threads=1, profile=jetson, as_told=True))
    assert result.providers == ("CPUExecutionProvider",)
    assert result.missing_providers == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert result.first_choice == "TensorrtExecutionProvider"
    assert result.fell_back == result.placement["CPUExecutionProvider"] != ()
    assert Result.from_json(result.to_json()).missing_providers == result.missing_providers


def test_refusals(bench_bundle: Path) -> None:
    with pytest.raises(InputError, match=r"run on TensorrtExecutionProvider: this onnxruntime has .*CPUExecution"):
        measure(bench_bundle, Settings(SHORT, target="onnx", providers=("TensorrtExecutionProvider",)))
    with pytest.raises(InputError, match=r"run on gone\.so: no such delegate"):
        measure(bench_bundle, Settings(SHORT, target="tflite", providers=("gone.so",)))
    with pytest.raises(InputError, match="has no such artifact"):
        measure(bench_bundle, Settings(SHORT, target="onnx", scheme="int4"))
    with pytest.raises(InputError, match="protocol of one process"):
        replace(SHORT, processes=1)


@pytest.mark.skipif(sys.platform == "darwin", reason="there Core ML itself is measured")
def test_what_a_reference_runs_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "net.mlmodel").write_bytes(b"")
    with pytest.raises(ExecutionError, match="its time says nothing of a device"):
        measure(tmp_path / "net.mlmodel", Settings(SHORT))


def test_a_profile_chooses_threads_and_providers(bench_bundle: Path, tmp_path: Path) -> None:
    pi, jetson = devices.get("raspberry-pi-5"), devices.get("jetson-orin-nano")
    subject = resolve(bench_bundle, tmp_path, target="tflite", scheme=None, samples=None)
    request = Settings(profile=pi).request("time", [subject])
    assert (request["threads"], request["preferred"], request["providers"]) == (4, ["XNNPACK"], None)
    assert Settings(profile=pi, threads=2).request("time", [subject])["threads"] == 2
    subject = resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)
    # Of what the profile prefers, what is here is taken.
    request = {**Settings(SHORT, profile=jetson, threads=1).request("placement", [subject])}
    assert request["preferred"][0] == "TensorrtExecutionProvider"
    answer = LocalTransport().work(request, timeout=60, tick=quiet)
    assert sorted(answer["placement"]) == ["CPUExecutionProvider"]


def test_samples_of_the_users(bench_bundle: Path, tmp_path: Path) -> None:
    pixels = np.full((2, 3, 16, 16), 2, np.float32)
    np.savez(tmp_path / "mine.npz", pixels=pixels)
    subject = resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=tmp_path / "mine.npz")
    assert subject.inputs is not None
    with np.load(subject.inputs) as found:
        assert np.array_equal(found["pixels"], pixels[:1])


def test_a_model_file_on_random_input(bench_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(bench_bundle)
    path = bundle.extract(bundle.artifact("onnx"), tmp_path)
    told: list[float] = []
    result = measure(path, Settings(SHORT, threads=1), event=lambda _, done: told.append(done))
    # The steps are told as they come.
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] < 1
    assert result.model["file"] == path.name
    assert result.model["scheme"] is None
    assert result.model["sha256"] == bundle.artifact("onnx").sha256
    with pytest.raises(InputError, match=r"as tflite/int8: it is a model file; leave target and scheme off"):
        measure(path, Settings(SHORT, target="tflite", scheme="int8"))


def test_minutes_without_a_pause(bench_bundle: Path, tmp_path: Path) -> None:
    """The worker's minutes, here of 0.3 s: three of them, and what was left."""
    subject = resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)
    request = Settings(SHORT, threads=1).request("sustain", [subject], seconds=1.0, minute_seconds=0.3)
    ticks: list[float] = []
    answer = LocalTransport().work(request, timeout=60, tick=lambda: ticks.append(0))
    assert len(answer["minutes"]) == 4
    for one in answer["minutes"][:3]:
        assert sum(one["durations_ns"]) / 1e9 == pytest.approx(0.3, abs=0.15)
    assert ticks
    result = measure(bench_bundle, Settings(SHORT, target="onnx", threads=1, sustained=0.5))
    assert result.sustained is not None
    assert result.sustained["last_over_first"] == 1
    assert result.sustained["medians_ns"][0] == pytest.approx(result.median.value, rel=5)


@pytest.mark.skipif(sys.platform == "win32", reason="the fake Python is a shell script")
def test_a_worker_that_dies_or_hangs(bench_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)
    request = Settings(SHORT, threads=1).request("sustain", [subject], seconds=60.0)
    with pytest.raises(ExecutionError, match=r"one process took longer than 0\.5 s; give a longer --timeout"):
        LocalTransport().work(request, timeout=0.5, tick=quiet)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho killed by nobody >&2\nexit 9\n")
    (tmp_path / "python").chmod(0o755)
    with pytest.raises(ExecutionError, match="its process ended with code 9: killed by nobody"):
        LocalTransport().work(request, timeout=10, tick=quiet)


def test_a_worker_ends_with_its_parent(bench_bundle: Path, tmp_path: Path) -> None:
    subject = resolve(bench_bundle, tmp_path, target="onnx", scheme=None, samples=None)
    request = Settings(SHORT, threads=1).request("sustain", [subject], seconds=60.0)
    command = [sys.executable, "-m", "edgekit.bench.worker"]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(json.dumps(request).encode() + b"\n")
    worker.stdin.flush()
    time.sleep(1)
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(10) == 130
    worker.stdout.close()


def test_a_protocol_of_another_version_is_refused() -> None:
    with pytest.raises(InputError, match="version None"):
        Protocol.from_json({"name": "quick"})
    with pytest.raises(InputError, match="unexpected keyword"):
        Protocol.from_json({**QUICK.to_json(), "more": 1})
