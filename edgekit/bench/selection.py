"""What a report is of: results by file, folder or number of the history, and the bundles that they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.bench.history import History
from edgekit.bench.result import Result, read_result
from edgekit.errors import InputError

# What a suite leaves in its folder of what could not be measured.
FAILURE_SUFFIX = ".failed.json"


@dataclass
class Selection:
    """What was found.

    Attributes:
        results: the measurements, in the order asked for.
        bundles: whose verdicts may stand beside them.
        failures: what could not be measured, and why.
    """

    results: list[Result] = field(default_factory=list)
    bundles: list[Path] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


def gathered(sources: Sequence[str], history: History, *, model: str | None = None, last: int = 20) -> Selection:
    """Everything that is named; without a name of a result or bundle, the newest of the history, the oldest first.

    Args:
        sources: files, folders, numbers of the history, bundles.
        history: where numbers are looked up.
        model: of the history, only models of this file name.
        last: of the history, so many.

    Raises:
        InputError: one is none of them, several bundles come without a result, or nothing has been measured.
    """
    found = Selection()
    for source in sources:
        _add(found, source, history)
    if not sources or (model is not None and not found.results):
        entries = history.entries(file=model, last=last)
        found.results = [one for one in map(history.readable, reversed(entries)) if one is not None]
    if not (found.results or found.failures or len(found.bundles) == 1):
        why = "bundles alone are reported one by one" if found.bundles else f"{history.path} has no such result"
        raise InputError("report on what was measured", why, "give results of edgekit bench --output")
    return found


def _add(found: Selection, source: str, history: History) -> None:
    path = Path(source)
    if source.isdecimal() and not path.exists():
        found.results.append(history.result(int(source)))
    elif path.is_dir() and not (path / "manifest.json").is_file():
        _add_folder(found, path)
    elif path.is_dir() or path.suffix == ".edge":
        found.bundles.append(path)
    else:
        found.results.append(read_result(path))


def _add_folder(found: Selection, folder: Path) -> None:
    """A suite's folder, or any other of results."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"read {folder}", "no result lies in it", "give a folder of edgekit bench --output files")
    for path in files:
        if path.name.endswith(FAILURE_SUFFIX):
            found.failures.append(_failure(path))
        else:
            found.results.append(read_result(path))
    found.bundles += sorted((folder / "models").glob("*/*.edge"))


def _failure(path: Path) -> tuple[str, str]:
    """What failed, and why, as a suite has written it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return str(document["what"]), str(document["error"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"read {path}", f"it is damaged ({error!r})", "delete it, or run the suite again") from error
