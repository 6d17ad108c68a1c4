"""Measuring in a real Chromium: what it answers, what it refuses, and what is left when it is gone."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import psutil
import pytest
from browser_parts import PHONE, Phone, runtimes
from referencing import Registry, Resource
from short_protocol import SHORT

import edgekit
from edgekit import devices
from edgekit.bench.gate import check_same_environment
from edgekit.bench.measure import Settings, measure
from edgekit.bench.result import Result, read_result
from edgekit.bench.subject import resolve
from edgekit.bench.transports.browser import BrowserTransport
from edgekit.bench.transports.page_model import PageModel
from edgekit.bench.transports.reach import reach
from edgekit.cli.app import app
from edgekit.errors import ExecutionError, InputError, TransportError

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
ONNX = Settings(protocol=SHORT, target="onnx", timeout=120.0)
# A GPU that Chromium computes in software, so that WebGPU is there on every machine.
IMITATED = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan")


def browsers() -> list[psutil.Process]:
    """What runs below this process of a browser or its driver."""
    found = []
    for one in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if one.status() != psutil.STATUS_ZOMBIE and ("chrom" in one.name() or "playwright" in str(one.cmdline())):
                found.append(one)
    return found


@pytest.fixture
def way() -> Iterator[BrowserTransport]:
    with BrowserTransport(runtimes=runtimes()) as transport:
        yield transport
    psutil.wait_procs(browsers(), timeout=10)
    assert browsers() == []


def request(bundle: Path, kind: str = "time", **changes: Any) -> dict[str, Any]:
    settings = replace(ONNX, **changes)
    subject = resolve(
        bundle, bundle.parent, target=settings.target, scheme=None, samples=None, formats=("onnx", "tflite")
    )
    return settings.request(kind, [subject])


def work(
    way: BrowserTransport, asked: dict[str, Any], timeout: float = 60.0, tick: Callable[[], None] = lambda: None
) -> Any:
    return way.work(asked, timeout=timeout, tick=tick)


def check_schema(result: Result) -> None:
    registry: Any = Registry().with_resources(
        (path.name, Resource.from_contents(json.loads(path.read_text("utf-8"))))
        for path in SCHEMAS.glob("*.schema.json")
    )
    schema = json.loads((SCHEMAS / "bench.schema.json").read_text("utf-8"))
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    jsonschema.Draft202012Validator(schema, registry=registry).validate(document)
    assert Result.from_json(document) == result


def check_measured(result: Result, runtime: str, provider: str) -> None:
    check_schema(result)
    assert result.transport == "browser"
    assert result.device == "browser-desktop"
    assert result.runtime.startswith(runtime)
    assert result.providers == (provider,)
    assert result.settings["threads"] >= 1
    browser = result.environment.browser
    assert browser is not None
    assert (browser["name"], browser["fresh"], browser["isolated"], browser["gpu"]) == ("Chrome", "process", True, None)
    assert 1_000 <= browser["clock_ns"] <= 100_000
    # What the clock's steps do to a value is about a hundredth of it.
    assert np.median(result.processes[0].durations_ns) > 50 * browser["clock_ns"]
    assert 1e3 < result.median.value < 1e8
    assert result.memory is not None
    assert 1e7 < (result.memory["before_bytes"] or 0) <= (result.memory["peak_bytes"] or 0)
    assert all(one.conditions["cpu_seconds"] > 0 for one in result.processes)
    assert result.verdict is not None
    assert result.verdict["passed"]
    assert result.verdict["executed_by"] == result.runtime


def test_litert_js_in_chromium(way: BrowserTransport, bench_bundle: Path) -> None:
    result = measure(bench_bundle, replace(ONNX, target="tflite"), transport=way)
    check_measured(result, "litert.js ", "XNNPACK")


def test_onnx_runtime_web_by_the_command_line(
    bench_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgekit.bench.protocol.QUICK", SHORT)
    file = tmp_path / "result.json"
    options = ["--device", "browser-desktop", "--target", "onnx", "--web-runtimes", str(runtimes()), "--no-history"]
    with pytest.raises(SystemExit) as end:
        app(["bench", str(bench_bundle), *options, "-o", str(file)], prog_name="edgekit")
    assert end.value.code == 0
    check_measured(read_result(file), "onnxruntime-web ", "wasm")
    said = capsys.readouterr()
    assert "browser: Chrome" in said.out
    assert "outputs beside the recorded ones: passed on 4 samples by onnxruntime-web" in said.out
    assert "Traceback" not in said.err


def test_a_browser_is_an_environment_of_its_own(way: BrowserTransport, result: Result) -> None:
    there = replace(result, environment=way.environment(), transport="browser")
    with pytest.raises(InputError, match="browser"):
        check_same_environment(there, result)


def test_outputs_that_are_not_the_recorded_ones_are_told(way: BrowserTransport, bench_bundle: Path) -> None:
    asked = request(bench_bundle, "placement")
    one = asked["models"][0]
    model = PageModel.read(one)
    wrong = [(inputs, {name: -array for name, array in outputs.items()}) for inputs, outputs in model.golden]
    way._models[(one["path"], one["target"], one["scheme"], one["inputs"])] = replace(model, golden=wrong)
    assert work(way, asked)["verdict"]["passed"] is False


def test_two_formats_in_turn(way: BrowserTransport, bench_bundle: Path) -> None:
    both = [request(bench_bundle, target=target)["models"][0] for target in ("onnx", "tflite")]
    found = work(way, {**request(bench_bundle), "models": [*both, both[0]]})["models"]
    assert [one["providers"] for one in found] == [["wasm"], ["XNNPACK"], ["wasm"]]
    assert all(len(one["durations_ns"]) * one["loops"] >= 4 for one in found)


def test_webgpu_of_a_gpu_in_software_is_emulated(bench_bundle: Path) -> None:
    with BrowserTransport(runtimes=runtimes(), arguments=IMITATED) as way:
        (model,) = work(way, request(bench_bundle, providers=("webgpu",)))["models"]
        # It is taken where it is named, and not preferred to the processor.
        (other,) = work(way, {**request(bench_bundle), "preferred": ["webgpu"]})["models"]
    assert (model["providers"], model["emulated"]) == (["webgpu"], "a GPU in software (swiftshader)")
    assert (other["providers"], other["emulated"]) == (["wasm"], None)


@pytest.mark.parametrize(
    ("changes", "kind", "why"),
    [
        ({"providers": ("webgpu",)}, ExecutionError, "finds no GPU for WebGPU; take --provider wasm"),
        ({"target": "tflite", "providers": ("WebGPU",)}, ExecutionError, "take --provider XNNPACK"),
        ({"providers": ("CUDAExecutionProvider",)}, InputError, "no such provider there; take webgpu or wasm"),
        ({"profile_operators": True}, ExecutionError, "tell no operators' times; leave --profile off"),
    ],
)
def test_what_is_not_there_is_refused(
    way: BrowserTransport, bench_bundle: Path, changes: dict[str, Any], kind: type[Exception], why: str
) -> None:
    asked = request(bench_bundle, "profile" if "profile_operators" in changes else "time", **changes)
    with pytest.raises(kind, match=why) as refused:
        work(way, asked)
    assert "\n" not in str(refused.value)


def test_litert_js_refuses_what_it_does_not_take(way: BrowserTransport, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("litert_torch")

    class Positive(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x > 0

    samples = {"x": np.random.default_rng(0).standard_normal((4, 16)).astype("f4")}
    bundle = tmp_path / "positive.edge"
    assert edgekit.convert(Positive(), ["tflite"], samples=samples, input_names=["x"], output=bundle)
    with pytest.raises(ExecutionError, match=r"takes and gives float32, int32 and uint8 alone .*BOOL") as refused:
        work(way, request(bundle, target="tflite"))
    assert "\n" not in str(refused.value)


def test_a_browser_that_is_killed(way: BrowserTransport, bench_bundle: Path) -> None:
    asked = request(bench_bundle, protocol=replace(SHORT, min_seconds=60.0))

    def kill() -> None:
        for one in browsers():
            with suppress(psutil.Error):
                if "chrom" in one.name():
                    one.send_signal(signal.SIGKILL)

    with pytest.raises(TransportError, match=r"was closed while it measured|page crashed"):
        work(way, asked, tick=kill)
    # Another can be measured after it.
    assert work(way, request(bench_bundle))["models"]


def test_a_page_that_takes_too_long(way: BrowserTransport, bench_bundle: Path) -> None:
    way.environment()
    with pytest.raises(ExecutionError, match="took longer than 2 s; give a longer --timeout"):
        work(way, request(bench_bundle, protocol=replace(SHORT, min_seconds=60.0)), timeout=2.0)


def status(url: str, data: bytes | None = None) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data)) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


def test_who_does_not_know_the_address_gets_nothing() -> None:
    with BrowserTransport(None, address="127.0.0.1") as way:
        code, headers = status(way.url)
        assert code == 200
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        root, token = way.url.rstrip("/").rsplit("/", 1)
        assert len(token) >= 20
        assert status(f"{way.url}page/page.js")[0] == 200
        for name in ("page/../../protocol.py", "page/..%2f..%2fprotocol.py", "page/runtimes.json", "runtime/x/y.js"):
            assert status(f"{way.url}{name}")[0] == 404
        for wrong in (f"{token[:-1]}_/", "", "x/", f"{token[:-1]}/next?page=1"):
            assert status(f"{root}/{wrong}")[0] == 403
        assert status(f"{root}/x/answer", b'{"number": 1, "answer": {}}')[0] == 403


def test_a_phone_opens_the_page(bench_bundle: Path) -> None:
    folder = runtimes()
    # A name that leads here is no safe address to a browser, as none of a network is without https.
    with Phone("--host-resolver-rules=MAP phone.test 127.0.0.1", f"--user-agent={PHONE}") as phone:
        invite = lambda url: phone.urls.put(url.replace("127.0.0.1", "phone.test"))  # noqa: E731
        with reach("browser:127.0.0.1", web_runtimes=folder, invite=invite, wait=60) as way:
            profile = devices.get("browser-phone")
            result = measure(bench_bundle, replace(ONNX, profile=profile), transport=way)
            check_schema(result)
            with pytest.raises(ExecutionError, match="without https a browser gives one thread"):
                way.work(request(bench_bundle, threads=2), timeout=60, tick=lambda: None)
    assert result.device == "browser-phone"
    assert result.environment.system == "Android"
    assert result.environment.memory_bytes is None
    assert result.memory is None
    assert result.settings["threads"] == 1
    assert result.environment.browser is not None
    assert result.environment.browser["fresh"] == "page"
    assert not result.environment.browser["isolated"]
    assert {one.conditions["others_cpus"] for one in result.processes} == {None}
    assert result.verdict is not None
    assert result.verdict["passed"]


def test_nobody_opens_the_page(bench_bundle: Path) -> None:
    with (
        reach("browser:127.0.0.1", wait=0.2) as way,
        pytest.raises(ExecutionError, match=r"open http://127\.0\.0\.1:\d+/.*: no page has answered in 0\.2 s"),
    ):
        measure(bench_bundle, ONNX, transport=way)


@pytest.mark.parametrize("host", ["browser:nonsense", "browser:127.0.0.1:99999", "browser:not.an.address:80"])
def test_what_is_no_browser(host: str) -> None:
    with pytest.raises(InputError, match="no such browser, and no address; give browser:chromium"):
        reach(host)


def test_a_browser_takes_no_options_of_other_ways(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--wheelhouse: browser: has no such thing"):
        reach("browser:", wheelhouse=tmp_path)
    with pytest.raises(InputError, match="--web-runtimes: pi@pi5 is no browser"):
        reach("pi@pi5", web_runtimes=tmp_path)
