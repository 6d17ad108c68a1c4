"""What user agents tell."""

from __future__ import annotations

import pytest

from edgekit.bench.transports.page_facts import name_of, system_of

_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "name", "version", "system"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/143.0.1",
            "Edge",
            "143.0.1",
            "Windows",
        ),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", "Chrome", "143.0.0.0", "Android"),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} SamsungBrowser/29.0 Mobile",
            "Samsung Internet",
            "29.0",
            "Android",
        ),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 14_3 like Mac OS X) {_APPLE} CriOS/87.0 Mobile", "Chrome", "87.0", "iOS"),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Version/18.1 Safari/605",
            "Safari",
            "18.1",
            "Darwin",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox", "140.0", "Linux"),
        ("something else", "unknown browser", "", "unknown"),
    ],
)
def test_browsers(user_agent: str, name: str, version: str, system: str) -> None:
    assert name_of({"user_agent": user_agent}) == (name, version)
    assert name_of({"user_agent": user_agent, "version": "1.2.3"})[1] in {"1.2.3", ""}
    assert system_of(user_agent) == system
