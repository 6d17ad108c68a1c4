"""``edgekit doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgekit.cli import options

if TYPE_CHECKING:
    from rich.text import Text

HELP = """Show what is installed here, what it is good for, and what is missing.

[bold]Examples[/bold]

  edgekit doctor

  edgekit doctor --json
"""


def doctor(json: options.Json = False) -> None:  # noqa: FBT002
    """Parse, examine, print."""
    from edgekit.cli.console import output, plain, print_json, size, table
    from edgekit.doctor import examine

    found = examine()
    if json:
        print_json(found)
        return
    machine = found["machine"]
    memory = size(machine["memory_bytes"]) if machine["memory_bytes"] else "unknown"
    facts = (
        f"edgekit {found['edgekit']} on Python {found['python']}",
        f"{machine['system']} {machine['architecture']}",
        f"{machine['processors']} processors",
        f"{memory} of memory",
        f"{size(machine['disk_free_bytes'])} free on the disk",
    )
    runtimes = [
        (row["target"], row["reason"] or ("runs here, in software" if row["emulated"] else "runs here"))
        for row in found["runtimes"]
    ]
    routes = [(f"{row['source']} → {row['target']}", row["reason"] or "available") for row in found["routes"]]
    console = output()
    console.print(plain(", ".join(facts)), soft_wrap=True)
    packages = [_package(row) for row in found["packages"]]
    for made in (
        table("Packages", ("package", "installed", "tested with", "state"), packages),
        table("Runtimes", ("target", "state"), runtimes),
        table("Routes", ("route", "state"), routes),
    ):
        console.print()
        console.print(made)


def _package(row: dict[str, Any]) -> tuple[str | Text, ...]:
    from edgekit.cli.console import plain

    style = {"tested": "green", "untested version": "yellow", "missing": "red"}[row["state"]]
    return row["package"], row["installed"] or "", row["tested"], plain(row["state"], style)
