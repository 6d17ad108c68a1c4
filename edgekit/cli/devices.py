"""``edgekit devices``: the device classes that edgekit knows, and the facts of one with their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.devices import DeviceProfile, Probe

app = typer.Typer(
    help="Device classes: what is known of the devices that models are made for, every fact with its source.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

_LIST_HELP = """List the device classes: edgekit's own, and those in your project's devices folder.

[bold]Examples[/bold]

  edgekit devices list

  edgekit devices list --json
"""

_SHOW_HELP = """Show what is known of one device class, and where that is written.

[bold]Examples[/bold]

  edgekit devices show raspberry-pi-5

  edgekit devices show jetson-orin-nano --json
"""

_PROBE_HELP = """Find the class of this machine: by device tree, processor, chassis, or what Android or macOS calls it.

The exit code is 1 where no class fits, or what could be read does not decide between several.

[bold]Examples[/bold]

  edgekit devices probe

  edgekit devices probe --json

  edgekit devices probe --host pi@pi5.local

  edgekit devices probe --user-agent "Mozilla/5.0 (Linux; Android 10; K) Chrome/143.0.0.0 Mobile Safari/537.36"
"""


_CLEAN_HELP = """Remove what edgekit bench has sent to a device: models, runtimes, edgekit's own part.

[bold]Examples[/bold]

  edgekit devices clean --host pi@pi5.local
"""


@app.command("list", help=_LIST_HELP)
def list_devices(*, json: options.Json = False) -> None:
    """Parse, read the profiles, print."""
    from edgekit import devices
    from edgekit.cli.console import output, print_json, table

    known = devices.profiles()
    if json:
        print_json([profile.to_json() for profile in known])
        return
    columns = ("id", "name", "kind", "processor", "instruction sets", "runtimes", "fast schemes")
    output().print(table("", columns, [_summary(profile) for profile in known]))


@app.command("show", help=_SHOW_HELP)
def show_device(
    device: Annotated[str, typer.Argument(metavar="ID", help="The device class, as `edgekit devices list` names it.")],
    *,
    json: options.Json = False,
) -> None:
    """Parse, read one profile, print."""
    from edgekit import devices
    from edgekit.cli.console import output, plain, print_json, table

    profile = devices.get(device)
    if json:
        print_json(profile.to_json())
        return
    title = f"{profile.name} ({profile.kind})"
    output().print(table(title, ("fact", "value", "sources"), fact_rows(profile)))
    sources = [
        f"  {number}. {source.url}\n     {source.says}" for number, source in enumerate(profile.sources, start=1)
    ]
    output().print(plain("\n".join(("", "Sources", *sources))), soft_wrap=True)


@app.command("probe", help=_PROBE_HELP)
def probe_device(
    user_agent: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--user-agent", help="Ask for a browser instead, by its user agent.", show_default="this machine"),
    ] = None,
    host: options.Host = None,
    ssh_config: options.SshConfig = None,
    device_python: options.DevicePython = None,
    *,
    json: options.Json = False,
) -> None:
    """Parse, read the machine, print."""
    from edgekit import devices
    from edgekit.cli.console import output, plain, print_json, table
    from edgekit.errors import InputError

    if host is not None and user_agent is not None:
        raise InputError("--user-agent", "a browser is known by it alone", "leave --host off")
    with options.way(host, ssh_config, device_python, None, False, lambda *_: None) as way:  # noqa: FBT003
        machine = (
            way.machine() if way else devices.this_machine() if user_agent is None else devices.browser(user_agent)
        )
    found = devices.probe(machine)
    if json:
        print_json(found.to_json())
    else:
        output().print(table("", ("what was read", "value"), _read_rows(found)))
        output().print(plain("\n".join(("", *_verdict(found)))), soft_wrap=True)
    raise typer.Exit(0 if found.device else 1)


@app.command("clean", help=_CLEAN_HELP)
def clean_device(
    host: Annotated[str, typer.Option("--host", help="The device, as ssh takes it: pi@pi5.local; or adb:SERIAL.")],
    ssh_config: options.SshConfig = None,
    device_python: options.DevicePython = None,
) -> None:
    """Parse, remove, print."""
    from edgekit.bench.transports.reach import reach
    from edgekit.cli.console import output, plain, size

    with reach(host, config=ssh_config, python=device_python) as way:
        freed = way.clean()
    output().print(plain(f"removed {size(freed)} from {host}"), soft_wrap=True)


def _read_rows(found: Probe) -> list[tuple[str, str]]:
    """What was read; of the instruction sets those that decide, where any do."""
    read = found.machine.to_json()
    classes = (found.device, *found.candidates) if found.device else found.candidates
    asked = {flag for profile in classes if profile.match for flag in profile.match.cpu_flags}
    flags = read.get("cpu_flags", [])
    shown = [flag for flag in flags if flag in asked]
    if shown:
        read["cpu_flags"] = [*shown, f"and {len(flags) - len(shown)} more"]
    return [(key.replace("_", " "), _text(value)) for key, value in read.items()]


def _verdict(found: Probe) -> list[str]:
    """The class, or what to do without one."""
    if found.device:
        return [f"{found.device.id}: {found.device.name}, because {found.why}", *found.notes]
    if found.candidates:
        known = ", ".join(profile.id for profile in found.candidates)
        return [f"one of {known}: {found.why}", "name yours where a command takes a device: --device ID"]
    todo = (
        "name a near one where a command takes a device (edgekit devices list), or describe yours in devices/<id>.toml"
    )
    return [found.why, todo]


def fact_rows(profile: DeviceProfile) -> list[tuple[str, str, str]]:
    """Each fact, its value and the numbers of its sources, in the profile's order."""
    document = profile.to_json()
    facts = [
        (f"{part}.{key}", value)
        for part in ("processor", "memory", "match")
        for key, value in document.get(part, {}).items()
    ]
    for part in ("accelerators", "runtimes", "schemes", "readings"):
        facts.extend((f"{part}.{item.pop('name')}", item) for item in document.get(part, []))
    facts.append(("transports", document["transports"]))
    return [(fact, _text(value), _sources(profile, fact)) for fact, value in facts]


def _sources(profile: DeviceProfile, fact: str) -> str:
    """The numbers of the sources that cover a fact, or a part of it."""
    covering = profile.sources_of(fact)
    return ", ".join(
        str(number)
        for number, source in enumerate(profile.sources, start=1)
        if source in covering or any(entry.startswith(f"{fact}.") for entry in source.facts)
    )


def _summary(profile: DeviceProfile) -> tuple[str, ...]:
    return (
        profile.id,
        profile.name,
        profile.kind,
        profile.processor.name,
        ", ".join(profile.processor.instruction_sets),
        ", ".join(runtime.name for runtime in profile.runtimes),
        ", ".join(scheme.name for scheme in profile.schemes),
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(one)}" for key, one in value.items())
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
