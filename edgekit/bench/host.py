"""A device's files and commands, wherever it is: here, or at the other end of a connection."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

# A command that reads a sensor answers at once; one that goes on (tegrastats) has said enough by then.
_COMMAND_SECONDS = 2.0


class Host(Protocol):
    """What environment and readings are taken from."""

    def text(self, path: str) -> str | None:
        """The content of a file, without white space around it; ``None`` where it cannot be read."""

    def glob(self, pattern: str) -> list[str]:
        """The paths that match a pattern, sorted."""

    def command(self, arguments: Sequence[str]) -> str | None:
        """What a command prints, as far as it comes in two seconds; ``None`` where it is missing or fails."""


class LocalHost:
    """This machine."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Look below a folder.

        Args:
            root: where the system's files are; elsewhere than at ``/`` its commands are those in its ``usr/bin``.
        """
        self._root = root
        self._programs = None if root == Path("/") else str(root / "usr" / "bin")

    def text(self, path: str) -> str | None:
        """The content of a file."""
        try:
            # Device tree strings end in a zero byte.
            content = (self._root / path.lstrip("/")).read_text(encoding="utf-8", errors="replace")
        except (OSError, ValueError):
            return None
        return content.strip("\0 \t\r\n")

    def glob(self, pattern: str) -> list[str]:
        """The paths that match a pattern."""
        try:
            found = sorted(self._root.glob(pattern.lstrip("/")))
        except OSError:
            return []
        return [f"/{path.relative_to(self._root).as_posix()}" for path in found]

    def command(self, arguments: Sequence[str]) -> str | None:
        """What a command prints."""
        program = shutil.which(arguments[0], path=self._programs)
        if program is None:
            return None
        command = [program, *arguments[1:]]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_COMMAND_SECONDS, stdin=subprocess.DEVNULL, check=False
            )
        except subprocess.TimeoutExpired as error:
            return (error.stdout or b"").decode("utf-8", "replace") or None
        except OSError:
            return None
        return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def usable_cpus() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
