"""What each operator takes, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.bench.profile import OperatorTime, Profile
    from edgekit.bench.result import Result

_SHOWN = 12


def show_profile(result: Result, profile: Profile) -> None:
    """The slowest operators, and what their times are worth."""
    from edgekit.cli.console import milliseconds, output, plain, table

    console = output()
    named = any(one.layer for one in profile.operators)
    columns = ("operator", *(("layer",) if named else ()), "time", "share", "on")
    rows = [_row(one, named=named) for one in profile.slowest[:_SHOWN]]
    console.print(table("", columns, rows, right=("time", "share")))
    for line in profile.notes(result.median.value, result.providers, lambda ns: milliseconds(ns / 1e6)):
        console.print(plain(line), soft_wrap=True)


def _row(one: OperatorTime, *, named: bool) -> tuple[str, ...]:
    from edgekit.cli.console import milliseconds

    layer = (one.layer or "",) if named else ()
    return (
        f"{one.op} ({one.name})" if one.op not in one.name else one.name,
        *layer,
        milliseconds(one.ns / 1e6),
        f"{one.share:.1%}",
        one.provider,
    )
