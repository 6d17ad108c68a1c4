"""How results look: JSON on stdout when asked for, tables for people, colour only on a terminal, messages on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgekit.errors import StorageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


class ReaderGoneError(Exception):
    """Whoever read our output has had enough (`| head`). No OSError, on which typer would exit with 1."""


# Without a terminal there is no width to fit: a table must not break its cells.
_WIDTH = 160


def output() -> Console:
    """Results for people, on stdout."""
    from rich.console import Console

    class Output(Console):
        def print(self, *objects: Any, **settings: Any) -> None:
            with written_to_stdout():
                super().print(*objects, **settings)

        def on_broken_pipe(self) -> None:
            # rich would exit with 1.
            raise BrokenPipeError

    # Without emoji: `:key:` in a name is no picture.
    return Output(width=None if sys.stdout.isatty() else _WIDTH, highlight=False, emoji=False)


def errors() -> Console:
    """Messages, on stderr."""
    from rich.console import Console

    return Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH, highlight=False, emoji=False)


def say(text: str, label: str = "", *, style: str = "") -> None:
    """One line on stderr, exactly as it is; the label before it in bold."""
    line = plain(text, style)
    errors().print(plain(label, "bold red").append(" ").append_text(line) if label else line, soft_wrap=True)


def say_notes(rows: Iterable[Mapping[str, Any]]) -> None:
    """What verdicts measured and note, on stderr: each note once, after the artifacts that it speaks of."""
    from edgekit.verify.verdict import Verdict

    notes: dict[str, list[str]] = {}
    for row in rows:
        findings = Verdict.from_json(row["verdict"]).findings
        if findings:
            say(f"{row['target']} {row['scheme']}: {'; '.join(findings)}")
        for note in row["verdict"].get("notes", ()):
            notes.setdefault(note, []).append(f"{row['target']} {row['scheme']}".strip())
    for note, names in notes.items():
        say(f"{', '.join(names)}: {note}", style="yellow")


def plain(text: str, style: str = "") -> Text:
    """Text in which nothing is markup; characters that would steer the terminal are spelled out."""
    from rich.text import Text

    return Text("".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text), style)


def print_json(document: Any) -> None:
    """One JSON document on stdout.

    Raises:
        StorageError: it cannot be written there.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with written_to_stdout():
        sys.stdout.write(text + "\n")


@contextlib.contextmanager
def written_to_stdout() -> Iterator[None]:
    """Whatever is printed on stdout inside has really been written at the end.

    Raises:
        ReaderGoneError: nobody reads it any more.
        StorageError: it cannot be written (a redirection to a full disk).
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageError("write to standard output", why, "free some space, or send it elsewhere") from error


@contextlib.contextmanager
def vendors_on_stderr() -> Iterator[None]:
    """Send to stderr whatever models and runtimes print, from Python or C++, so that stdout holds results only."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, right: Sequence[str] = ()
) -> Table:
    """A table of plain text, and of :class:`~rich.text.Text` where a cell has a style.

    Columns in ``right`` hold numbers.
    """
    from rich.table import Table

    made = Table(
        title=plain(title) if title else None,
        title_justify="left",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def artifact_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """Artifacts as the contract's rows: how far from the original, how large, how long one call takes here."""
    right = ("SQNR", "max error", "labels", "samples", "size", "one call")
    columns = ("target", "scheme", "verdict", *right, "executed by")
    cells = [_artifact_row(row) for row in rows]
    # A column that says nothing of any artifact is left out.
    told = [index for index in range(len(columns)) if any(str(row[index]) for row in cells)]
    return table(title, [columns[i] for i in told], [[row[i] for i in told] for row in cells], right=right)


_WORDS = {True: ("passed", "green"), False: ("FAILED", "red"), None: ("not executed", "yellow")}


def _artifact_row(row: Mapping[str, Any]) -> tuple[str | Text, ...]:
    verdict = row["verdict"]
    agreement = verdict["label_agreement"]
    ties = (
        f" ({verdict['near_ties']} near-tie{'s' if verdict['near_ties'] > 1 else ''})" if verdict["near_ties"] else ""
    )
    random = " (random)" if verdict["synthetic_samples"] and verdict["samples"] else ""
    return (
        row["target"],
        row["scheme"],
        plain(*_WORDS[verdict["passed"]]),
        decibels(verdict),
        "" if verdict["max_abs_error"] is None else f"{verdict['max_abs_error']:.2g}",
        "" if agreement is None else f"{agreement:.2%}{ties}",
        f"{verdict['samples']}{random}" if verdict["samples"] else "",
        "" if row["bytes"] is None else size(row["bytes"]),
        "" if row["call_ms"] is None else milliseconds(row["call_ms"]),
        verdict["executed_by"] or verdict["reason"] or "",
    )


def decibels(verdict: Mapping[str, Any]) -> str:
    """The SQNR for people: ``112.3 dB``, ``identical``, or nothing where there is none."""
    if verdict["identical"]:
        return "identical"
    return "" if verdict["sqnr_db"] is None else f"{verdict['sqnr_db']:.1f} dB"


def size(count: float) -> str:
    """Bytes for people, in decimal units."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def milliseconds(value: float) -> str:
    """Milliseconds for people, three digits."""
    return f"{value * 1000:.3g} µs" if value < 1 else f"{value:.3g} ms"
