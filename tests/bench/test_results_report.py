"""The report of measurements: what it says, how it is laid out, and that nothing in it is taken for HTML."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_report import HOSTILE, Page

from edgekit._report.drawing import Axis, Cell, cells, line, steps
from edgekit.bench.history import History
from edgekit.bench.profile import OperatorTime, Profile
from edgekit.bench.result import Result
from edgekit.bench.selection import gathered
from edgekit.bench.stability import Stability
from edgekit.cli.app import app
from edgekit.errors import InputError
from edgekit.report import write_results


def page(tmp_path: Path, *results: Result, **options: Any) -> str:
    write_results(results, tmp_path / "report.html", **options)
    return (tmp_path / "report.html").read_text("utf-8")


def variant(result: Result, factor: float, **model: Any) -> Result:
    """A result so many times as slow, of a file with other facts."""
    processes = tuple(
        replace(one, durations_ns=tuple(int(factor * ns) for ns in one.durations_ns)) for one in result.processes
    )
    return replace(result, processes=processes, model={**result.model, **model})


@pytest.fixture
def stable(result: Result) -> Result:
    return replace(result, stability=Stability(()))


def test_the_table_says_what_was_measured(bench_bundle: Path, stable: Result, tmp_path: Path) -> None:
    other = replace(
        variant(stable, 2, scheme="int8", sha256="1" * 64, bytes=18_600_000),
        stability=Stability(("other processes kept 1.2 of 2 processors busy",)),
    )
    html = page(tmp_path, stable, other, bundles=[bench_bundle], name="Two")
    first, second = Page(html).rows(html)[1:3]
    assert first.startswith("1 net.edge onnx / float32")
    assert "1 thread" in first
    # The verdict of the bundle's file of the same digest; the other file is not the bundle's.
    assert re.search(r"\d+\.\d dB", first)
    assert " dB" not in second
    assert "stable" in first
    assert "unstable" not in first
    assert second.count("unstable") == 2
    assert "18.6 MB" in second
    text = Page(html).text
    assert text.startswith("Two: edgekit report Two Measured by edgekit, protocol version 2.")
    assert "2 measurements of 1 model in 1 environment." in text
    assert "other processes kept 1.2 of 2 processors busy" in text
    assert "2. onnx / int8 , unstable" in text.replace(", unstable", " , unstable")
    assert 'class="point onnx hollow"' in html
    assert html.count('class="point onnx"') == 1


def test_an_emulated_result_carries_the_word_everywhere(stable: Result, tmp_path: Path) -> None:
    emulated = replace(stable, stability=Stability(("emulated: qemu imitates the processor",), emulated=True))
    html = page(tmp_path, stable, variant(emulated, 3, sha256="2" * 64))
    row = Page(html).rows(html)[2]
    assert row.count("emulated") == 2
    assert re.search(r"2\. onnx / float32[^<]*, emulated", html)
    assert "1 emulated" in Page(html).text


def test_nothing_of_a_result_is_html(result: Result, tmp_path: Path) -> None:
    operator = OperatorTime(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 10.0, 1.0)
    hostile = replace(
        result,
        model={**result.model, "file": HOSTILE},
        runtime=HOSTILE,
        providers=(HOSTILE,),
        environment=replace(result.environment, processor=HOSTILE, board=HOSTILE),
        stability=Stability((HOSTILE,)),
        readings=tuple({**result.readings[0], "temperatures": {HOSTILE: 40.0 + i}} for i in range(3)),
        profile=Profile(5, 20.0, (operator, replace(operator, name="b"))),
        processes=tuple(replace(one, disturbed=HOSTILE) for one in result.processes),
    )
    twice = (hostile, replace(hostile, model={**hostile.model, "scheme": HOSTILE, "sha256": "3" * 64}))
    html = page(tmp_path, *twice, name=HOSTILE, failures=[(HOSTILE, HOSTILE)])
    assert "<script" not in html
    parsed = Page(html)
    assert HOSTILE in parsed.text
    for tag, attributes in parsed.elements:
        assert tag not in {"script", "link", "iframe", "object"}
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:http|//)", html)


def test_readings_minutes_and_operators_are_drawn(stable: Result, tmp_path: Path) -> None:
    minute = {"durations_ns": [1, 2], "conditions": stable.processes[0].conditions, "yardstick_ns": 1}
    operators = (
        OperatorTime("conv", "Conv", "CPUExecutionProvider", "body.stem", 3e6, 0.75),
        OperatorTime("fc", "Gemm", "CPUExecutionProvider", "body.head", 1e6, 0.25),
    )
    shown = replace(
        stable,
        readings=tuple({**stable.readings[0], "temperatures": {"soc": t}} for t in (40.0, 61.5, 55.0)),
        sustained={"loops": 1, "minutes": [minute] * 3, "medians_ns": [1e6, 2e6, 1.5e6], "last_over_first": 1.5},
        profile=Profile(5, 5e6, operators),
    )
    html = page(tmp_path, shown)
    text = Page(html).text
    assert "1.00 ms in the first minute, 1.50 ms in the last: 1.50 times as long" in text
    assert "soc 40 °C 40 °C 61.5 °C 55 °C" in text
    assert "Conv 75 %" in text
    assert "conv body.stem Conv CPUExecutionProvider 3.00 ms 75 %" in text
    assert "body.stem.conv: 3.00\u00a0ms, 75.0\u00a0%" in html
    # Nothing stands beside a single measurement.
    assert "Side by side" not in text


def test_failures_are_listed(stable: Result, tmp_path: Path) -> None:
    text = Page(page(tmp_path, stable, failures=[("trees tflite / int8", "no such artifact")])).text
    assert "1 could not be measured" in text
    assert "trees tflite / int8 no such artifact" in text


def test_what_a_report_is_of(bench_bundle: Path, result: Result, tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    with pytest.raises(InputError, match="has no such result"):
        gathered([], history)
    history.add(result)
    history.add(variant(result, 2))
    assert gathered([], history).results[1].median.value > 1.9 * result.median.value
    assert len(gathered([], history, last=1).results) == 1
    folder = tmp_path / "suite"
    folder.mkdir()
    with pytest.raises(InputError, match="no result lies in it"):
        gathered([str(folder)], history)
    (folder / "a.json").write_text(json.dumps(result.to_json()))
    (folder / "b.failed.json").write_text(json.dumps({"schema": 1, "what": "b", "error": "why"}))
    found = gathered([str(folder), "2", str(bench_bundle)], history)
    assert (len(found.results), found.bundles, found.failures) == (2, [bench_bundle], [("b", "why")])
    with pytest.raises(InputError, match="one by one"):
        gathered([str(bench_bundle)] * 2, history)
    with pytest.raises(InputError, match="does not have it"):
        gathered(["77"], history)


def test_the_command(
    bench_bundle: Path,
    result: Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "result.json").write_text(json.dumps(result.to_json()))
    app(["report", "result.json", str(bench_bundle), "-o", "r.html", "--title", "Mine"], standalone_mode=False)
    assert "<h1>Mine</h1>" in (tmp_path / "r.html").read_text("utf-8")
    assert "wrote r.html" in capsys.readouterr().err
    with pytest.raises(InputError, match="exists"):
        app(["report", "result.json", "-o", "r.html"], standalone_mode=False)
    app(["report", str(bench_bundle), "-o", "r.html", "--force", "-q"], standalone_mode=False)
    assert "<h1>net.edge</h1>" in (tmp_path / "r.html").read_text("utf-8")


def test_axes() -> None:
    linear = Axis.of([10.0, 20.0])
    assert not linear.logarithmic
    assert [linear.at(value) for value in (10, 15, 20)] == pytest.approx([5.357, 50, 94.643], abs=0.01)
    assert Axis.of([1.0, 3.0], zero=True).at(0) == 0
    wide = Axis.of([1.0, 1000.0])
    assert wide.logarithmic
    assert wide.at(math.sqrt(1000)) == pytest.approx(50)
    assert [tick["text"] for tick in wide.ticks("{:g}".format)] == ["1", "10", "100", "1000"]
    assert [tick["text"] for tick in Axis(0, 10).ticks("{:g}".format)] == ["0", "5", "10"]
    # One value, and zeros, still have an axis.
    assert 0 < Axis.of([7.0]).at(7) < 100
    assert Axis.of([0.0, 0.0]).at(0) == pytest.approx(50)
    assert line([0, 1], Axis(0, 1)) == "0.00,100.00 100.00,0.00"


def test_the_front_is_what_nothing_else_beats() -> None:
    assert steps([(1, 9), (2, 10), (3, 4), (3, 5), (8, 4), (9, 1)]) == [(1, 9), (3, 4), (9, 1)]


def test_cells_lie_below_what_they_are_part_of() -> None:
    root = Cell("all")
    root.add(["a", "x"], 3, "k0", "Conv")
    root.add(["b"], 1, "k1", "Gemm")
    found = {str(one["title"]).partition(":")[0]: one for one in cells(root, "all", "{:g}".format)}
    assert {title: (one["left"], one["width"], one["depth"]) for title, one in found.items()} == {
        "all": (0, 100, 0), "a": (0, 75, 1), "a.x": (0, 75, 2), "b": (75, 25, 1),
    }  # fmt: skip
    assert [found["a.x"]["name"], found["b"]["kind"]] == ["Conv", "k1"]
    assert cells(Cell("none"), "none", str) == []
