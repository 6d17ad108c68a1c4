"""``edgekit routes``."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli import options

HELP = """List the conversions there are, and which can be used here.

[bold]Examples[/bold]

  edgekit routes

  edgekit routes --json
"""


def routes(
    json: options.Json = False,  # noqa: FBT002
    markdown: Annotated[bool, typer.Option("--markdown", help="As a Markdown table (the README's).")] = False,  # noqa: FBT002
) -> None:
    """Parse, ask the registry, print."""
    from edgekit.cli.console import output, plain, print_json, table
    from edgekit.convert.matrix import as_markdown, table_of_routes

    rows = table_of_routes()
    if json:
        print_json(rows)
    elif markdown:
        output().print(plain(as_markdown(rows)), soft_wrap=True)
    else:
        cells = [
            (row["source"], row["target"], ", ".join(row["schemes"]), row["reason"] or "yes", row["via"] or "")
            for row in rows
        ]
        output().print(table("", ("source", "target", "schemes", "available here", "via"), cells))
