"""The application: its commands, and how each way of ending becomes a line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import FrameType

import typer

import edgekit
from edgekit.cli import (
    bench,
    compare,
    convert,
    devices,
    diagnose,
    doctor,
    history,
    inspect,
    report,
    routes,
    run,
    suite,
    tune,
    verify,
)
from edgekit.cli.console import ReaderGoneError, say, written_to_stdout
from edgekit.errors import EdgekitError, InputError

_EPILOG = (
    "[bold]Exit codes[/bold]: 0 done; 1 a verdict failed; 2 asked wrongly; 3 a dependency is missing; "
    "4 could not be done; 5 a bug in edgekit; 130 interrupted."
)

app = typer.Typer(
    name="edgekit",
    help="From a trained model to a verified model for every edge runtime, in one command.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("convert", help=convert.HELP)(convert.convert)
app.command("tune", help=tune.HELP)(tune.tune)
app.command("diagnose", help=diagnose.HELP)(diagnose.diagnose)
app.command("bench", help=bench.HELP)(bench.bench)
app.command("compare", help=compare.HELP)(compare.compare)
app.command("history", help=history.HELP)(history.history)
app.command("report", help=report.HELP)(report.report)
app.command("verify", help=verify.HELP)(verify.verify)
app.command("inspect", help=inspect.HELP)(inspect.inspect)
app.command("run", help=run.HELP)(run.run)
app.command("routes", help=routes.HELP)(routes.routes)
app.command("doctor", help=doctor.HELP)(doctor.doctor)
app.add_typer(devices.app, name="devices")
app.add_typer(suite.app, name="suite")


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        typer.echo(f"edgekit {edgekit.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),  # noqa: FBT001, FBT003
) -> None:
    del version


def main() -> None:
    """Run the command line and exit with its code."""
    _prepare_streams()
    _prepare_signals()
    try:
        code = app(standalone_mode=False)
        with written_to_stdout():
            pass
    except EdgekitError as error:
        code = _refuse(error)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except ReaderGoneError:
        code = 0
    except Exception as error:  # noqa: BLE001 - the last line of defence: everything else is a bug of ours
        code = _usage_or_bug(error)
    # typer itself makes an exit code of some interruptions.
    if code == 130:
        _end("interrupted; nothing was left half-written", 130)
    _drop_unwritten()
    sys.exit(code if isinstance(code, int) else 0)


def _prepare_streams() -> None:
    """Standard streams that exist (`>&-` closes one) and that no character can upset."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r+" if number else "r", closefd=False, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A console of another encoding must not turn a path with an accent into a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _prepare_signals() -> None:
    """Whatever asks us to end is an interruption, after which we clean up; what the caller ignores stays ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupted)


def _drop_unwritten() -> None:
    """Let go of what could not be written, which Python would try, and complain of, once more on its way out."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_interruptions: list[int] = []


def _interrupted(number: int, frame: FrameType | None) -> None:
    del frame
    _interruptions.append(number)
    if len(_interruptions) == 1:
        raise KeyboardInterrupt
    # An impatient second Ctrl-C must not interrupt the cleaning up; a third gives up on it.
    if len(_interruptions) > 2:
        os._exit(130)


def _refuse(error: EdgekitError) -> int:
    return _end(str(error), error.exit_code)


def _usage_or_bug(error: Exception) -> int:
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's: the command was written wrongly
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "edgekit"
        message = error.format_message()
        # Without arguments typer has shown the help already, and has no more to say.
        return _refuse(InputError(command, message, f"see {command} --help")) if message else 2
    try:
        folder = Path(tempfile.gettempdir())
        log = folder / f"edgekit-bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        with log.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"edgekit {edgekit.__version__}, Python {sys.version}\n{' '.join(sys.argv)}\n\n")
            traceback.print_exception(error, file=file)
    except OSError:
        traceback.print_exception(error)
        return _end(f"a bug in edgekit: {type(error).__name__}: {error}. Please report it with the above", 5)
    return _end(f"a bug in edgekit: {type(error).__name__}: {error}. Please report it with {log}", 5)


def _end(message: str, code: int) -> int:
    say(" ".join(message.split()), "error:")
    return code
