"""The table of routes as documents: what ``edgekit routes``, ``edgekit doctor`` and the README's matrix show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.convert import registry
from edgekit.quantize import SCHEMES, schemes_of


def table_of_routes() -> list[dict[str, Any]]:
    """Every route, in the registry's order.

    Returns:
        A row a route: ``source, target, schemes, extra, available, reason, via, dynamic_batch, known_gaps``; ``reason``
        and ``via`` are null where there is none.
    """
    return [_row(route) for route in registry.routes()]


def _row(route: registry.Route) -> dict[str, Any]:
    reason = route.unavailable_because()
    known = {*route.schemes, *schemes_of(route.target)}
    return {
        "source": route.source,
        "target": route.target,
        "schemes": [scheme for scheme in SCHEMES if scheme in known],
        "extra": route.extra,
        "available": not reason,
        "reason": reason or None,
        "via": route.via or None,
        "dynamic_batch": route.dynamic_batch,
        "known_gaps": list(route.known_gaps),
    }


def as_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of :func:`table_of_routes` as the README's matrix, which does not depend on what is installed here."""
    lines = ["| from | to | schemes | dynamic batch | extra | known gaps |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        dynamic = "yes" if row["dynamic_batch"] else "no"
        gaps = "; ".join(row["known_gaps"]) or "none known"
        cells = (row["source"], row["target"], ", ".join(row["schemes"]), dynamic, f"`{row['extra']}`", gaps)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
