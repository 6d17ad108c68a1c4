"""Every result that was measured, in one SQLite file that several processes may write to at once."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.bench.result import Result
from edgekit.bench.slices import quiet_ns
from edgekit.errors import InputError, StorageError

# The file's own version (PRAGMA user_version). 1: the first.
SCHEMA = 1
_WAIT_SECONDS = 30.0
# What a machine could do longer ago says little of what it can do now: firmware, cooling, another host below it.
_RECENT_DAYS = 30

_TABLE = """
CREATE TABLE IF NOT EXISTS results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    measured_at TEXT NOT NULL,
    file TEXT NOT NULL,
    target TEXT NOT NULL,
    scheme TEXT,
    sha256 TEXT NOT NULL,
    device TEXT,
    runtime TEXT NOT NULL,
    threads INTEGER,
    median_ns REAL NOT NULL,
    low_ns REAL NOT NULL,
    high_ns REAL NOT NULL,
    verdict TEXT NOT NULL,
    machine TEXT NOT NULL,
    yardstick_ns REAL NOT NULL,
    document BLOB NOT NULL
)
"""
_TABLES = {"results", "sqlite_sequence"}
# SQLite's own.
_MOST_ENTRIES = 2**63 - 1
_LISTED = "id, measured_at, file, target, scheme, sha256, device, runtime, threads, median_ns, low_ns, high_ns, verdict"


@dataclass(frozen=True)
class Entry:
    """One result, as the list shows it; durations in nanoseconds, ``low`` and ``high`` the 95 % interval's ends."""

    id: int
    measured_at: str
    file: str
    target: str
    scheme: str | None
    sha256: str
    device: str | None
    runtime: str
    threads: int | None
    median_ns: float
    low_ns: float
    high_ns: float
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """The entry as a JSON object."""
        return asdict(self)


class History:
    """The results in one file."""

    def __init__(self, path: Path | None = None) -> None:
        """Open it when it is first used.

        Args:
            path: the file; ``None`` for ``EDGEKIT_HISTORY``, or the user's own one.
        """
        self.path = path or default_path()

    def add(self, result: Result) -> int:
        """Keep a result, raw durations included; its number.

        Raises:
            StorageError: it cannot be written.
        """
        document = zlib.compress(json.dumps(result.to_json(), allow_nan=False).encode())
        model = result.model
        row = {
            "measured_at": result.measured_at,
            **{name: model[name] for name in ("file", "target", "scheme", "sha256")},
            "device": result.device,
            "runtime": result.runtime,
            "threads": result.settings["threads"],
            "median_ns": result.median.value,
            "low_ns": result.median.low,
            "high_ns": result.median.high,
            "verdict": result.stability.verdict,
            "machine": _text(result.likeness),
            "yardstick_ns": quiet_ns([ns for one in result.processes for ns in one.yardstick_ns]),
            "document": document,
        }
        names = ", ".join(row)
        places = ", ".join(f":{name}" for name in row)
        with self._open(writing=True) as connection:
            # The names are those above.
            added = connection.execute(f"INSERT INTO results ({names}) VALUES ({places})", row)  # noqa: S608
            return int(added.lastrowid or 0)

    def entries(self, *, file: str | None = None, last: int | None = None) -> list[Entry]:
        """What has been measured, the newest first.

        Args:
            file: only of models of this file name.
            last: only so many.

        Raises:
            StorageError: the file is no history, or cannot be read.
        """
        if not self.path.exists():
            return []
        query = f"SELECT {_LISTED} FROM results WHERE :file IS NULL OR file = :file ORDER BY id DESC LIMIT :last"  # noqa: S608
        with self._open() as connection:
            rows = connection.execute(query, {"file": file, "last": -1 if last is None else last}).fetchall()
        return [Entry(*row) for row in rows]

    def result(self, number: int) -> Result:
        """A result by its number.

        Raises:
            InputError: there is none.
            StorageError: the file is no history, or cannot be read.
        """
        row = None
        if self.path.exists() and number <= _MOST_ENTRIES:
            with self._open() as connection:
                row = connection.execute("SELECT document FROM results WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise InputError(f"result {number}", f"{self.path} does not have it", "see edgekit history")
        try:
            document = json.loads(zlib.decompress(row[0]))
        except (zlib.error, ValueError) as error:
            raise StorageError(
                f"read result {number} of {self.path}", f"it is damaged ({error})", "take another"
            ) from error
        return Result.from_json(document)

    def readable(self, entry: Entry) -> Result | None:
        """An entry's result; ``None`` where it was measured by another version of the protocol.

        Raises:
            StorageError: the file is no history, or cannot be read.
        """
        try:
            return self.result(entry.id)
        except InputError:
            return None

    def best_yardstick(self, likeness: Mapping[str, Any]) -> float | None:
        """The shortest time that fixed work has lately taken beside what is alike; ``None`` if never measured.

        Args:
            likeness: :attr:`edgekit.bench.result.Result.likeness`.

        Raises:
            StorageError: the file is no history, or cannot be read.
        """
        if not self.path.exists():
            return None
        query = "SELECT min(yardstick_ns) FROM results WHERE machine = ? AND measured_at > datetime('now', ?)"
        with self._open() as connection:
            found = connection.execute(query, (_text(likeness), f"-{_RECENT_DAYS} days")).fetchone()
        return None if found[0] is None else float(found[0])

    @contextmanager
    def _open(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        asked = f"use the history {self.path}"
        try:
            if writing:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                if version not in {0, SCHEMA}:
                    why = f"it is of version {version}, and this edgekit knows {SCHEMA}"
                    raise StorageError(asked, why, "take a newer edgekit, or another file: EDGEKIT_HISTORY")
                if version == 0 and (others := _tables(connection) - _TABLES):
                    why = f"it is another program's database, with {', '.join(sorted(others))}"
                    raise StorageError(asked, why, "name another: EDGEKIT_HISTORY=file.sqlite")
                if writing:
                    # Readers and a writer do not wait for each other; writers wait for one another.
                    connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    if version == 0:
                        connection.execute(_TABLE)
                        connection.execute(f"PRAGMA user_version = {SCHEMA}")
                    yield connection
        except (sqlite3.Error, OSError) as error:
            raise StorageError(asked, str(error), "name another: EDGEKIT_HISTORY=file.sqlite") from error


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def default_path() -> Path:
    """``EDGEKIT_HISTORY``, or ``history.sqlite`` in the user's own folder of application data."""
    if named := os.environ.get("EDGEKIT_HISTORY"):
        return Path(named)
    home = Path.home()
    if sys.platform == "win32":
        data = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    elif sys.platform == "darwin":
        data = home / "Library" / "Application Support"
    else:
        data = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    return data / "edgekit" / "history.sqlite"


def _text(likeness: Mapping[str, Any]) -> str:
    return json.dumps(likeness, sort_keys=True)
