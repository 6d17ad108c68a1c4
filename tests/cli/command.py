"""The real command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EDGEKIT = str(Path(sys.executable).parent / ("edgekit.exe" if os.name == "nt" else "edgekit"))


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one ``error:`` line; anything else on stderr must not look like one, nor like a bug."""
        lines = [line for line in self.err.splitlines() if line.startswith("error:")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err + self.out, self.err
        return lines[0]


def environment(changes: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment, changed; ``None`` removes a variable."""
    merged = {**os.environ, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def edgekit(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str | None] | None = None, timeout: float = 180, **more: Any
) -> Answer:
    """Run ``edgekit``; its output as text."""
    done = subprocess.run(
        [EDGEKIT, *map(str, arguments)],
        cwd=cwd,
        env=environment(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
        **more,
    )
    return Answer(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))
