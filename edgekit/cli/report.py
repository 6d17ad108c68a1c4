"""``edgekit report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgekit.cli import options

HELP = """Write what was measured as one HTML file that needs nothing else: tables, distributions, operators.

Results are files of edgekit bench --output, folders of them, or numbers of the history; without any, the newest of the
history. A bundle beside them adds how far its files are from the original; a bundle alone is reported by itself.

[bold]Examples[/bold]

  edgekit report -o report.html

  edgekit report result.json other.json model.edge -o report.html

  edgekit report 11 12 -o report.html

  edgekit report model.edge -o report.html
"""


def report(
    sources: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[SOURCES]", help="Results, folders, numbers, bundles.", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    title: Annotated[str, typer.Option("--title", help="The heading.")] = "Measurements",
    model: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--model", help="Of the history, only models of this file name.", show_default=False),
    ] = None,
    last: Annotated[int, typer.Option("--last", help="Of the history, so many.", min=1)] = 20,
    file: options.HistoryFile = None,
    force: options.Force = False,  # noqa: FBT002
    quiet: options.Quiet = False,  # noqa: FBT002
) -> None:
    """Parse, read, write."""
    from edgekit.bench.history import History
    from edgekit.bench.selection import gathered
    from edgekit.cli.console import say
    from edgekit.outputs import check_new_file
    from edgekit.report import check_installed, write_report, write_results

    check_installed()
    check_new_file(output, force=force)
    found = gathered(sources or [], History(file), model=model, last=last)
    if not found.results and not found.failures:
        write_report(found.bundles[0], output)
    else:
        write_results(found.results, output, name=title, bundles=found.bundles, failures=found.failures)
    if not quiet:
        say(f"wrote {output}")
