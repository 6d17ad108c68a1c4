"""``edgekit suite``: many measurements in one run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.bench.suite_run import Outcome
    from edgekit.bench.suites import Place, Suite
    from edgekit.bench.transports import Transport

# The JSON document of `suite run --json`. 1: first.
SCHEMA = 1

app = typer.Typer(
    help="Suites: many models, formats, schemes and devices measured in one run.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_LIST_HELP = """List the suites: edgekit's own, and those in your project's benchmarks/suites folder.

[bold]Examples[/bold]

  edgekit suite list
"""

_RUN_HELP = """Measure what a suite asks for, and write a report.

Results go to a folder, one file each. What it holds already (the same model, settings, protocol and environment) is not
measured again: an interrupted run goes on where it stopped. What fails is written down, and the rest goes on.

[bold]Examples[/bold]

  edgekit suite run small -o small-results

  edgekit suite run suite.toml -o results --full

The exit code is the highest of the failures', 0 without any.
"""


@app.command("list", help=_LIST_HELP)
def list_suites(
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, read, print."""
    from edgekit.bench.suites import read, suites
    from edgekit.cli.console import output, print_json, table

    found = [read(path) for path in suites()]
    if json:
        print_json({"schema": SCHEMA, "suites": [{"id": one.id, "name": one.name} for one in found]})
        return
    rows = [
        (one.id, one.name, str(len(one.models)), str(sum(len(list(one.jobs(place))) for place in one.places)))
        for one in found
    ]
    output().print(table("", ("suite", "", "models", "measurements"), rows, right=("models", "measurements")))


@app.command("run", help=_RUN_HELP)
def run_suite(
    name: Annotated[str, typer.Argument(metavar="SUITE", help="A suite's name, or a .toml file.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="The folder of results.")],
    full: Annotated[bool, typer.Option("--full", help="At least 1,024 calls and 60 s each.")] = False,  # noqa: FBT002
    processes: options.Processes = None,
    timeout: options.BenchTimeout = 600,
    ssh_config: options.SshConfig = None,
    web_runtimes: options.WebRuntimes = None,
    no_history: Annotated[bool, typer.Option("--no-history", help="Do not keep the results there.")] = False,  # noqa: FBT002
    file: options.HistoryFile = None,
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, measure, write, print."""
    from functools import partial

    from edgekit.bench.history import History
    from edgekit.bench.suite_run import run
    from edgekit.bench.suites import find
    from edgekit.cli.bench import settings_of
    from edgekit.cli.history import best_yardstick, keep
    from edgekit.cli.progress import Bar
    from edgekit.report import check_installed

    check_installed()
    suite = find(name)
    how = settings_of(full or suite.full, processes, None, "", None, None, None, None, suite.seed, timeout)
    known = None if no_history else History(file)
    with Bar(quiet=quiet) as bar:
        outcome = run(
            suite,
            folder,
            partial(
                way_to, suite=suite, ssh_config=ssh_config, web_runtimes=web_runtimes, event=bar.event, wait=timeout
            ),
            settings=how,
            event=bar.event,
            best_yardstick=partial(best_yardstick, known),
            kept=lambda result: keep(result, known) if known is not None else None,
        )
    _report(suite, outcome, folder)
    _print(suite, outcome, folder, json=json)
    raise typer.Exit(outcome.exit_code)


def way_to(
    place: Place,
    *,
    suite: Suite,
    ssh_config: Path | None,
    web_runtimes: Path | None,
    event: Callable[[str, float], None],
    wait: float,
) -> AbstractContextManager[Transport | None]:
    """The way to a place: of what was said for all of them, that which this kind takes."""
    from edgekit import devices
    from edgekit.bench.transports.reach import kind_of

    profile = devices.get(place.device) if place.device else None
    host = options.meant_host(place.host, profile)
    kind = kind_of(host) if host is not None else "local"
    return options.way(
        host,
        ssh_config if kind == "ssh" else None,
        place.python,
        suite.path.parent / place.wheelhouse if place.wheelhouse else None,
        clean_up=False,
        event=event,
        web_runtimes=web_runtimes if kind == "browser" else None,
        profile=profile,
        wait=wait,
    )


def _report(suite: Suite, outcome: Outcome, folder: Path) -> None:
    from edgekit.report import write_results

    failures = [(one.job.name, str(one.error)) for one in outcome.failed]
    results = [one.result for one in outcome.measured]
    write_results(results, folder / "report.html", name=suite.name, bundles=outcome.bundles, failures=failures)


def _print(suite: Suite, outcome: Outcome, folder: Path, *, json: bool) -> None:
    from edgekit.cli.console import milliseconds, output, plain, print_json, say, table

    if json:
        print_json(_document(suite, outcome))
        return
    rows = [
        (
            one.job.name,
            milliseconds(one.result.median.value / 1e6),
            f"{milliseconds(one.result.median.low / 1e6)} to {milliseconds(one.result.median.high / 1e6)}",
            plain(one.result.stability.verdict, "green" if one.result.stability.verdict == "stable" else "yellow"),
            "measured before" if one.earlier else "",
        )
        for one in outcome.measured
    ]
    if rows:
        output().print(table("", ("", "median", "95 % interval", "", ""), rows, right=("median",)))
    for failed in outcome.failed:
        say(f"{failed.job.name}: {failed.error}", "failed:")
    say(f"wrote {folder / 'report.html'}")


def _document(suite: Suite, outcome: Outcome) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "suite": suite.id,
        "results": [
            {
                "what": one.job.name,
                "file": one.file.name,
                "median_ns": one.result.median.to_json(),
                "stability": one.result.stability.verdict,
                "earlier": one.earlier,
            }
            for one in outcome.measured
        ],
        "failures": [
            {"what": one.job.name, "error": str(one.error), "exit_code": one.error.exit_code} for one in outcome.failed
        ],
    }
