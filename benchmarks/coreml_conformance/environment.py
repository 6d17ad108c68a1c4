"""The environments that Apple's tests run in: this one, and an older one for the classical converters."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "classical-requirements.txt"
_DATA = HERE / "classical_environment.py"
_FACTS = """
import importlib.metadata as metadata, importlib.util, json, platform
names = {"coremltools", "numpy", "torch", "scikit-learn", "xgboost", "protobuf", "pytest"}
versions = {}
for name in sorted(names):
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
found = importlib.util.find_spec("coremltools")
print(json.dumps({"package": found and found.submodule_search_locations[0],
                  "versions": {"python": platform.python_version(), **versions}}))
"""


def describe(python: Path) -> tuple[Path, dict[str, Any]]:
    """Where coremltools lies in an environment, and the versions that matter there.

    Raises:
        SystemExit: coremltools is not installed there.
    """
    done = subprocess.run([str(python), "-c", _FACTS], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    if not facts["package"]:
        raise SystemExit(f"coremltools is not installed for {python}: pip install 'edgekit[coreml,torch]'")
    return Path(facts["package"]), facts["versions"]


def classical_python(folder: Path) -> Path:
    """The second environment's interpreter; made, a minute or two, where it is missing or its requirements changed.

    Also the data set that most of its tests train on.

    Raises:
        SystemExit: no Python 3.11 was found, or the packages could not be installed.
    """
    wanted = REQUIREMENTS.read_text(encoding="utf-8")
    stamp = folder / "requirements.txt"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        _run([str(python), str(_DATA)])
        return python
    print(f"making the environment for the classical tests ({REQUIREMENTS.name}): a minute or two", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    # The packages of that time have no wheels for a newer Python.
    base = sys.executable if sys.version_info[:2] == (3, 11) else shutil.which("python3.11")
    if base is None:
        raise SystemExit("the classical tests need Python 3.11 (python3.11 on the PATH)")
    _run([base, "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)])
    _run([str(python), str(_DATA)])
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
