"""Four tables of the UCI repository, as R's packages kernlab and mlbench ship them (GPL-2).

All columns are numbers, no value is missing; the labels are classes.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark_data.packages import find
from edgekit.errors import InputError, MissingDependencyError

# The rows that are not trained on, and which ones.
_TEST_SHARE = 0.2
_SEED = 0


@dataclass(frozen=True)
class _Source:
    package: str
    member: str
    label: str


def _r(package: str, table: str, label: str) -> _Source:
    return _Source(f"r-cran-{package}", f"usr/lib/R/site-library/{package}/data/{table}.rda", label)


TABLES = {
    "letter": _r("mlbench", "LetterRecognition", "lettr"),
    "satellite": _r("mlbench", "Satellite", "classes"),
    "shuttle": _r("mlbench", "Shuttle", "Class"),
    "spam": _r("kernlab", "spam", "type"),
}


class Split(NamedTuple):
    """Rows to train on and rows to test with."""

    train_features: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_features: NDArray[np.float32]
    test_labels: NDArray[np.int64]


class Table(NamedTuple):
    """Features [n, d], labels [n] counted from 0 in the data set's own order of classes, names of the d features."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    feature_names: tuple[str, ...]

    def split(self) -> Split:
        """The same four fifths to train on and fifth to test with at every call, each class in its share."""
        from sklearn.model_selection import train_test_split

        parts = train_test_split(
            self.features, self.labels, test_size=_TEST_SHARE, random_state=_SEED, stratify=self.labels
        )
        train, test, train_labels, test_labels = parts
        return Split(train, train_labels, test, test_labels)


def tabular(name: str) -> Table:
    """A table by its name: ``letter``, ``satellite``, ``shuttle`` or ``spam``.

    Raises:
        InputError: no table has this name, or its Debian package is not here.
        MissingDependencyError: ``rdata``, which reads R's files, is not installed.
    """
    asked = f'read the data set "{name}"'
    if name not in TABLES:
        raise InputError(asked, "there is none of this name", f"choose one of {', '.join(TABLES)}")
    source = TABLES[name]
    path = find(asked, source.package, source.member)
    if importlib.util.find_spec("rdata") is None:
        raise MissingDependencyError(asked, "rdata is not installed", "run: pip install rdata")
    import rdata

    # The files are of a time when R did not note their encoding.
    (frame,) = rdata.read_rda(path, default_encoding="ascii").values()
    labels: Any = frame.pop(source.label)
    names = tuple(str(column) for column in frame.columns)
    return Table(frame.to_numpy(np.float32), labels.cat.codes.to_numpy(np.int64), names)
