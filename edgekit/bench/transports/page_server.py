"""The page's server: its files, what the host asks of it, and what it answers, below an address that nobody guesses."""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from edgekit.errors import InputError, TransportError

# A page asks anew after so long without a task.
_ASKING_SECONDS = 10.0
# More than any model's outputs.
_MOST_BYTES = 1 << 30
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
# The first two give the page memory that threads share, and a finer clock, where its address counts as safe.
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageLostError(TransportError):
    """The page that had a task was left or loaded anew."""


class PageServer:
    """Serves one page, and gives its tasks to it one after the other."""

    def __init__(self, address: str, port: int, pages: Path, mark: Callable[[], dict[str, Any]]) -> None:
        """Listen.

        Args:
            address: of this machine.
            port: 0 for a free one.
            pages: the folder with the page.
            mark: what the machine did since it was last called.

        Raises:
            InputError: nothing can listen there.
        """
        self._token = secrets.token_urlsafe(16)
        self._pages, self._mark = pages.resolve(), mark
        self.packages: dict[str, Path] = {}
        self._blobs: dict[str, bytes | memoryview] = {}
        self._changed = threading.Condition()
        self._task: dict[str, Any] | None = None
        self._taken_by: str | None = None
        self._answer: Any = None
        self._lost = False
        self._number = self._loads = 0
        try:
            self._server = _Server((address, port), partial(_Handler, self))
        except OSError as error:
            why = error.strerror or str(error)
            raise InputError(f"serve a page on {address}:{port}", why, "give another address or port") from error
        where = f"[{address}]" if ":" in address else address
        self.url = f"http://{where}:{self._server.server_address[1]}/{self._token}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def blob(self, content: bytes | memoryview) -> str:
        """Where the page finds these bytes, until the tasks that need them are done."""
        name = f"blob/{len(self._blobs)}"
        self._blobs[name] = content
        return f"./{name}"

    def forget(self) -> None:
        """Serve the bytes of earlier tasks no more."""
        self._blobs.clear()

    def renew(self) -> None:
        """Give the next task to a page that is yet to come, and not to one that is gone but still seems to wait."""
        with self._changed:
            self._loads += 1
            self._task = self._taken_by = None
            self._changed.notify_all()

    def give(self, task: Mapping[str, Any]) -> None:
        """The page's next task."""
        with self._changed:
            self._number += 1
            self._task, self._answer = {**task, "number": self._number}, None
            self._taken_by, self._lost = None, False
            self._changed.notify_all()

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """The page's answer to its task; ``None`` where there is none after so long.

        Raises:
            PageLostError: the page was left, or opened a second time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self._lost, seconds)
            if self._lost:
                why = "it was loaded anew, or opened a second time, while it measured"
                raise PageLostError("measure in the page", why, "keep one page open and in front")
            found: dict[str, Any] | None = self._answer
            return found

    def next_task(self, page: str) -> dict[str, Any] | None:
        """What a page is to do; ``None`` where there is nothing to do yet.

        A page that asks again has not got what it was sent, and is sent it again.
        """
        with self._changed:
            if self._taken_by not in {None, page} and self._answer is None:
                self._lost = True
                self._changed.notify_all()
                return None
            loads = self._loads
            self._changed.wait_for(lambda: self._waits_for(page) or self._loads != loads, _ASKING_SECONDS)
            if not self._waits_for(page) or self._loads != loads:
                return None
            self._taken_by = page
            return self._task

    def _waits_for(self, page: str) -> bool:
        """Whether there is a task without an answer that this page may take."""
        return self._task is not None and self._answer is None and self._taken_by in {None, page}

    def take_answer(self, document: Mapping[str, Any]) -> None:
        """What a page says of its task; of an older one nothing."""
        with self._changed:
            if document["number"] == self._number:
                self._answer = document["answer"]
                self._changed.notify_all()

    def mark(self) -> dict[str, Any]:
        """What the machine did since it was last asked."""
        return self._mark()

    def inside(self, path: str) -> str | None:
        """What a path asks for below the token; ``None`` where the token is another."""
        token, _, rest = unquote(path).lstrip("/").partition("/")
        return rest if hmac.compare_digest(token.encode(), self._token.encode()) else None

    def file(self, name: str) -> tuple[bytes | memoryview, str, bool] | None:
        """A file's bytes, its media type, and whether it stays as it is; ``None`` where there is none."""
        if name in self._blobs:
            return self._blobs[name], "application/octet-stream", False
        kind, _, rest = name.partition("/")
        folder, asked = self._pages, {"": "index.html", "page": rest}.get(kind)
        if kind == "runtime":
            package = next((one for one in self.packages if rest.startswith(f"{one}/")), None)
            if package is None:
                return None
            folder, asked = self.packages[package].resolve(), rest[len(package) + 1 :]
        if asked is None:
            return None
        path = (folder / asked).resolve()
        if not path.is_relative_to(folder) or path.suffix not in _KINDS or not path.is_file():
            return None
        return path.read_bytes(), _KINDS[path.suffix], kind == "runtime"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that is gone takes its connections with it: that is for the task's own wait to tell."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a page's."""

    protocol_version = "HTTP/1.1"
    # A connection that says nothing for so long is given up.
    timeout = 60

    def __init__(self, pages: PageServer, *arguments: Any) -> None:
        self._pages = pages
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """A file, or the next task."""
        asked = urlsplit(self.path)
        name = self._pages.inside(asked.path)
        if name is None:
            self._send(403)
        elif name == "next":
            task = self._pages.next_task(parse_qs(asked.query).get("page", [""])[0])
            self._send(204) if task is None else self._send(200, json.dumps(task).encode(), "application/json")
        elif (found := self._pages.file(name)) is not None:
            self._send(200, *found)
        else:
            self._send(404)

    def do_POST(self) -> None:
        """An answer, or the wish to know what the machine did."""
        name = self._pages.inside(self.path)
        said = self.headers.get("Content-Length") or "0"
        length = int(said) if said.isdecimal() else _MOST_BYTES + 1
        if name is None or length > _MOST_BYTES:
            # What is not read of a request would be taken for the next one.
            self.close_connection = True
            self._send(403 if name is None else 413)
            return
        body = self.rfile.read(length)
        if len(body) < length:
            # Cut off on its way: the page says it again.
            self.close_connection = True
            return
        if name == "answer":
            self._pages.take_answer(json.loads(body))
            self._send(200, b"{}", "application/json")
        elif name == "mark":
            self._send(200, json.dumps(self._pages.mark()).encode(), "application/json")
        else:
            self._send(404)

    def _send(self, code: int, body: bytes | memoryview = b"", kind: str = "text/plain", kept: bool = False) -> None:  # noqa: FBT001, FBT002
        self.send_response(code)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "private, max-age=86400, immutable" if kept else "no-store")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal is the measurement's."""
