"""Where converters, devices and suites are found: edgekit's own, then the user's project's, and nobody else's."""

import os
from pathlib import Path

import pytest

from edgekit import content
from edgekit.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project with a converter and a device, in which we stand."""
    (tmp_path / "pyproject.toml").write_text("[tool.edgekit]\n")
    for kind in ("converters", "devices"):
        (tmp_path / kind).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_checkouts_own_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert content.folders("converters") == [ROOT / "converters"]
    assert content.folders("devices") == [ROOT / "devices"]
    names = {path.name for path in content.files("devices", ".toml")}
    assert names >= {"raspberry-pi-5.toml", "jetson-orin-nano.toml", "x86-64-desktop.toml"}


def test_projects_content_comes_after_our_own(project: Path) -> None:
    (project / "devices" / "mine.toml").touch()
    assert content.folders("devices") == [ROOT / "devices", project / "devices"]
    assert content.files("devices", ".toml")[-1] == project / "devices" / "mine.toml"


def test_project_is_found_from_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert content.user_project() == project


def test_folder_that_merely_has_the_name_is_not_run(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    assert content.user_project() is None
    assert content.folders("converters") == [ROOT / "converters"]


def test_nearest_project_decides(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    monkeypatch.chdir(inner)
    assert content.user_project() is None


def test_checkout_as_the_project_is_not_listed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert content.folders("converters") == [ROOT / "converters"]


def test_private_and_hidden_files_are_passed_over(project: Path) -> None:
    for name in ("_helper.py", ".hidden.py", "b.py", "a.py", "note.txt"):
        (project / "converters" / name).touch()
    mine = [path.name for path in content.files("converters", ".py") if path.parent == project / "converters"]
    assert mine == ["a.py", "b.py"]


def test_unknown_kind() -> None:
    with pytest.raises(InputError, match="the kinds are converters, devices, benchmarks"):
        content.folders("models")


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nedgekit = true\n", "", "[tool.edgekit]\n"])
def test_odd_projects(text: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    assert content.user_project() == (project if "edgekit" in text else None)


def test_broken_project_is_refused_with_its_place(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.edgekit")
    with pytest.raises(InputError, match=r"pyproject\.toml: not a TOML file \(.+\); correct the file"):
        content.folders("converters")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete the folder one stands in")
def test_deleted_working_folder_is_nobodys_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert content.user_project() is None


def test_toml_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.toml: no such file; give the path"):
        content.read_toml(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xe9'")
    with pytest.raises(InputError, match=r"latin\.toml: not a TOML file"):
        content.read_toml(tmp_path / "latin.toml")
    with pytest.raises(InputError, match="it is no plain file"):
        content.read_toml(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_pipe_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(InputError, match="it is no plain file"):
        content.read_toml(tmp_path / "pipe.toml")
