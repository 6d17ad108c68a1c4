"""``edgekit compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.bench.compared import Compared
    from edgekit.bench.gate import Check

HELP = """Say which of two models is faster, with the confidence interval of the ratio.

Two models are measured in turn, in the same fresh processes, so that what slows the machine slows both. Two results
(files of edgekit bench -o, or numbers of edgekit history) are compared as they are, if they come from one environment.

[bold]Examples[/bold]

  edgekit compare old.edge new.edge --target onnx

  edgekit compare model.edge model.edge --artifacts onnx/float32,onnx/int8 --threads 1

  edgekit compare old.edge new.edge --host pi@pi5.local

  edgekit compare 11 12

  edgekit compare monday.json tuesday.json --json

  edgekit compare main.edge branch.edge --max-regression 5% --junit compare.xml --github

With --max-regression the exit code is 1 where B is slower than A by more, or where that cannot be decided.
"""


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A model, a result's file or its number in the history.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    target: options.Target = None,
    scheme: options.Scheme = None,
    artifacts: Annotated[str, typer.Option("--artifacts", help="Of A and of B: onnx/float32,onnx/int8.")] = "",
    full: Annotated[bool, typer.Option("--full", help="At least 1,024 calls and 60 s of each.")] = False,  # noqa: FBT002
    device: options.Device = None,
    as_told: options.AsTold = False,  # noqa: FBT002
    host: options.Host = None,
    ssh_config: options.SshConfig = None,
    device_python: options.DevicePython = None,
    wheelhouse: options.Wheelhouse = None,
    web_runtimes: options.WebRuntimes = None,
    clean_up: options.CleanUp = False,  # noqa: FBT002
    threads: options.Threads = None,
    provider: options.Providers = "",
    processes: options.Processes = None,
    samples: options.BenchSamples = None,
    max_regression: Annotated[str, typer.Option("--max-regression", help="How much slower B may be: 5%.")] = "",
    junit: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--junit", help="Write JUnit XML.", show_default=False),
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,  # noqa: FBT002
    force: options.Force = False,  # noqa: FBT002
    across: options.Across = False,  # noqa: FBT002
    file: options.HistoryFile = None,
    seed: options.Seed = 0,
    timeout: options.BenchTimeout = 600,
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, measure or read, print."""
    from edgekit.bench.ci import of_compared
    from edgekit.bench.compared import compare_models, compare_results
    from edgekit.bench.gate import check_pair, parse_percent
    from edgekit.cli.bench import annotate, reached, settings_of, write_junit
    from edgekit.errors import InputError
    from edgekit.outputs import check_new_file

    if junit is not None:
        check_new_file(junit, force=force)
    limit = parse_percent(max_regression) if max_regression else None
    results = [_stored(text, file) for text in (first, second)]
    if all(results):
        found = compare_results(results[0], results[1], anywhere=across)
    elif any(results):
        asked, why = f"compare {first} with {second}", "one is a model and the other a result"
        raise InputError(asked, why, "give two models, or two results")
    else:
        how = settings_of(full, processes, threads, provider, device, target, scheme, samples, seed, timeout, as_told)
        each = _each(how, artifacts)
        there = (host, ssh_config, device_python, wheelhouse, clean_up, web_runtimes)
        with reached(*there, how, quiet=quiet) as (way, event):
            found = compare_models([Path(first), Path(second)], each, transport=way, event=event)
    shaken = bool(found.stability.reasons)
    checks = () if limit is None else (check_pair(found.ratio, found.band, limit, shaken=shaken),)
    told = of_compared(found, checks)
    write_junit(told, junit)
    _print(found, checks, json=json)
    if github:
        annotate(told, json=json)
    raise typer.Exit(1 if any(one.outcome != "passed" for one in checks) else 0)


def _stored(text: str, file: Path | None) -> Any:
    """The result of that file or number; ``None`` for a model."""
    from edgekit.bench.history import History
    from edgekit.bench.result import read_result

    if text.isdecimal() and not Path(text).exists():
        return History(file).result(int(text))
    return read_result(Path(text)) if Path(text).suffix.lower() == ".json" else None


def _each(how: Any, artifacts: str) -> list[Any]:
    from edgekit.bench.compared import chosen
    from edgekit.errors import InputError

    named = options.parse_list(artifacts)
    if not named:
        return [how, how]
    if len(named) != 2:
        raise InputError(f"--artifacts {artifacts}", f"{len(named)} named", "name two: onnx/float32,onnx/int8")
    return [chosen(how, name) for name in named]


def _print(found: Compared, checks: Sequence[Check], *, json: bool) -> None:
    from edgekit.cli.console import output, plain, print_json

    if json:
        print_json({**found.to_json(), "gate": [one.to_json() for one in checks]})
        return
    _show(found)
    for one in checks:
        output().print(plain(one.message, "green" if one.outcome == "passed" else "bold red"), soft_wrap=True)


def _show(found: Compared) -> None:
    from edgekit.cli.console import milliseconds, output, plain, table

    names = [_name(model) for model in (found.first, found.second)]
    rows = [(name, milliseconds(ns / 1e6)) for name, ns in zip(names, found.medians_ns, strict=True)]
    console = output()
    console.print(table("", ("", "median"), rows, right=("median",)))
    one = found.ratio
    word = "a tie with" if found.verdict == "tie" else f"{found.verdict} than"
    said = (
        f"{names[1]} is {word} {names[0]}: {one.value:.3f} of its time, 95 % interval {one.low:.3f} to {one.high:.3f}"
    )
    console.print(plain(said, "bold"), soft_wrap=True)
    low, high = found.band
    source = "the first measured against itself" if found.interleaved else "each measured against itself"
    console.print(plain(f"no difference is {low:.3f} to {high:.3f} ({source})"), soft_wrap=True)
    unstable = found.stability.reasons
    console.print(plain(found.stability.verdict, "yellow" if unstable else "green"))
    for reason in unstable:
        console.print(plain(f"  {reason}", "yellow"), soft_wrap=True)


def _name(model: Any) -> str:
    return f"{model['file']} {model['target']}" + (f"/{model['scheme']}" if model["scheme"] else "")
