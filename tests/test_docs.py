"""What is written is what is: the matrix, the links, the command lines, and no trace of anybody's machine."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from edgekit.cli.app import app
from edgekit.convert.matrix import as_markdown, table_of_routes

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path for folder in (ROOT, ROOT / "docs", *(ROOT / "examples").glob("*")) if folder.is_dir()
    for path in folder.glob("*.md")
)  # fmt: skip
# Where somebody's files lie; in tests such paths are made up.
MACHINES = re.compile(r"(?<![\w.])/(?:work|root|tmp|home/\w+|Users/\w+)/")


def tracked() -> list[Path]:
    """The files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_readme_matrix_is_the_registrys() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- routes -->\n(.*?)\n?<!-- /routes -->", readme, re.DOTALL)
    assert found, "the README has no markers for the routes"
    assert found[1].strip() == as_markdown(table_of_routes()), "run: edgekit routes --markdown"


def test_no_file_names_somebodys_machine() -> None:
    traces = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path.relative_to(ROOT).parts[0] != "tests"
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if MACHINES.search(line)
    ]
    assert traces == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def command_lines() -> list[tuple[str, str]]:
    """Every `edgekit …` in the pages and in the commands' own help."""
    texts = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
    command = typer.main.get_command(app)
    texts.update({name: one.help or "" for name, one in command.commands.items()})
    found = []
    for name, text in texts.items():
        lines = re.findall(r"^ *(?:\$ )?(edgekit .+)$", text, re.MULTILINE) + re.findall(r"`(edgekit [^`]+)`", text)
        found += [(name, line.partition(" #")[0].strip()) for line in lines]
    return found


@pytest.mark.parametrize(("where", "line"), command_lines(), ids=lambda value: value[:60])
def test_command_lines_name_commands_and_options_that_exist(where: str, line: str) -> None:
    words = shlex.split(line.partition("|")[0].replace("…", ""))[1:]
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        if words[0].startswith("-"):
            break
        assert words[0] in command.commands, f"{where}: {line}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h", "--install-completion", "--show-completion"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]
    assert unknown == [], f"{where}: {line}"


def test_python_versions_are_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'requires-python = ">=3.10"' in project
    assert sys.version_info >= (3, 10)
