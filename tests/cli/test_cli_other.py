"""The commands that make nothing, help, completion, and the streams that results go to."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import EDGEKIT, edgekit, environment

COMMANDS = (
    (), ("convert",), ("verify",), ("inspect",), ("run",), ("routes",), ("doctor",), ("devices",), ("devices", "list"),
    ("devices", "show"), ("devices", "probe"),
)  # fmt: skip
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX streams")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help(command: tuple[str, ...], tmp_path: Path) -> None:
    answer = edgekit(*command, "--help", cwd=tmp_path, env={"COLUMNS": "120"})
    assert answer.code == 0
    assert answer.err == ""
    assert "Usage: edgekit" in answer.out
    assert "[bold]" not in answer.out
    examples = re.findall(r"^ +(edgekit .+?) *$", answer.out, re.MULTILINE)
    if command and command != ("devices",):
        assert len(examples) >= 2
        assert all(example.startswith(f"edgekit {' '.join(command)}") for example in examples)


def test_no_arguments_show_the_help_and_are_asked_wrongly(tmp_path: Path) -> None:
    answer = edgekit(cwd=tmp_path)
    assert answer.code == 2
    assert "Usage: edgekit" in answer.out + answer.err


def test_version(tmp_path: Path) -> None:
    answer = edgekit("--version", cwd=tmp_path)
    assert re.fullmatch(r"edgekit \d+\.\d+\.\d+\n", answer.out)


def test_python_dash_m(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgekit", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("edgekit ")


def test_routes_json(tmp_path: Path) -> None:
    rows = json.loads(edgekit("routes", "--json", cwd=tmp_path).out)
    keys = {"source", "target", "schemes", "extra", "available", "reason", "via"}
    assert all(row.keys() >= keys for row in rows)
    pairs = [(row["source"], row["target"]) for row in rows]
    assert len(set(pairs)) == len(pairs)
    wanted = {(source, target) for source in ("torch", "tensorflow") for target in ("onnx", "tflite", "coreml")}
    assert set(pairs) >= wanted | {("sklearn", "onnx")}
    assert all("float32" in row["schemes"] for row in rows)
    assert all(row["available"] is (row["reason"] is None) for row in rows)


def test_routes_for_people_and_for_the_readme(tmp_path: Path) -> None:
    rows = json.loads(edgekit("routes", "--json", cwd=tmp_path).out)
    table = edgekit("routes", cwd=tmp_path).out.splitlines()
    markdown = edgekit("routes", "--markdown", cwd=tmp_path).out.splitlines()
    # A long list of schemes goes on in the next line.
    named = [line for line in table if line.split(" ", 1)[0] in {row["source"] for row in rows}]
    assert [line.split()[:2] for line in named] == [[row["source"], row["target"]] for row in rows]
    assert len(markdown) == len(rows) + 2
    assert markdown[2].startswith(f"| {rows[0]['source']} | {rows[0]['target']} | float32")


def test_doctor(tmp_path: Path) -> None:
    found = json.loads(edgekit("doctor", "--json", cwd=tmp_path).out)
    assert found.keys() == {"schema", "edgekit", "python", "machine", "packages", "runtimes", "routes"}
    assert {row["state"] for row in found["packages"]} <= {"tested", "untested version", "missing"}
    shown = edgekit("doctor", cwd=tmp_path)
    assert shown.code == 0
    assert all(row["package"] in shown.out for row in found["packages"])


def test_what_a_missing_package_needs_is_shown_whole(tmp_path: Path) -> None:
    """`edgekit[torch]` in square brackets is no markup."""
    (tmp_path / "converters").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n")
    (tmp_path / "converters" / "torch_elsewhere.py").write_text(
        "from edgekit.convert import converter\n"
        "from edgekit.verify import Tolerance\n"
        "@converter(source='elsewhere', target='onnx', extra='else', requires={'no_such_module': 'elsewhere'},\n"
        "           tested={'elsewhere': '>=1'}, tolerance=Tolerance(sqnr_db=90))\n"
        "def elsewhere_to_onnx(source, options, output): ...\n"
    )
    for command in ("routes", "doctor"):
        assert "elsewhere not installed: pip install 'edgekit[else]'" in edgekit(command, cwd=tmp_path).out


def test_devices(tmp_path: Path) -> None:
    known = json.loads(edgekit("devices", "list", "--json", cwd=tmp_path).out)
    assert {"raspberry-pi-5", "jetson-orin-nano", "x86-64-desktop"} <= {device["id"] for device in known}
    for device in known[:2]:
        shown = edgekit("devices", "show", device["id"], cwd=tmp_path)
        assert shown.code == 0
        assert device["name"] in shown.out


@posix_only
@pytest.mark.parametrize("command", ["routes", "routes --json", "devices list --json", "doctor"])
def test_reader_that_has_had_enough(command: str, tmp_path: Path) -> None:
    """`edgekit … | head -c 1`: the pipe is closed before all is written."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [EDGEKIT, *command.split()], cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@posix_only
@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(streams: str, tmp_path: Path) -> None:
    for command in ("routes", "routes --json", "convert no.onnx"):
        done = subprocess.run(
            ["sh", "-c", f'"$0" {command} {streams}', EDGEKIT],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == (2 if command.startswith("convert") else 0)
        assert "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["routes", "routes --json", "routes --markdown"])
def test_results_that_cannot_be_written(command: str, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [EDGEKIT, *command.split()], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 4
    assert done.stderr.startswith("error: write to standard output: No space left on device;")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "env",
    [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"COLUMNS": "40"}, {"HOME": None}, {"PYTHONIOENCODING": "ascii"}],
    ids=str,
)
def test_surroundings_do_not_change_a_piped_table(env: dict[str, str | None], tmp_path: Path) -> None:
    plain = edgekit("devices", "list", cwd=tmp_path)
    changed = edgekit("devices", "list", cwd=tmp_path, env=env)
    assert (changed.code, changed.out, changed.err) == (0, plain.out, "")
    assert "\x1b" not in changed.out


@posix_only
def test_deleted_working_folder(tmp_path: Path) -> None:
    script = f'mkdir gone && cd gone && rmdir ../gone && "{EDGEKIT}" devices list --json'
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "raspberry-pi-5" in done.stdout


@pytest.mark.parametrize(
    ("shell", "says"), [("bash", "complete -"), ("zsh", "#compdef edgekit"), ("fish", "complete ")]
)
def test_completion_is_shown_and_installed(shell: str, says: str, tmp_path: Path) -> None:
    # typer asks which shell is running; here the test says it.
    env = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "SHELL": f"/bin/{shell}"}
    shown = edgekit("--show-completion", shell, cwd=tmp_path, env=env)
    assert shown.code == 0, shown.err
    assert says in shown.out
    installed = edgekit("--install-completion", shell, cwd=tmp_path, env=env)
    assert installed.code == 0, installed.err
    assert f"{shell} completion installed" in installed.out
    assert any("edgekit" in path.name for path in tmp_path.rglob("*") if path.is_file())


def test_completion_completes(tmp_path: Path) -> None:
    env = {"_EDGEKIT_COMPLETE": "complete_bash", "COMP_WORDS": "edgekit in", "COMP_CWORD": "1"}
    assert edgekit(cwd=tmp_path, env=env).out.split() == ["inspect"]
    env = {"_EDGEKIT_COMPLETE": "complete_bash", "COMP_WORDS": "edgekit convert --inp", "COMP_CWORD": "2"}
    assert edgekit(cwd=tmp_path, env=env).out.split() == ["--input-shape", "--input-name"]


def test_bug_is_called_a_bug_and_logged(tmp_path: Path) -> None:
    script = (
        "import sys; from edgekit import doctor; doctor.examine = lambda: 1 / 0; from edgekit.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=environment({"TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}),
    )  # fmt: skip
    assert done.returncode == 5
    assert done.stderr.startswith("error: a bug in edgekit: ZeroDivisionError: division by zero")
    assert "Traceback" not in done.stderr
    (log,) = tmp_path.glob("edgekit-bug-*.log")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text(encoding="utf-8")
