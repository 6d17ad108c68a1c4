"""A browser of this machine, driven by playwright: a fresh one each time, without a window, gone at the end."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgekit.errors import InputError, TransportError, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ENGINES = ("chromium", "firefox", "webkit")
# Debian's, Google's and Microsoft's names; playwright's own where there is none.
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
_START_SECONDS = 60.0


class BrowserHere:
    """One kind of browser, of which one at a time runs."""

    def __init__(self, engine: str, arguments: Sequence[str] = ()) -> None:
        """Make ready to start it.

        Args:
            engine: one of :data:`ENGINES`.
            arguments: more of its command line's.

        Raises:
            MissingDependencyError: playwright is not installed.
        """
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError as error:
            raise missing("measure in a browser", "playwright", "bench") from error
        self._engine, self._arguments, self._error = engine, list(arguments), Error
        self._playwright = sync_playwright().start()
        self._browser: Browser | None = None
        self._page: Page | None = None
        self._crashed = False

    def open(self, url: str) -> None:
        """A fresh browser with one page; the one before it is ended.

        Raises:
            InputError: there is no such browser here.
            TransportError: it does not start, or does not load the page.
        """
        self.end()
        kind = getattr(self._playwright, self._engine)
        program = next(filter(None, map(shutil.which, _CHROMIUMS)), None) if self._engine == "chromium" else None
        asked, limit = f"start {self._engine}", _START_SECONDS * 1000
        try:
            self._browser = kind.launch(
                executable_path=program, args=self._arguments, timeout=limit, handle_sigint=False, handle_sigterm=False
            )
            self._page = self._browser.new_page()
            self._page.on("crash", self._on_crash)
            self._page.goto(url, timeout=limit, wait_until="domcontentloaded")
        except self._error as error:
            why = str(error).splitlines()[0]
            if "Executable doesn't exist" in str(error):
                todo = f"install one: playwright install {self._engine}, or your system's chromium"
                raise InputError(asked, "there is none on this machine", todo) from error
            raise TransportError(asked, why, "start it by hand, and see what it says") from error

    @property
    def version(self) -> str:
        """The browser's, of which its user agent tells a part."""
        return self._browser.version if self._browser is not None else ""

    def check(self) -> None:
        """Do what the browser asks for meanwhile.

        Raises:
            TransportError: it, or its page, has ended.
        """
        asked = f"measure in {self._engine}"
        try:
            if self._page is None:
                raise TransportError(asked, "no page is open", "measure again")
            self._page.wait_for_timeout(1)
        except self._error as error:
            raise TransportError(asked, "the browser was closed while it measured", "measure again") from error
        if self._crashed:
            why = "its page crashed, as one does that runs out of memory"
            raise TransportError(asked, why, "take a smaller model, or another browser")

    def end(self) -> None:
        """End the browser, if one runs."""
        if self._browser is not None:
            # One that was closed by hand is closed already.
            with contextlib.suppress(self._error):
                self._browser.close()
        self._browser = self._page = None
        self._crashed = False

    def close(self) -> None:
        """End the browser and what drives it."""
        try:
            self.end()
        finally:
            with contextlib.suppress(self._error):
                self._playwright.stop()

    def _on_crash(self, *_: Any) -> None:
        self._crashed = True
