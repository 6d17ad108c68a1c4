"""Reading XGBoost's files, .json and .ubj, after a look at whether they are whole."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from edgekit.errors import InputError
from edgekit.sources.boosters import first_line

_WRITE_AGAIN = "write it with save_model(path), to a .json or .ubj file"


def read_model(path: Path) -> Any:
    """The model that a .json or .ubj file holds, of the interface that wrote it.

    Raises:
        InputError: missing, truncated, or no model of XGBoost.
    """
    import xgboost

    asked = f"load {path}"
    if not path.is_file():
        raise InputError(asked, "no such file", "check the path")
    data = path.read_bytes()
    _require_model(data, asked, binary=path.suffix.lower() == ".ubj")
    try:
        booster = xgboost.Booster(model_file=bytearray(data))
        kind = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
        # `save_model` of the scikit-learn interface notes which of its classes wrote it.
        wrapper = {"classifier": xgboost.XGBClassifier, "regressor": xgboost.XGBRegressor}.get(kind)
        if wrapper is None:
            return booster
        native = wrapper()
        native.load_model(bytearray(data))
    except (ValueError, TypeError) as error:  # XGBoostError is a ValueError
        raise InputError(asked, f"damaged, or no model of XGBoost ({first_line(error)})", _WRITE_AGAIN) from error
    return native


def _require_model(data: bytes, asked: str, *, binary: bool) -> None:
    """Refuse what XGBoost would read without end (a truncated .ubj), and other programs' JSON."""
    holds, whole = _binary(data) if binary else _text(data)
    if not whole:
        raise InputError(asked, "truncated or damaged", "copy the file again, or save it again")
    if not holds:
        raise InputError(asked, "it holds no model of XGBoost (no 'learner' in it)", _WRITE_AGAIN)


def _text(data: bytes) -> tuple[bool, bool]:
    """Whether JSON holds a model, and whether it is whole."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False, False
    return isinstance(document, dict) and "learner" in document, True


def _binary(data: bytes) -> tuple[bool, bool]:
    """Whether UBJSON holds a model, and whether it is whole."""
    if data and data[:1] != b"{":
        return False, True
    try:
        whole = _Walk(data).value() == len(data)
    except (IndexError, KeyError, struct.error):
        whole = False
    return b"learner" in data, whole


# The bytes of each kind of number, by its marker.
_SIZES = {"Z": 0, "T": 0, "F": 0, "i": 1, "U": 1, "C": 1, "I": 2, "l": 4, "d": 4, "L": 8, "D": 8}


class _Walk:
    """A walk over a UBJSON document, which XGBoost's own reader (``UBJReader``, src/common/json.cc) does not bound."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def value(self) -> int:
        """Pass over one value: where it ends.

        Raises:
            IndexError: it does not end.
            KeyError: a marker that is none.
            struct.error: a length that does not end.
        """
        marker = self._next()
        if marker == "{":
            while not self._passed("}"):
                self._skip(self._length())
                self.value()
        elif marker == "[":
            self._items()
        elif marker == "S":
            self._skip(self._length())
        else:
            self._skip(_SIZES[marker])
        return self.place

    def _items(self) -> None:
        if self._passed("$"):
            size = _SIZES[self._next()]
            self._expect("#")
            self._skip(self._length() * size)
        elif self._passed("#"):
            for _ in range(self._length()):
                self.value()
        else:
            while not self._passed("]"):
                self.value()

    def _length(self) -> int:
        self._expect("L")
        (size,) = struct.unpack_from(">q", self.data, self.place)
        self.place += 8
        return int(size)

    def _skip(self, size: int) -> None:
        if not 0 <= size <= len(self.data) - self.place:
            raise IndexError(self.place)
        self.place += size

    def _next(self) -> str:
        self.place += 1
        return chr(self.data[self.place - 1])

    def _passed(self, marker: str) -> bool:
        there = self.data[self.place] == ord(marker)
        self.place += there
        return there

    def _expect(self, marker: str) -> None:
        if not self._passed(marker):
            raise KeyError(marker)
