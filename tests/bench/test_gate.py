"""Gates on a real result beside the same, made slower or unstable; what CI reads of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from test_schemas import validator

from edgekit.bench.ci import annotated, junit, of_compared, of_result
from edgekit.bench.compared import compare_results
from edgekit.bench.gate import Check, check, check_pair, parse_percent
from edgekit.bench.protocol import Protocol
from edgekit.bench.result import Result
from edgekit.bench.stability import Stability
from edgekit.bench.statistics import Estimate
from edgekit.cli.app import app
from edgekit.errors import InputError

SHAKEN = Stability(("other processes kept 1.0 of 2 processors busy",))
LEVELS = (0.99, 0.995, 1.0, 1.005, 1.01)


def like(result: Result, factor: float = 1.0, levels: tuple[float, ...] = LEVELS, **changes: Any) -> Result:
    """The result as if five processes had found the first one's durations, at these levels, times a factor."""
    first = replace(result.processes[0], disturbed="")
    processes = []
    for level in levels:
        slower = tuple(round(duration * factor * level) for duration in first.durations_ns)
        cold = {name: round(duration * factor * level) for name, duration in first.cold.items()}
        processes.append(replace(first, durations_ns=slower, cold=cold))
    protocol = Protocol("five", processes=len(levels), min_calls=1, min_seconds=0.1)
    stable = {"processes": tuple(processes), "protocol": protocol, "stability": Stability(())}
    return replace(result, **{**stable, **changes})


def outcome(now: Result, baseline: Result, metric: str = "median", limit: float = 0.05) -> Check:
    (found,) = check(now, baseline, limit, (metric,))
    return found


@pytest.mark.parametrize(("factor", "expected"), [(0.8, "passed"), (1.0, "passed"), (1.04, "passed"), (1.1, "failed")])
@pytest.mark.parametrize("metric", ["median", "cold"])
def test_two_stable_results(factor: float, expected: str, metric: str, result: Result) -> None:
    found = outcome(like(result, factor), like(result), metric)
    assert found.outcome == expected
    assert found.ratio.value == pytest.approx(factor, rel=1e-3)
    assert found.message.startswith(f"{metric} {expected}: {abs(factor - 1):.1%} {'more' if factor >= 1 else 'less'}")


def test_another_format_is_no_baseline(result: Result) -> None:
    other = like(result, model={**result.model, "scheme": "int8"})
    with pytest.raises(InputError, match=r"it is onnx/int8, and the baseline onnx/float32; name --target and --scheme"):
        check(other, like(result), 0.05)
    assert check(other, like(result), 0.05, anywhere=True)[0].outcome == "passed"
    # Of a bare file nobody knows the scheme.
    assert check(like(result, model={**result.model, "scheme": None}), like(result), 0.05)[0].outcome == "passed"


def test_a_difference_that_the_interval_does_not_bear_out(result: Result) -> None:
    found = outcome(like(result, 1.08, (0.8, 0.9, 1.0, 1.1, 1.2)), like(result))
    assert found.ratio.value > found.limit
    assert found.ratio.low < 1
    assert found.outcome == "passed"


@pytest.mark.parametrize(
    ("now", "baseline", "factor", "expected"),
    [
        (True, False, 0.9, "passed"),  # slowed, and fast enough all the same
        (True, False, 1.3, "undecided"),
        (False, True, 1.3, "failed"),  # slower than what was slowed
        (False, True, 0.9, "undecided"),
        (True, True, 0.9, "undecided"),
        (True, True, 1.3, "undecided"),
    ],
)
def test_unstable_results(now: bool, baseline: bool, factor: float, expected: str, result: Result) -> None:
    new = like(result, factor, **({"stability": SHAKEN} if now else {}))
    old = like(result, **({"stability": SHAKEN} if baseline else {}))
    found = outcome(new, old)
    assert found.outcome == expected
    assert ("unstable" in found.message) is (expected == "undecided")


def test_memory_and_size(result: Result) -> None:
    memory = {"before_bytes": 10_000_000, "peak_bytes": 20_000_000}
    old = like(result, memory=memory)
    assert outcome(like(result, memory=memory, stability=SHAKEN), old, "memory").outcome == "passed"
    more = like(result, memory={**memory, "peak_bytes": 22_000_000})
    assert outcome(more, old, "memory").message == "memory failed: 10.0% more than the baseline; allowed +5.0%"
    larger = like(result, model={**result.model, "bytes": result.model["bytes"] * 2})
    assert outcome(larger, old, "size").outcome == "failed"
    with pytest.raises(InputError, match="gate on memory: the baseline does not have it"):
        outcome(old, like(result, memory=None), "memory")
    with pytest.raises(InputError, match="gate on tail: no such metric"):
        outcome(old, old, "tail")


def test_results_of_different_environments(result: Result) -> None:
    elsewhere = replace(result.environment, processor="Cortex-A76", governor="ondemand")
    old, new = like(result, environment=elsewhere), like(result, settings={**result.settings, "threads": 4})
    with pytest.raises(InputError) as caught:
        check(new, old, 0.05)
    assert "processor Cortex-A76 and" in caught.value.why
    assert "governor ondemand and" in caught.value.why
    assert "threads 1 and 4" in caught.value.why
    assert check(new, old, 0.05, anywhere=True)[0].outcome == "passed"


def test_percentages() -> None:
    assert parse_percent("5%") == 0.05
    assert parse_percent(" 12.5 % ") == 0.125
    for text in ("5", "-5%", "five%", ""):
        with pytest.raises(InputError, match=r"write 5%"):
            parse_percent(text)


def test_junit(result: Result) -> None:
    now, old = like(result, 1.5), like(result)
    checks = [*check(now, old, 0.05, ("median", "size")), *check(like(result, stability=SHAKEN, factor=2), old, 0.05)]
    suite = ET.fromstring(junit(of_result(now, checks)))
    assert suite.tag == "testsuite"
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3", "failures": "1", "errors": "1",
    }  # fmt: skip
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["median", "size", "median"]
    failure = cases[0].find("failure")
    assert failure is not None
    assert failure.get("message") == checks[0].message
    assert cases[1].find("failure") is None
    assert cases[2].find("error") is not None
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["stability"] == "stable"
    assert float(properties["median_ns"] or 0) == pytest.approx(now.median.value, abs=1)
    # Without a gate there is one case, of the measurement itself.
    assert ET.fromstring(junit(of_result(now, ()))).get("tests") == "1"


def test_github(result: Result) -> None:
    now = like(result, 1.5, stability=SHAKEN, model={**result.model, "file": "a:b,c\n.edge"})
    lines = annotated(of_result(now, check(now, like(result), 0.05)))
    title = "title=edgekit bench a%3Ab%2Cc%0A.edge onnx/float32::"
    assert lines[0].startswith(f"::notice {title}median ")
    assert "(95 %25 interval" in lines[0]
    assert lines[1] == f"::warning {title}unstable: {SHAKEN.reasons[0]}"
    assert lines[2].startswith(f"::error {title}median undecided: 50.0%25 more")
    assert not any("\n" in line for line in lines)


@pytest.mark.parametrize(
    ("found", "stable", "shaken"),
    [
        ((1.00, 0.98, 1.02), "passed", "passed"),
        ((0.80, 0.79, 0.81), "passed", "passed"),
        # More than is allowed, and more than the first gives over itself.
        ((1.10, 1.06, 1.14), "failed", "failed"),
        # More than is allowed, as the first may be of itself.
        ((1.06, 1.01, 1.14), "passed", "undecided"),
        ((1.10, 1.04, 1.14), "failed", "undecided"),
    ],
)
def test_two_measured_in_turn(found: tuple[float, float, float], stable: str, shaken: str) -> None:
    for expected, unstable in ((stable, False), (shaken, True)):
        checked = check_pair(Estimate(*found), (1 / 1.03, 1.03), 0.05, shaken=unstable)
        assert checked.outcome == expected
        assert checked.message.startswith(f"median {expected}: ")
    assert (
        "less than the first, 95 % interval -21.0% to -19.0%; allowed +5.0%"
        in check_pair(Estimate(0.8, 0.79, 0.81), (0.97, 1.03), 0.05, shaken=False).message
    )


def test_a_comparison_in_continuous_integration(result: Result) -> None:
    compared = compare_results(like(result), like(result, 1.5))
    checks = [check_pair(compared.ratio, compared.band, 0.05, shaken=False)]
    told = of_compared(compared, checks)
    suite = ET.fromstring(junit(told))
    assert suite.get("name") == "edgekit compare net.edge onnx/float32 and net.edge onnx/float32"
    assert suite.get("failures") == "1"
    assert {one.get("name"): one.get("value") for one in suite.iter("property")}["verdict"] == "slower"
    lines = annotated(told)
    assert "takes 1.500 of" in lines[0]
    assert lines[-1].startswith("::error title=edgekit compare net.edge onnx/float32 and net.edge")
    assert "median failed: 50.0%25 more than the first" in lines[-1]


def test_the_commands_gate_on_two_results(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, one in (("main", like(result)), ("branch", like(result, 1.5))):
        (tmp_path / f"{name}.json").write_text(json.dumps(one.to_json()))
    compare = ["compare", "main.json", "branch.json", "--max-regression"]
    assert app([*compare, "5%", "--junit", "compare.xml", "--github", "--json"], standalone_mode=False) == 1
    said = capsys.readouterr()
    document = json.loads(said.out)
    validator("compare").validate(document)
    assert [one["outcome"] for one in document["gate"]] == ["failed"]
    assert "::error title=edgekit compare" in said.err
    assert ET.parse(tmp_path / "compare.xml").getroot().get("failures") == "1"
    assert app([*compare, "60%"], standalone_mode=False) == 0
    assert "median passed: 50.0% more than the first" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists"):
        app([*compare, "5%", "--junit", "compare.xml"], standalone_mode=False)
    with pytest.raises(InputError, match="not a percentage"):
        app([*compare, "5"], standalone_mode=False)
