"""Options that mean the same on every command, and how their text is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from edgekit.bench.transports.browser import BrowserTransport
    from edgekit.bench.transports.remote import RemoteTransport
    from edgekit.devices import DeviceProfile

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors and the result.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an existing output.")]
Trust = Annotated[bool, typer.Option("--trust", help="Load files that run code when loaded (pickles).")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)]
# typer reads annotations at run time, and on Python 3.10 it needs Optional.
Threads = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--threads", help="Threads of the runtime.", show_default="the runtime's choice", min=1),
]
_SAMPLES = ".npz, .npy, .csv, .parquet, an image or a folder of images."
Samples = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--samples", "-s", help=_SAMPLES, show_default="random"),
]
RequiredSamples = Annotated[Path, typer.Option("--samples", "-s", help=_SAMPLES)]
Preprocess = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--preprocess", help="TOML file: the preprocessing contract for image inputs.", show_default=False),
]
Target = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--target", help="onnx, tflite or coreml.", show_default="the suitable one"),
]
Scheme = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--scheme", help="float32, float16, …", show_default="the suitable one"),
]
Providers = Annotated[
    str,
    typer.Option(
        "--provider",
        help="Execution providers (ONNX), or XNNPACK, CPU, a delegate's library (TFLite); comma-separated.",
    ),
]
Device = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--device", help="The device's class: edgekit devices list.", show_default="any"),
]
Host = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--host",
        help="The device, as ssh takes it: pi@pi5.local; or adb:SERIAL, browser:chromium, browser:lan.",
        show_default="this machine",
    ),
]
SshConfig = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--ssh-config", help="Instead of your own (ssh -F).", show_default=False),
]
DevicePython = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--device-python", help="The device's Python, 3.10 or newer.", show_default="python3"),
]
Wheelhouse = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--wheelhouse", help="Wheels for the device, instead of downloading them.", show_default=False),
]
WebRuntimes = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--web-runtimes", help="A browser's runtimes, instead of downloading them.", show_default=False),
]
CleanUp = Annotated[bool, typer.Option("--clean-up", help="Remove what was sent to the device, at the end.")]
AsTold = Annotated[bool, typer.Option("--as-told", help="Keep to --device where the device says that it is another.")]
Processes = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--processes", help="Fresh processes.", show_default="10, full 20", min=2),
]
BenchSamples = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--samples", "-s", help="The first of them is the input.", show_default="the bundle's recorded"),
]
BenchTimeout = Annotated[float, typer.Option("--timeout", help="Seconds that one process may take.", min=1)]
HistoryFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--history", help="The file of results.", show_default="EDGEKIT_HISTORY, or the user's own"),
]
Across = Annotated[bool, typer.Option("--across-environments", help="Compare results of different environments too.")]
InputShape = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--input-shape", help="NAME=1,3,224,224 or NAME=int64:1,16; repeatable.", show_default=False),
]
InputName = Annotated[str, typer.Option("--input-name", help="Names for the inputs, in order, comma-separated.")]
OutputName = Annotated[str, typer.Option("--output-name", help="Names for the outputs, in order, comma-separated.")]
Columns = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--columns",
        help="Of scikit-learn, XGBoost and LightGBM models: named, an input a column, or matrix, one of all.",
        show_default="the model's",
    ),
]
Dynamic = Annotated[str, typer.Option("--dynamic", help="batch: keep the batch dimension open.")]


def way(
    host: str | None,
    config: Path | None,
    python: str | None,
    wheelhouse: Path | None,
    clean_up: bool,  # noqa: FBT001 - the command line's options, in its order
    event: Callable[[str, float], None],
    *,
    web_runtimes: Path | None = None,
    profile: DeviceProfile | None = None,
    wait: float = 600.0,
) -> AbstractContextManager[RemoteTransport | BrowserTransport | None]:
    """The way to a device, as a context; of this machine there is none.

    A class that only a browser can be of is measured in this machine's own, unless the host says otherwise.

    Raises:
        InputError: options of a device without one, or what cannot be meant.
        TransportError: it cannot be reached or used.
    """
    from edgekit.bench.transports.reach import reach
    from edgekit.errors import InputError

    given = {"--ssh-config": config, "--device-python": python, "--wheelhouse": wheelhouse, "--clean-up": clean_up}
    given["--web-runtimes"] = web_runtimes
    if (host := meant_host(host, profile)) is not None:
        return reach(
            host,
            config=config,
            python=python,
            wheelhouse=wheelhouse,
            clean_up=clean_up,
            event=event,
            web_runtimes=web_runtimes,
            invite=_invite,
            wait=wait,
        )
    for option, value in given.items():
        if value:
            raise InputError(option, "it is of another machine", "give its --host, or leave it off")
    return nullcontext()


def meant_host(host: str | None, profile: DeviceProfile | None) -> str | None:
    """The host, or this machine's own browser for a class that only a browser can be of."""
    return "browser:" if host is None and profile is not None and profile.transports == ("browser",) else host


def _invite(url: str) -> None:
    """Tell the address of a page, which no bar may cover; on a terminal also as a code that phones read."""
    print(f"open this page: {url}", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stderr.isatty():
        with suppress(ImportError):
            import segno

            segno.make(url, micro=False).terminal(out=sys.stderr, compact=True)


def name_of(model: str) -> str:
    """What a bundle is called after: the model's file or folder, or the factory."""
    path = Path(model)
    return path.resolve().stem if path.exists() else Path(model.rpartition(":")[2] or model).stem


def parse_list(text: str) -> list[str]:
    """``"a, b"`` as ``["a", "b"]``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_duration(option: str, text: str) -> float:
    """``"10m"`` as 600 seconds.

    Raises:
        InputError: not a number of seconds, minutes or hours.
    """
    from edgekit.errors import InputError

    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.replace(".", "", 1).isdecimal() or not float(number):
        raise InputError(f"{option} {text}", "not a duration", "write 10m, 90s or 1h")
    return float(number) * units[unit]


def parse_shapes(given: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, str]]:
    """``["ids=int64:1,16"]`` as ``{"ids": [1, 16]}`` and ``{"ids": "int64"}``.

    Raises:
        InputError: not of that form, or a name twice.
    """
    from edgekit.errors import InputError

    wanted = "write x=1,3,224,224 or ids=int64:1,16"
    shapes: dict[str, list[int]] = {}
    dtypes: dict[str, str] = {}
    for text in given:
        # A name may hold an equals sign or a colon; sizes and dtypes do not.
        name, equals, rest = text.rpartition("=")
        dtype, colon, sizes = rest.rpartition(":")
        try:
            shape = [int(size) for size in sizes.split(",")]
        except ValueError as error:
            raise InputError(f"--input-shape {text}", "not NAME=SIZES", wanted) from error
        if not (name and equals):
            raise InputError(f"--input-shape {text}", "not NAME=SIZES", wanted)
        if name in shapes:
            raise InputError(f"--input-shape {text}", f"{name} has a shape already", "give one shape an input")
        shapes[name] = shape
        if colon:
            dtypes[name] = dtype
    return shapes, dtypes
