"""A connection to the agent on a device (:mod:`edgekit.bench.agent`), by the pipes of a program that leads there."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from importlib import resources
from typing import IO, Any

from edgekit.bench.transports.payload import OLDEST_PYTHON, part_for_devices
from edgekit.errors import EdgekitError, StorageError, TransportError

# Run by whatever Python the device has, as the one word of a shell's command line: no quotes of either kind but those.
STARTER = "import os;stream=os.fdopen(os.dup(0),'rb');exec(stream.read(int(stream.readline())))"
_BEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0
# The slowest answer is that of a memory card which unpacks a runtime.
ANSWER_SECONDS = 120.0
# What login scripts print before the first answer.
_MOST_CHATTER = 1000
_NO_SPACE = 28
# A program that is told to end does so at once, or not at all.
_END_SECONDS = 2.0


class ConnectionLostError(TransportError):
    """The connection ended while an answer was awaited."""


# What a program's exit code and messages mean, where it ended before it led anywhere.
Explain = Callable[[int, str], EdgekitError]


class Connection:
    """Requests and answers; answers come in any order, a thread sorts them."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        python: str,
        explain: Explain,
        silence: float,
        timeout: float = ANSWER_SECONDS,
    ) -> None:
        """Start the program, and the agent at its other end.

        Args:
            command: the program with its arguments; it runs :data:`STARTER` in the device's Python.
            python: the command of that Python.
            explain: tells why the program ended.
            silence: seconds without a word after which the device gives the connection up.
            timeout: seconds that an answer may take.

        Raises:
            EdgekitError: the device cannot be reached, or its Python cannot be used.
        """
        self._explain, self._timeout = explain, timeout
        # A file, not a pipe: a master connection that ssh leaves behind would hold the pipe open.
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the connection
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._messages
        )
        self._numbers = itertools.count()
        self._answers: dict[int, dict[str, Any]] = {}
        self._arrived = threading.Condition()
        self._sending = threading.Lock()
        self._ended = False
        self._said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self.folder = ""
        # A program that waits for ever is ended, which ends the reading, too.
        watch = threading.Timer(timeout, self._process.kill)
        watch.start()
        try:
            self._start(python, silence)
        except BaseException:
            self.close()
            raise
        finally:
            watch.cancel()
        self._reader.start()
        threading.Thread(target=self._beat, daemon=True).start()

    def ask(self, what: str, content: bytes | None = None, **arguments: Any) -> Any:
        """One request and its answer.

        Raises:
            ConnectionLostError: it ended, or no answer came in time.
            StorageError: the device could not write.
        """
        number = self.send(what, content, **arguments)
        found = self.answer(number, self._timeout)
        if found is None:
            self.close()
            raise ConnectionLostError("talk to the device", f"it did not answer within {self._timeout:g} s")
        return found[0]

    def send(self, what: str, content: bytes | None = None, **arguments: Any) -> int:
        """A request whose answer is awaited later; its number.

        Raises:
            ConnectionLostError: it ended.
        """
        number = next(self._numbers)
        request = {"id": number, "ask": what, "with": arguments}
        if content is not None:
            request["bytes"] = len(content)
        self._write(json.dumps(request).encode("ascii") + b"\n" + (content or b""))
        return number

    def answer(self, number: int, timeout: float) -> tuple[Any] | None:
        """The answer to a request, alone in a tuple; ``None`` where it has not come in time.

        Raises:
            ConnectionLostError: it ended.
            StorageError: the device could not write.
        """
        with self._arrived:
            self._arrived.wait_for(lambda: number in self._answers or self._ended, timeout)
            found = self._answers.pop(number, None)
        if found is None:
            if self._ended:
                raise self._lost()
            return None
        if "error" in found:
            raise refused(found["error"], found["errno"], self.folder)
        return (found["value"],)

    @property
    def ended(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._ended

    def close(self) -> None:
        """End it; the agent on the device ends with it."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            # The agent's own end, before its way is cut.
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._arrived:
            self._arrived.notify_all()
        self._release()

    def _release(self) -> None:
        """Close what was open; what the program said is kept."""
        if self._reader.ident is not None:
            # It ends with the program, unless that has left another with the same pipe.
            self._reader.join(_END_SECONDS)
        if not self._reader.is_alive():
            self._stdout.close()
        with self._sending:
            if not self._messages.closed:
                self._said = self._read_messages()
                self._messages.close()

    def _start(self, python: str, silence: float) -> None:
        source = (resources.files("edgekit.bench") / "bootstrap.py").read_bytes()
        part = part_for_devices()
        asked = {"sha256": part.sha256, "bytes": len(part.content), "python": python}
        asked |= {"oldest": OLDEST_PYTHON, "silence": silence}
        self._write(b"%d\n" % len(source) + source + json.dumps(asked).encode("ascii") + b"\n")
        said = self._first_answer()
        version = tuple(said["python"])
        if version < OLDEST_PYTHON:
            raise TransportError(
                "use the device's Python",
                f"it is {'.'.join(map(str, version))}, and edgekit needs {'.'.join(map(str, OLDEST_PYTHON))}",
                "name a newer one of the device: --device-python PATH",
            )
        if not said["has"]:
            self._write(part.content)
        said = self._first_answer()
        if "error" in said:
            raise StorageError(f"write to {said['folder']} on the device", said["error"], "make room there")
        self.folder = said["folder"]

    def _first_answer(self) -> dict[str, Any]:
        """The next answer of the bootstrap, behind whatever login scripts print."""
        for _ in range(_MOST_CHATTER):
            line = self._stdout.readline()
            if not line:
                raise self._lost()
            if line.startswith(b"edgekit {"):
                found: dict[str, Any] = json.loads(line[len(b"edgekit ") :])
                return found
        raise TransportError("talk to the device", "its login prints and does not end", "silence its login scripts")

    def _read(self) -> None:
        for line in self._stdout:
            try:
                answer = json.loads(line)
            except ValueError:  # the half of a line that a cut leaves
                break
            if answer["id"] is None:
                continue
            with self._arrived:
                self._answers[answer["id"]] = answer
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _beat(self) -> None:
        """A word every few seconds, by which the device knows that somebody is there."""
        while not self._ended:
            time.sleep(_BEAT_SECONDS)
            try:
                self._write(b'{"id": null, "ask": "ping", "with": {}}\n')
            except EdgekitError:
                return

    def _write(self, content: bytes) -> None:
        with self._sending:
            try:
                self._stdin.write(content)
                self._stdin.flush()
            except (OSError, ValueError) as error:
                raise self._lost() from error

    def _lost(self) -> EdgekitError:
        """Why the program ended."""
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return self._explain(code, self._said if self._messages.closed else self._read_messages())

    def _read_messages(self) -> str:
        self._messages.seek(0)
        return self._messages.read().decode("utf-8", "replace")

    @property
    def _stdin(self) -> IO[bytes]:
        if self._process.stdin is None:
            raise TypeError("the program was started with pipes")
        return self._process.stdin

    @property
    def _stdout(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise TypeError("the program was started with pipes")
        return self._process.stdout


def refused(why: str, number: int | None, folder: str) -> EdgekitError:
    """What the device's agent could not do."""
    if number == _NO_SPACE:
        return StorageError(
            f"write to {folder} on the device", why, "make room there; edgekit devices clean removes it"
        )
    return TransportError("use the device", why)
