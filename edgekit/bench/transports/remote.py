"""A device at the other end of a connection: its files and commands, and workers that run there."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from edgekit.bench.environment import Environment
from edgekit.bench.host import Host
from edgekit.bench.transports import payload
from edgekit.bench.transports.connection import Connection, ConnectionLostError
from edgekit.bench.transports.transport import TICK_SECONDS, Event, Tick, answer_of, too_long
from edgekit.bundle.digest import companions, file_digest, tree_digest
from edgekit.devices import Machine

_T = TypeVar("_T")
# Over the slowest of networks, one piece is there before an answer is given up.
_PIECE = 1 << 18
# A device that reboots, or a network that comes back, takes about so long.
_PAUSES = (1.0, 3.0, 9.0, 27.0)


class RemoteTransport:
    """Workers on a device that a connection leads to.

    A lost connection is made anew, and the worker that it ended is started again, a few times; then it is an error.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Connection],
        *,
        wheelhouse: Path | None = None,
        event: Event = lambda *_: None,
        clean_up: bool = False,
    ) -> None:
        """Connect.

        Args:
            name: of the transport.
            connect: makes a connection.
            wheelhouse: wheels for the device; ``None`` to download those that it lacks.
            event: told what is being sent.
            clean_up: remove all that was sent, at the end.

        Raises:
            EdgekitError: the device cannot be reached or used.
        """
        self.name = name
        self.host: Host = _RemoteHost(self)
        self._connect, self._wheelhouse, self._event, self._clean_up = connect, wheelhouse, event, clean_up
        self._connection = connect()
        self._facts: dict[str, Any] = self.ask("facts")
        # The folders with runtimes that the agent of this connection was told to use.
        self._in_use: list[str] = []
        self._digests: dict[Path, tuple[str, dict[str, str]]] = {}

    def __enter__(self) -> RemoteTransport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What went wrong before is what the user is told.
        with contextlib.suppress(ConnectionLostError):
            if self._clean_up:
                self.clean()
        self._connection.close()

    def work(self, request: Mapping[str, Any], *, timeout: float, tick: Tick) -> dict[str, Any]:
        """One fresh process on the device."""
        targets = sorted({one["target"] for one in request["models"]})
        self._lasting(lambda: self._provide(targets))
        sent = {**request, "models": [self._lasting(partial(self._brought, one)) for one in request["models"]]}
        until = time.monotonic() + timeout

        def process() -> dict[str, Any]:
            self._provide(targets)
            # A tick may find the connection lost, and make another.
            connection = self._connection
            number = connection.send("work", request=sent)
            while time.monotonic() < until:
                found = connection.answer(number, TICK_SECONDS)
                if found is not None:
                    said = found[0]
                    return answer_of(request, said["answer"].encode(), said["messages"].encode(), said["code"])
                tick()
            connection.ask("stop")
            raise too_long(request, timeout)

        return self._lasting(process, until)

    def ask(self, what: str, **arguments: Any) -> Any:
        """One request to the device's agent, over a new connection where the old one is lost."""
        return self._lasting(lambda: self._connection.ask(what, **arguments))

    def machine(self) -> Machine:
        """What the device says of itself."""
        return Machine.from_json(self.ask("machine"))

    def environment(self) -> Environment:
        """The device as it is now."""
        return Environment.from_json(self.ask("environment"))

    def formats(self) -> tuple[str, ...]:
        """The formats that the device runs, those that it has a runtime for first."""
        return payload.formats(self._facts)

    def clean(self) -> int:
        """Remove all that edgekit has brought to the device; how many bytes that were."""
        self._in_use = []
        return int(self.ask("clean"))

    def _lasting(self, act: Callable[[], _T], until: float = math.inf) -> _T:
        """Do it, again over a new connection where one is lost; until a time has come, if one is said."""
        for pause in _PAUSES:
            try:
                return self._connected(act)
            except ConnectionLostError:
                self._connection.close()
                if time.monotonic() + pause > until:
                    raise
                time.sleep(pause)
        return self._connected(act)

    def _connected(self, act: Callable[[], _T]) -> _T:
        if self._connection.ended:
            self._connection.close()
            self._event("the connection is lost: connecting again", 0.0)
            self._in_use = []
            self._connection = self._connect()
        return act()

    def _provide(self, targets: Sequence[str]) -> None:
        """The runtimes of formats, unless the device's Python has them."""
        lacking = [target for target in targets if not payload.installed(self._facts, target)]
        folders = [f"packages/{payload.key(self._facts, target, self._wheelhouse)}" for target in lacking]
        if self._in_use == folders:
            return
        for target, folder in zip(lacking, folders, strict=True):
            if not self._has(folder):
                self._install(target, folder)
        self._connection.ask("use", folders=folders)
        self._in_use = folders

    def _install(self, target: str, folder: str) -> None:
        with tempfile.TemporaryDirectory(prefix="edgekit-wheels-") as here:
            self._event("getting the device's runtime", 0.0)
            for wheel in payload.wheels(self._facts, target, self._wheelhouse, Path(here)):
                self._send(folder, wheel.name, wheel)
                self._connection.ask("unpack", folder=folder, name=wheel.name)
            self._connection.ask("settle", folder=folder, digests={})

    def _brought(self, one: Mapping[str, Any]) -> dict[str, Any]:
        """A model of a request, with its paths on the device."""
        path = Path(one["path"])
        inputs = one["inputs"] and self._bring(Path(one["inputs"]), ())
        return {**one, "path": self._bring(path, companions(path)), "inputs": inputs}

    def _bring(self, path: Path, beside: Sequence[str]) -> str:
        """The device's path of a file or folder, sent there unless it has been before."""
        files = payload.files_of(path, beside)
        if path not in self._digests:
            each = {name: file_digest(file) for name, file in files.items()}
            self._digests[path] = tree_digest(each).sha256, {name: one.sha256 for name, one in each.items()}
        digest, digests = self._digests[path]
        folder = f"models/{digest[:32]}"
        if not self._has(folder):
            for name, file in files.items():
                self._send(folder, name, file)
            self._connection.ask("settle", folder=folder, digests=digests)
        return f"{self._facts['folder']}/{folder}/{path.name}"

    def _has(self, folder: str) -> bool:
        return bool(self._connection.ask("has", path=folder))

    def _send(self, folder: str, name: str, file: Path) -> None:
        size, sent = file.stat().st_size, 0
        with file.open("rb") as content:
            while True:
                piece = content.read(_PIECE)
                self._event(f"sending {name} ({size / 1e6:.1f} MB)", sent / max(size, 1))
                self._connection.ask("put", piece, folder=folder, name=name, first=sent == 0)
                sent += len(piece)
                if sent >= size:
                    return


class _RemoteHost:
    """A device's files and commands (:class:`edgekit.bench.host.Host`)."""

    def __init__(self, transport: RemoteTransport) -> None:
        self._transport = transport

    def text(self, path: str) -> str | None:
        """The content of a file."""
        found: str | None = self._transport.ask("text", path=path)
        return found

    def glob(self, pattern: str) -> list[str]:
        """The paths that match a pattern."""
        found: list[str] = self._transport.ask("glob", pattern=pattern)
        return found

    def command(self, arguments: Sequence[str]) -> str | None:
        """What a command prints."""
        found: str | None = self._transport.ask("command", arguments=list(arguments))
        return found
