"""``edgekit history``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from rich.text import Text

    from edgekit.bench.history import Entry, History
    from edgekit.bench.result import Result

# The JSON document of `history --json`. 1: first.
SCHEMA = 1

HELP = """List what was measured on this machine, or show one result.

[bold]Examples[/bold]

  edgekit history

  edgekit history --model model.edge --last 5

  edgekit history 12 --json
"""


def history(
    number: Annotated[
        Optional[int],  # noqa: UP045
        typer.Argument(metavar="[ID]", help="Show this result.", show_default=False),
    ] = None,
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--model", help="Only models of this file name.", show_default=False),
    ] = None,
    last: Annotated[int, typer.Option("--last", help="At most so many, the newest first.", min=1)] = 20,
    file: options.HistoryFile = None,
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, read, print."""
    from edgekit.bench.history import History
    from edgekit.cli.bench import show
    from edgekit.cli.console import output, print_json, say, table

    kept = History(file)
    if number is not None:
        result = kept.result(number)
        print_json(result.to_json()) if json else show(result, ())
        return
    entries = kept.entries(file=model, last=last)
    if json:
        print_json({"schema": SCHEMA, "results": [one.to_json() for one in entries]})
        return
    if not entries:
        say(f"nothing has been measured yet: {kept.path}")
        return
    columns = ("id", "measured", "model", "runtime", "threads", "median", "95 % interval", "")
    output().print(table("", columns, [_row(one) for one in entries], right=("id", "threads", "median")))


def _row(one: Entry) -> tuple[str | Text, ...]:
    from edgekit.cli.console import milliseconds, plain

    return (
        str(one.id),
        one.measured_at.replace("T", " ").partition("+")[0],
        f"{one.file} {one.target}" + (f"/{one.scheme}" if one.scheme else ""),
        one.runtime + (f" on {one.device}" if one.device else ""),
        "" if one.threads is None else str(one.threads),
        milliseconds(one.median_ns / 1e6),
        f"{milliseconds(one.low_ns / 1e6)} to {milliseconds(one.high_ns / 1e6)}",
        plain(one.verdict, "green" if one.verdict == "stable" else "yellow"),
    )


def keep(result: Result, history: History) -> None:
    """Add a result to the history; that it cannot be written is said, and is no failure of the measurement."""
    from edgekit.cli.console import say
    from edgekit.errors import StorageError

    try:
        history.add(result)
    except StorageError as error:
        say(f"not kept: {error}", style="yellow")


def best_yardstick(history: History | None, likeness: Mapping[str, Any]) -> float | None:
    """What the history knows of the machine; ``None`` where it knows nothing, or cannot be read."""
    from edgekit.errors import StorageError

    try:
        return None if history is None else history.best_yardstick(likeness)
    except StorageError:
        return None  # which keeping the result will say
