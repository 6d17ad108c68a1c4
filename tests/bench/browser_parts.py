"""What the tests of pages need: a Chromium, and the packages that a page runs models with."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

# Where `make test-parts` puts them.
_PACKAGES = Path(__file__).resolve().parents[2] / "build" / "data" / "web-runtimes"


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
