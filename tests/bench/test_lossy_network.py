"""A phone on a network that loses a word now and then: a real Chromium behind a proxy that cuts connections."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from browser_parts import PHONE, Phone, runtimes
from short_protocol import SHORT

from edgekit import devices
from edgekit.bench.measure import Settings, measure
from edgekit.bench.transports.reach import reach

# What a page says while it works; files that do not come, nobody could tell from a page that is gone.
_WORD = re.compile(rb"^(?:GET|POST) /[^/]+/(next|answer|mark)")


class LossyNetwork:
    """Hands connections on, and cuts each third word of a kind off: before it arrives, or before its answer does."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.to = 0
        self.cut: list[tuple[str, bool]] = []
        self._said = dict.fromkeys(("next", "answer", "mark"), 0)
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                there = socket.create_connection(("127.0.0.1", self.to))
                lost = threading.Event()
                for act in (self._ask, _answer):
                    threading.Thread(target=act, args=(here, there, lost), daemon=True).start()

    def _ask(self, here: socket.socket, there: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while said := here.recv(1 << 16):
                if (found := _WORD.match(said)) and (arrives := self._loses(found[1].decode())) is not None:
                    lost.set()
                    if not arrives:
                        break
                there.sendall(said)
        _end(here, there)

    def _loses(self, word: str) -> bool | None:
        """Whether a word arrives although its answer is lost; ``None`` where nothing is."""
        with self._lock:
            self._said[word] += 1
            if self._said[word] % 3:
                return None
            arrives = self._said[word] % 2 == 0
            self.cut.append((word, arrives))
            return arrives


def _answer(here: socket.socket, there: socket.socket, lost: threading.Event) -> None:
    with suppress(OSError):
        while (said := there.recv(1 << 16)) and not lost.is_set():
            here.sendall(said)
    _end(here, there)


def _end(*ends: socket.socket) -> None:
    for one in ends:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def network() -> Iterator[LossyNetwork]:
    lossy = LossyNetwork()
    yield lossy
    lossy.close()


def test_a_network_that_loses_words(bench_bundle: Path, network: LossyNetwork) -> None:
    folder = runtimes()
    with Phone("--host-resolver-rules=MAP phone.test 127.0.0.1", f"--user-agent={PHONE}") as phone:

        def invite(url: str) -> None:
            parts = urlsplit(url)
            assert parts.port is not None
            network.to = parts.port
            phone.urls.put(f"http://phone.test:{network.port}{parts.path}")

        with reach("browser:127.0.0.1", web_runtimes=folder, invite=invite, wait=60) as way:
            settings = Settings(protocol=SHORT, target="onnx", timeout=120.0)
            result = measure(bench_bundle, replace(settings, profile=devices.get("browser-phone")), transport=way)
    assert result.median.value > 0
    assert result.verdict is not None
    assert result.verdict["passed"]
    # Of what matters something was lost on the way there, and something on the way back.
    assert {True, False} <= {arrives for _, arrives in network.cut}
    assert {"next", "answer"} <= {word for word, _ in network.cut}
