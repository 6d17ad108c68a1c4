"""What was tried, one line each, so that an interrupted search goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.convert.job import made_from_json, made_to_json
from edgekit.tune.candidate import Candidate, Tried
from edgekit.verify.verdict import Verdict

_FILE = "journal.jsonl"
_SCHEMA = 1  # 1: the first


class Journal:
    """The candidates tried in a folder; those of another model, other samples or other versions are forgotten."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._path = folder / _FILE
        self._tried: dict[Candidate, Tried] = {}
        lines = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        header = {"schema": _SCHEMA, "fingerprint": fingerprint}
        if not lines or _loaded(lines[0]) != header:
            self._path.write_text(json.dumps(header) + "\n", encoding="utf-8")
            return
        for line in lines[1:]:
            row = _loaded(line)
            # The last line may be half written.
            if row is not None:
                tried = _from_json(row)
                if tried.made is None or tried.made.path.exists():
                    self._tried[tried.candidate] = tried

    def get(self, candidate: Candidate) -> Tried | None:
        """What came of a candidate, if it was tried."""
        return self._tried.get(candidate)

    def add(self, tried: Tried) -> None:
        """Keep what came of a candidate."""
        self._tried[tried.candidate] = tried
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_to_json(tried)) + "\n")

    @property
    def all(self) -> tuple[Tried, ...]:
        """Everything tried, in its order."""
        return tuple(self._tried.values())


def _loaded(line: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return found


def _to_json(tried: Tried) -> dict[str, Any]:
    return {
        "candidate": tried.candidate.to_json(),
        "made": made_to_json(tried.made) if tried.made else None,
        "verdict": tried.verdict.to_json() if tried.verdict is not None else None,
        "bytes": tried.bytes,
        "call_ms": tried.call_ms,
        "seconds": tried.seconds,
        "error": tried.error,
    }


def _from_json(data: dict[str, Any]) -> Tried:
    return Tried(
        Candidate.from_json(data["candidate"]),
        made_from_json(data["made"]) if data["made"] else None,
        Verdict.from_json(data["verdict"]) if data["verdict"] else None,
        data["bytes"],
        data["call_ms"],
        data["seconds"],
        data["error"],
    )
