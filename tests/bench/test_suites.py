"""Suites: their files, a run that stops and goes on, and failures that stop nothing."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser_parts import runtimes
from short_protocol import SHORT
from test_report import Page
from test_schemas import check, validator

from edgekit import content
from edgekit.bench import suite_run
from edgekit.bench.make import made
from edgekit.bench.measure import Settings
from edgekit.bench.result import Result, read_result
from edgekit.bench.suites import Place, Suite, find, read, suites
from edgekit.cli.app import app
from edgekit.cli.suite import way_to
from edgekit.errors import EdgekitError, ExecutionError, InputError

QUICK = Settings(protocol=replace(SHORT, min_seconds=0.05))
MAKER = """
import shutil
from pathlib import Path

from edgekit.errors import InputError

HERE = Path(__file__).parent


def copy(output, targets, schemes):
    print("made once")
    with (HERE / "calls.txt").open("a") as file:
        print(targets, schemes, file=file)
    shutil.copy(HERE / "net.edge", output)


def refuse(output, targets, schemes):
    raise InputError("make a model", "it is Monday", "wait")


def crash(output, targets, schemes):
    raise RuntimeError("the tape is torn")


def nothing(output, targets, schemes):
    pass
"""


def here(_: Place) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@pytest.fixture
def folder(bench_bundle: Path, tmp_path: Path) -> Path:
    shutil.copy(bench_bundle, tmp_path / "net.edge")
    (tmp_path / "maker.py").write_text(MAKER)
    return tmp_path


def suite(folder: Path, text: str) -> Suite:
    (folder / "mine.toml").write_text(f'schema = 1\nname = "Mine"\n{text}')
    return read(folder / "mine.toml")


def small(folder: Path, **more: Any) -> Suite:
    return replace(suite(folder, 'targets = ["onnx"]\n[[models]]\nid = "net"\nbundle = "net.edge"\n'), **more)


@pytest.mark.parametrize("path", suites(), ids=lambda path: path.stem)
def test_a_suite_file_is_as_its_schema_says(path: Path) -> None:
    document = content.read_toml(path)
    validator("suite").validate(document)
    found = read(path)
    assert found.name == document["name"]
    for model in found.models:
        name, _, function = model.make.rpartition(":")
        assert f"def {function}(" in (path.parent / name).read_text("utf-8")


def test_suites_are_found_in_the_users_project_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n")
    (tmp_path / "benchmarks" / "suites").mkdir(parents=True)
    suite(tmp_path / "benchmarks" / "suites", 'targets = ["onnx"]\n[[models]]\nid = "a"\nbundle = "a.edge"\n')
    monkeypatch.chdir(tmp_path)
    assert find("mine").models[0].bundle == "a.edge"
    assert find("small").id == "small"
    with pytest.raises(InputError, match="there are: small, mine"):
        find("large")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('targets = ["onnx"]\n', "it has no models"),
        ('targets = ["onnx"]\nthread = [1]\n', "unknown thread"),
        ("[[models]]\nid = 'a'\nbundle = 'a'\n", "no targets"),
        ('targets = ["onnx"]\n[[models]]\nid = "a"\n', "it needs either a bundle or what makes one"),
        ('targets = ["onnx"]\n[[models]]\nid = "A b"\nbundle = "a"\n', "its id is no file's name"),
        ('targets = ["onnx"]\n[[models]]\nid = "a"\nmake = "function"\n', "names no function"),
        ('targets = ["onyx"]\n[[models]]\nid = "a"\nbundle = "a"\n', "there is no format 'onyx'"),
        ('targets = "onnx"\n[[models]]\nid = "a"\nbundle = "a"\n', "of the wrong kind"),
        ('targets = ["onnx"]\nthreads = [true]\n[[models]]\nid = "a"\nbundle = "a"\n', "of the wrong kind"),
        ('targets = ["onnx"]\nthreads = [0]\n[[models]]\nid = "a"\nbundle = "a"\n', "threads of 1 or more"),
        ('targets = ["onnx"]\nmodels = 3\n', "no list of tables"),
    ],
)
def test_what_is_no_suite_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        suite(tmp_path, text)


def test_all_of_each_with_all_of_the_others(tmp_path: Path) -> None:
    found = suite(
        tmp_path,
        'targets = ["onnx", "tflite"]\nschemes = ["float32", "int8"]\nthreads = [1, 4]\n'
        '[[models]]\nid = "a"\nbundle = "a.edge"\n'
        '[[models]]\nid = "b"\nbundle = "b.edge"\ntargets = ["onnx"]\nschemes = ["float32"]\n'
        '[[places]]\n[[places]]\nhost = "pi@pi5.local"\ndevice = "raspberry-pi-5"\n',
    )
    names = [job.name for place in found.places for job in found.jobs(place)]
    assert len(names) == 2 * (8 + 2)
    assert names[0] == "a onnx/float32, 1 thread"
    assert names[-1] == "b onnx/float32, 4 threads, on raspberry-pi-5 at pi@pi5.local"


def test_a_browser_is_a_place_by_its_class(folder: Path) -> None:
    """A class that only a browser can be of is measured in this machine's own; ssh's settings are not for it."""
    packages = runtimes()
    text = 'targets = ["onnx"]\n[[models]]\nid = "net"\nbundle = "net.edge"\n[[places]]\ndevice = "browser-desktop"\n'
    found = suite(folder, text)
    config = folder / "ssh_config"
    way = partial(way_to, suite=found, ssh_config=config, web_runtimes=packages, event=lambda *_: None, wait=60.0)
    outcome = suite_run.run(found, folder / "results", way, settings=QUICK)
    assert outcome.failed == []
    (one,) = outcome.measured
    assert (one.result.transport, one.result.device) == ("browser", "browser-desktop")
    assert one.job.name.endswith("on browser-desktop")


def test_a_run_goes_on_where_it_stopped(folder: Path) -> None:
    found = small(folder, threads=(1, 2))
    results = folder / "results"
    steps: list[tuple[str, float]] = []

    def interrupt(step: str, done: float) -> None:
        steps.append((step, done))
        if step.startswith("2 of 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        suite_run.run(found, results, here, settings=QUICK, event=interrupt)
    assert len(list(results.glob("*.json"))) == 1
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert "left" in steps[-1][0]
    kept: list[Result] = []
    outcome = suite_run.run(found, results, here, settings=QUICK, kept=kept.append)
    assert [one.earlier for one in outcome.measured] == [True, False]
    assert len(kept) == 1
    assert outcome.exit_code == 0
    assert all(read_result(one.file) == one.result for one in outcome.measured)
    assert [one.result.settings["threads"] for one in outcome.measured] == [1, 2]
    # Another seed is another measurement; the earlier ones stay.
    other = suite_run.run(replace(found, threads=(1,)), results, here, settings=replace(QUICK, seed=1))
    assert [one.earlier for one in other.measured] == [False]
    assert len(list(results.glob("*.json"))) == 3


def test_a_failure_is_written_down_and_the_rest_goes_on(folder: Path) -> None:
    found = small(folder, schemes=("int8", "float32"))
    results = folder / "results"
    outcome = suite_run.run(found, results, here, settings=QUICK)
    (failed,) = outcome.failed
    assert "the bundle has no such artifact" in str(failed.error)
    assert [one.job.scheme for one in outcome.measured] == ["float32"]
    assert outcome.exit_code == 2
    (file,) = results.glob("*.failed.json")
    assert json.loads(file.read_text())["what"] == "net onnx/int8, 1 thread"

    def lost(_: Place) -> contextlib.AbstractContextManager[None]:
        raise ExecutionError("reach pi5.local", "no answer")

    outcome = suite_run.run(found, results, lost, settings=QUICK)
    assert [str(one.error) for one in outcome.failed] == ["reach pi5.local: no answer"] * 2
    assert outcome.exit_code == 4
    # What comes right later is no failure any more.
    assert suite_run.run(replace(found, schemes=("float32",)), results, here, settings=QUICK).exit_code == 0
    assert [one.name for one in results.glob("*.failed.json")] == ["net-onnx-int8-1.failed.json"]


def test_models_are_made_once(folder: Path) -> None:
    models = '[[models]]\nid = "net"\nmake = "maker.py:copy"\n[[models]]\nid = "bad"\nmake = "maker.py:refuse"\n'
    found = suite(folder, f'targets = ["onnx"]\n{models}')
    for _ in range(2):
        outcome = suite_run.run(found, folder / "results", here, settings=QUICK)
        assert [one.job.model.id for one in outcome.measured] == ["net"]
        assert [str(one.error) for one in outcome.failed] == ["make a model: it is Monday; wait"]
    assert (folder / "calls.txt").read_text() == "['onnx'] ['float32']\n"
    # What makes it has changed.
    (folder / "maker.py").write_text(MAKER + "\n\nCHANGED = True\n")
    suite_run.run(found, folder / "results", here, settings=QUICK)
    assert (folder / "calls.txt").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("function", "why"),
    [("crash", "the tape is torn"), ("nothing", "it made no bundle"), ("missing", "no such function")],
)
def test_what_makes_no_model(folder: Path, function: str, why: str) -> None:
    with pytest.raises(EdgekitError, match=why):
        made(folder / "maker.py", function, folder / "out.edge", ["onnx"], ["float32"])


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("edgekit.bench.protocol.QUICK", QUICK.protocol)
    small(folder)
    arguments = ["suite", "run", "mine.toml", "-o", "results", "--history", "history.sqlite", "--json", "-q"]
    documents = []
    for _ in range(2):
        assert app(arguments, standalone_mode=False) == 0
        documents.append(check("suite-run", json.loads(capsys.readouterr().out)))
    assert [one["results"][0]["earlier"] for one in documents] == [False, True]
    html = (folder / "results" / "report.html").read_text("utf-8")
    assert Page(html).text.startswith("Mine: edgekit report Mine ")
    assert "1 measurement of 1 model" in Page(html).text
    app(["history", "--history", "history.sqlite", "--json"], standalone_mode=False)
    assert len(json.loads(capsys.readouterr().out)["results"]) == 1
    app(["suite", "list"], standalone_mode=False)
    assert "Small models" in capsys.readouterr().out
    app(["report", "results", "-o", "again.html"], standalone_mode=False)
    assert "1 measurement of 1 model" in Page((folder / "again.html").read_text("utf-8")).text
