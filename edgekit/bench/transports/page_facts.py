"""What a browser tells of itself and of the machine that it runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgekit.bench.environment import Environment, observe
from edgekit.bench.host import Host

# The more telling first: Edge and Opera say that they are Chrome too, Chrome that it is Safari.
_BROWSERS = (
    ("Edge", r"Edg[A-Za-z]*/([\d.]+)"),
    ("Opera", r"OPR/([\d.]+)"),
    ("Samsung Internet", r"SamsungBrowser/([\d.]+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/([\d.]+)"),
    ("Chrome", r"(?:HeadlessChrome|Chrome|CriOS)/([\d.]+)"),
    ("Safari", r"Version/([\d.]+).* Safari/"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS", "Darwin"),
    ("Linux", "Linux"),
)


class UnknownHost:
    """The files and commands of a device that shows none (:class:`edgekit.bench.host.Host`)."""

    def text(self, path: str) -> None:
        """No file."""

    def glob(self, pattern: str) -> list[str]:
        """No file."""
        del pattern
        return []

    def command(self, arguments: Sequence[str]) -> None:
        """No command."""


def environment_of(facts: Mapping[str, Any], host: Host | None) -> Environment:
    """The machine and its browser.

    Args:
        facts: what the page tells.
        host: this machine, where the browser is its own; of another one only what a browser tells is known.
    """
    user_agent = str(facts["user_agent"])
    name, version = name_of(facts)
    kept = {key: facts[key] for key in ("isolated", "clock_ns", "gpu", "user_agent")}
    browser = {"name": name, "version": version, "fresh": "process" if host else "page", **kept}
    if host is not None:
        return replace(observe(host), browser=browser)
    unknown = ("board", "processor", "memory_bytes", "governor", "clock_range_mhz", "boost", "power_mode")
    return Environment(
        system=system_of(user_agent),
        kernel="",
        architecture="wasm32",
        cpus=int(facts["cpus"] or 0),
        on_battery=None,
        load=None,
        browser=browser,
        **dict.fromkeys(unknown),
    )


def name_of(facts: Mapping[str, Any]) -> tuple[str, str]:
    """A browser's name and version, as far as it tells."""
    for name, pattern in _BROWSERS:
        if (found := re.search(pattern, str(facts["user_agent"]))) is not None:
            return name, str(facts.get("version") or found[1])
    return "unknown browser", ""


def system_of(user_agent: str) -> str:
    """The operating system, as far as a user agent tells."""
    return next((name for words, name in _SYSTEMS if words in user_agent), "unknown")
