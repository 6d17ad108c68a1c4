"""What the tests of pages need: a Chromium, and the packages that a page runs models with."""

from __future__ import annotations

import shutil
import threading
from contextlib import suppress
from pathlib import Path
from queue import Queue

import pytest

from edgekit.bench.transports.browser_here import BrowserHere
from edgekit.errors import TransportError

# Where `make test-parts` puts them.
_PACKAGES = Path(__file__).resolve().parents[2] / "build" / "data" / "web-runtimes"

PHONE = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36"
)


def packages_folder() -> Path:
    """The folder with the packages; without it the test is skipped."""
    if not list(_PACKAGES.glob("*.tgz")):
        pytest.skip("no packages for pages: make test-parts")
    return _PACKAGES


def runtimes() -> Path:
    """The same, where there is a browser besides."""
    pytest.importorskip("playwright")
    if shutil.which("chromium") is None:
        pytest.skip("no Chromium: as root: apt-get install chromium (and make test-parts)")
    return packages_folder()


class Phone:
    """Somebody else's browser, which opens the page that it is told of."""

    def __init__(self, *arguments: str) -> None:
        self.urls: Queue[str] = Queue()
        self._done = threading.Event()
        self._arguments = arguments
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        browser = BrowserHere("chromium", self._arguments)
        url = self.urls.get()
        if url:
            browser.open(url)
            while not self._done.wait(0.05):
                with suppress(TransportError):
                    browser.check()
        browser.close()

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.urls.put("")
        self._thread.join()
