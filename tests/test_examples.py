"""Every example does what its README says: the scripts run, and so do the command lines beside them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
# The first script makes what the others use.
FIRST = {
    "01-pytorch-image-classifier": "photographs.py",
    "02-keras-model": "train.py",
    "03-sklearn-pipeline": "train.py",
}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands(readme: str) -> list[list[str]]:
    """The command lines of the README: the table's left column and fenced blocks."""
    found = re.findall(r"\| `(edgekit [^`]+)`", readme) + re.findall(r"^(edgekit .+)$", readme, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in found]


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_as_its_readme_says(example: Path, tmp_path: Path) -> None:
    folder = tmp_path / example.name
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns("photos", "*.edge", "model.*", "__pycache__"))
    run([sys.executable, FIRST[example.name]], folder)
    run([sys.executable, "convert.py"], folder)
    shutil.rmtree(folder / "model.edge", ignore_errors=True)
    # What the script made, the command line makes again.
    for made in (*folder.glob("*.edge"), *folder.glob("*.html")):
        if made.name != "python.edge":
            made.unlink()
    lines = commands((example / "README.md").read_text(encoding="utf-8"))
    assert lines, "the README shows no command line"
    for line in lines:
        run([str(Path(sys.executable).parent / line[0]), *line[1:]], folder)
