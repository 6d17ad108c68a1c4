"""``edgekit bench``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgekit.cli import options
from edgekit.errors import InputError

if TYPE_CHECKING:
    from rich.text import Text

    from edgekit.bench.ci import Report
    from edgekit.bench.gate import Check
    from edgekit.bench.measure import Settings
    from edgekit.bench.result import Result
    from edgekit.bench.transports import Event, Transport

HELP = """Measure a model, here or on a device: latency, cold start, memory, and whether the figures would come again.

Fresh processes, warmed up until they settle, at least 128 calls and 10 s together (--full: 1,024 and 60 s); the median
with its 95 % interval, percentiles where the number of calls allows them. Sensors, clocks and other processes are
watched: a measurement that they disturb is called unstable, and why.

[bold]Examples[/bold]

  edgekit bench model.edge

  edgekit bench model.edge --target tflite --scheme int8 --threads 4 --full

  edgekit bench model.edge --sustained 10m -o result.json

  edgekit bench model.edge --target tflite --provider CPU --profile

  edgekit bench model.edge --gate baseline.json --max-regression 5% --junit bench.xml --github

  edgekit bench model.edge --host pi@pi5.local --device raspberry-pi-5

  edgekit bench model.edge --device browser-desktop --target onnx --provider wasm --threads 2

The exit code is 1 where the gate did not pass, or where a browser's outputs are not the recorded ones.
"""


def bench(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A bundle, or a .onnx, .tflite or .mlpackage file.")],
    target: options.Target = None,
    scheme: options.Scheme = None,
    full: Annotated[bool, typer.Option("--full", help="At least 1,024 calls and 60 s.")] = False,  # noqa: FBT002
    sustained: Annotated[str, typer.Option("--sustained", help="Then run as long without a pause: 10m, 90s, 1h.")] = "",
    profile: Annotated[bool, typer.Option("--profile", help="Also tell what each operator takes.")] = False,  # noqa: FBT002
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
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Write the result, raw durations included.", show_default=False),
    ] = None,
    gate: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--gate", help="An earlier result that this one may not be worse than.", show_default=False),
    ] = None,
    max_regression: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--max-regression", help="What may be worse than --gate; 5% if not said.", show_default=False),
    ] = None,
    gate_on: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--gate-on", help="Of median, cold, memory, size; median if not said.", show_default=False),
    ] = None,
    across: options.Across = False,  # noqa: FBT002
    junit: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--junit", help="Write JUnit XML.", show_default=False),
    ] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,  # noqa: FBT002
    seed: options.Seed = 0,
    no_history: Annotated[bool, typer.Option("--no-history", help="Do not keep the result.")] = False,  # noqa: FBT002
    file: options.HistoryFile = None,
    timeout: options.BenchTimeout = 600,
    force: options.Force = False,  # noqa: FBT002
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, measure, print."""
    from dataclasses import replace
    from functools import partial

    from edgekit.bench.ci import of_result
    from edgekit.bench.gate import check, check_metrics, parse_percent
    from edgekit.bench.history import History
    from edgekit.bench.measure import measure
    from edgekit.bench.result import read_result, write_result
    from edgekit.cli.history import best_yardstick, keep
    from edgekit.outputs import check_new_file

    for path in filter(None, (output, junit)):
        check_new_file(path, force=force)
    for option, value in (("--max-regression", max_regression), ("--gate-on", gate_on)):
        if gate is None and value is not None:
            raise InputError(f"{option} {value}", "there is nothing to be worse than", "give --gate baseline.json")
    baseline = read_result(gate) if gate else None
    limit = parse_percent("5%" if max_regression is None else max_regression)
    metrics = options.parse_list("median" if gate_on is None else gate_on)
    if baseline is not None:
        check_metrics(metrics, baseline)
        target, scheme = _of_baseline(model, baseline, target, scheme)
    settings = settings_of(full, processes, threads, provider, device, target, scheme, samples, seed, timeout, as_told)
    if profile:
        settings = replace(settings, profile_operators=True)
    if sustained:
        settings = replace(settings, sustained=options.parse_duration("--sustained", sustained))
    known = None if no_history else History(file)
    there = (host, ssh_config, device_python, wheelhouse, clean_up, web_runtimes)
    with reached(*there, settings, quiet=quiet) as (way, event):
        best = partial(best_yardstick, known)
        result = measure(model, settings, transport=way, event=event, best_yardstick=best)
    if known is not None:
        keep(result, known)
    if output is not None:
        write_result(result, output)
    checks = check(result, baseline, limit, metrics, anywhere=across) if baseline else ()
    told = of_result(result, checks)
    write_junit(told, junit)
    _print(result, checks, json=json)
    if github:
        annotate(told, json=json)
    wrong = result.verdict is not None and not result.verdict["passed"]
    raise typer.Exit(1 if wrong or any(one.outcome != "passed" for one in checks) else 0)


def settings_of(
    full: bool,  # noqa: FBT001 - the command line's options, in its order
    processes: int | None,
    threads: int | None,
    provider: str,
    device: str | None,
    target: str | None,
    scheme: str | None,
    samples: Path | None,
    seed: int,
    timeout: float,
    as_told: bool = False,  # noqa: FBT001, FBT002
) -> Settings:
    """How to measure, from the options that bench and compare share.

    Raises:
        InputError: no such device.
    """
    from dataclasses import replace

    from edgekit import devices
    from edgekit.bench.measure import Settings
    from edgekit.bench.protocol import FULL, QUICK

    protocol = FULL if full else QUICK
    return Settings(
        protocol=replace(protocol, processes=processes) if processes else protocol,
        target=target,
        scheme=scheme,
        samples=samples,
        threads=threads,
        providers=tuple(options.parse_list(provider)),
        profile=devices.get(device) if device else None,
        seed=seed,
        timeout=timeout,
        as_told=as_told,
    )


@contextmanager
def reached(
    host: str | None,
    ssh_config: Path | None,
    device_python: str | None,
    wheelhouse: Path | None,
    clean_up: bool,  # noqa: FBT001 - the command line's options, in its order
    web_runtimes: Path | None,
    settings: Settings,
    *,
    quiet: bool,
) -> Iterator[tuple[Transport | None, Event]]:
    """The way to a device, and a bar that is told what is done there."""
    from edgekit.cli.progress import Bar

    with (
        Bar(quiet=quiet) as bar,
        options.way(
            host,
            ssh_config,
            device_python,
            wheelhouse,
            clean_up,
            bar.event,
            web_runtimes=web_runtimes,
            profile=settings.profile,
            wait=settings.timeout,
        ) as way,
    ):
        yield way, bar.event


def _of_baseline(
    model: Path, baseline: Result, target: str | None, scheme: str | None
) -> tuple[str | None, str | None]:
    """Which artifact of a bundle is gated, where that is not said: one of the baseline's kind."""
    if model.suffix != ".edge" and not model.is_dir():
        return target, scheme
    target = target or baseline.model["target"]
    same = target == baseline.model["target"]
    return target, scheme or (baseline.model["scheme"] if same else None)


def write_junit(report: Report, path: Path | None) -> None:
    """JUnit XML, where it was asked for."""
    from edgekit.bench.ci import junit
    from edgekit.outputs import written_whole

    if path is not None:
        with written_whole(path) as file:
            file.write(junit(report))


def annotate(report: Report, *, json: bool) -> None:
    """GitHub's annotations; it reads both streams, and a JSON document stays alone on its own."""
    from edgekit.bench.ci import annotated

    for line in annotated(report):
        print(line, file=sys.stderr if json else sys.stdout)


def _print(result: Result, checks: Sequence[Check], *, json: bool) -> None:
    from edgekit.cli.console import print_json

    if json:
        print_json({**result.to_json(), "gate": [one.to_json() for one in checks]})
    else:
        show(result, checks)


def show(result: Result, checks: Sequence[Check]) -> None:
    """A result for people, with what its gate found."""
    from edgekit.cli.console import output, plain, table
    from edgekit.cli.profile import show_profile

    console = output()
    console.print(plain(_title(result)), soft_wrap=True)
    if result.identified is not None:
        console.print(plain(f"device: {result.identified}"), soft_wrap=True)
    if result.missing_providers:
        said = f"not run: {', '.join(result.missing_providers)} (not installed there, or it did not start)"
        console.print(plain(said, "yellow"), soft_wrap=True)
    if result.environment.browser is not None:
        console.print(plain(_browser(result.environment.browser)), soft_wrap=True)
    if result.verdict is not None:
        console.print(plain(*_compared(result.verdict)), soft_wrap=True)
    console.print(table("", ("", "value", ""), _rows(result), right=("value",)))
    if result.profile is not None:
        show_profile(result, result.profile)
    unstable = result.stability.reasons
    said = f"{result.stability.verdict}: {result.extent}"
    console.print(plain(said, "yellow" if unstable else "green"), soft_wrap=True)
    for reason in unstable:
        console.print(plain(f"  {reason}", "yellow"), soft_wrap=True)
    for one in checks:
        console.print(plain(one.message, "green" if one.outcome == "passed" else "bold red"), soft_wrap=True)


def _title(result: Result) -> str:
    scheme = result.model["scheme"]
    name = f"{result.model['target']}/{scheme} of {result.model['file']}" if scheme else result.model["file"]
    threads = result.settings["threads"]
    counted = "" if threads is None else f", {threads} thread{'' if threads == 1 else 's'}"
    where = f" ({', '.join(result.providers)}{counted})" if result.providers else counted
    back = len(result.fell_back)
    all_of_them = sum(len(names) for names in result.placement.values())
    fell = f"; {back} of {all_of_them} operators fell back from {result.first_choice}" if back else ""
    return f"{name} on {result.runtime}{where}{fell}"


def _browser(facts: Mapping[str, Any]) -> str:
    isolated = "" if facts["isolated"] else ", not isolated: one thread, and no WebGPU"
    clock = f"its clock goes by {facts['clock_ns'] / 1000:g} µs"
    return f"browser: {facts['name']} {facts['version']}, a fresh {facts['fresh']} each time; {clock}{isolated}"


def _compared(verdict: Mapping[str, Any]) -> tuple[str, str]:
    from edgekit.verify.verdict import Verdict

    found = Verdict.from_json(verdict)
    return f"outputs beside the recorded ones: {found}", "green" if found else "bold red"


def _rows(result: Result) -> list[tuple[str | Text, ...]]:
    from edgekit.cli.console import milliseconds, size

    median, cold = result.median, {name: milliseconds(ns / 1e6) for name, ns in result.cold.items()}
    between = f"{milliseconds(median.low / 1e6)} to {milliseconds(median.high / 1e6)}"
    first = "median (emulated)" if result.stability.emulated else "median"
    rows: list[tuple[str | Text, ...]] = [(first, milliseconds(median.value / 1e6), f"95 % interval {between}")]
    for one in result.percentiles:
        if one.percentile == 50:  # which the median above says better
            continue
        bound = f"early-stopping bound {milliseconds(one.bound / 1e6)}"
        rows.append((f"p{one.percentile:g}", milliseconds(one.value / 1e6), bound))
    rows.append(("load", cold["load_ns"], f"after importing the runtime, {cold['import_ns']}"))
    rows.append(("first call", cold["first_call_ns"], ""))
    if result.memory and result.memory["peak_bytes"] is not None:
        before = result.memory["before_bytes"]
        rows.append(
            ("peak memory", size(result.memory["peak_bytes"]), f"{size(before)} before the model" if before else "")
        )
    rows.append(("size", size(result.model["bytes"]), ""))
    if result.energy:
        rows.append(
            ("energy a call", f"{result.energy['joules_a_call'] * 1000:.3g} mJ", f"at {result.energy['watts']:.3g} W")
        )
    if result.sustained:
        ratio, minutes = result.sustained["last_over_first"], len(result.sustained["medians_ns"])
        rows.append(("sustained", f"{ratio:.2f} x", f"the last of {minutes} minutes over the first"))
    return rows
