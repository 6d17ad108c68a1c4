"""A Python without frameworks: a virtual environment that sees only what it is given."""

import atexit
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


class BarePython:
    """A virtual environment with folders of packages beside it, of which each call chooses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        binaries = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.python = binaries / ("python.exe" if os.name == "nt" else "python")
        self.numpy = self._installed("numpy", ["numpy"])
        self.cli = self._installed("cli", ["typer", "rich", *(["tomli"] if sys.version_info < (3, 11) else [])])

    def run(
        self, arguments: Sequence[str | Path], paths: Sequence[Path], cwd: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run Python with only these folders of packages; its output as text."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        env["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, encoding="utf-8", check=False)

    def _installed(self, name: str, packages: list[str]) -> Path:
        target = self.folder / name
        # Constraints keep what is tested here the same as elsewhere; --target installs for this very Python.
        constraints = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run(
            [*PIP, "install", *constraints, "--target", str(target), *packages], check=True, capture_output=True
        )
        return target


@cache
def bare_python() -> BarePython:
    """The one environment of this test session."""
    folder = Path(mkdtemp(prefix="edgekit-bare-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return BarePython(folder)
