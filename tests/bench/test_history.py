"""The file of results: written by several at once, read back, refused where it is none."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.bench.history import History, default_path
from edgekit.bench.result import Result
from edgekit.bench.stability import Stability
from edgekit.errors import InputError, StorageError

_WRITE = """
import json, sys
from pathlib import Path
from edgekit.bench.history import History
from edgekit.bench.result import Result

result = Result.from_json(json.loads(Path(sys.argv[2]).read_text()))
for _ in range(10):
    History(Path(sys.argv[1])).add(result)
"""


def test_results_are_kept_whole(result: Result, tmp_path: Path) -> None:
    history = History(tmp_path / "deep" / "history.sqlite")
    assert history.entries() == []
    assert not history.path.exists()  # reading makes nothing
    first = history.add(result)
    other = replace(result, model={**result.model, "file": "other.edge"}, stability=Stability(("noise",)))
    second = history.add(other)
    assert history.result(first).to_json() == result.to_json()
    newest, oldest = history.entries()
    assert (newest.id, newest.file, newest.verdict) == (second, "other.edge", "unstable")
    assert (oldest.id, oldest.median_ns, oldest.threads) == (first, result.median.value, 1)
    assert [one.id for one in history.entries(file="net.edge")] == [first]
    assert [one.id for one in history.entries(last=1)] == [second]
    with pytest.raises(InputError, match=r"result 99: .* does not have it"):
        history.result(99)


def test_writers_at_once_lose_nothing(result: Result, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(result.to_json()), encoding="utf-8")
    command = [sys.executable, "-c", _WRITE, tmp_path / "history.sqlite", tmp_path / "result.json"]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    for one in writers:
        _, said = one.communicate(timeout=60)
        assert one.returncode == 0, said.decode()
    assert sorted(one.id for one in History(tmp_path / "history.sqlite").entries()) == list(range(1, 41))


def test_the_best_that_is_known_of_a_machine(result: Result, tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    assert history.best_yardstick(result.likeness) is None
    for nanoseconds in (1200, 1000, 1100):
        processes = tuple(replace(one, yardstick_ns=(nanoseconds,) * len(one.slices)) for one in result.processes)
        history.add(replace(result, processes=processes))
    old = tuple(replace(one, yardstick_ns=(10,) * len(one.slices)) for one in result.processes)
    history.add(replace(result, processes=old, measured_at="2020-01-01T00:00:00+00:00"))
    assert history.best_yardstick(result.likeness) == 1000
    # Another file's caches are felt, a runtime's other threads, and another governor.
    assert history.best_yardstick({**result.likeness, "artifact": ["other.edge", "onnx", "float32"]}) is None
    assert history.best_yardstick({**result.likeness, "threads": 8}) is None
    assert history.best_yardstick({**result.likeness, "governor": "powersave"}) is None


def test_files_that_are_no_history(result: Result, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, and long enough to be read as the header of one " * 4)
    with pytest.raises(StorageError, match=r"use the history .*text: file is not a database"):
        History(tmp_path / "text").entries()
    with sqlite3.connect(tmp_path / "newer") as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StorageError, match="it is of version 9, and this edgekit knows 1"):
        History(tmp_path / "newer").add(result)
    with pytest.raises(StorageError, match="EDGEKIT_HISTORY"):
        History(tmp_path / "text" / "below").add(result)
    with pytest.raises(InputError, match="does not have it"):
        History(tmp_path / "newer").result(2**70)


def test_a_database_of_another_program_stays_as_it_is(result: Result, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "theirs.sqlite") as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = (tmp_path / "theirs.sqlite").read_bytes()
    for act in (History(tmp_path / "theirs.sqlite").entries, lambda: History(tmp_path / "theirs.sqlite").add(result)):
        with pytest.raises(StorageError, match="it is another program's database, with notes"):
            act()
    assert (tmp_path / "theirs.sqlite").read_bytes() == before


def test_a_damaged_entry(result: Result, tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    number = history.add(result)
    with sqlite3.connect(history.path) as connection:
        connection.execute("UPDATE results SET document = ?", (b"x",))
    connection.close()
    with pytest.raises(StorageError, match=rf"read result {number} of .*: it is damaged"):
        history.result(number)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEKIT_HISTORY", str(tmp_path / "mine.sqlite"))
    assert default_path() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("EDGEKIT_HISTORY")
    assert default_path().parts[-2:] == ("edgekit", "history.sqlite")
