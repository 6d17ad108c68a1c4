"""What a conversion gave: rows of what was made, and why the rest was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.verify.verdict import Verdict

# The JSON document of `convert --json`. 1: first.
RESULT_SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """What is not in the bundle, and why.

    Attributes:
        target: the format.
        scheme: the scheme.
        error: what went wrong.
        log: the worker's log, kept in the work folder; ``None`` for conversions in this process.
    """

    target: str
    scheme: str
    error: EdgekitError
    log: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """``{"target", "scheme", "error", "log"}``."""
        return {
            "target": self.target,
            "scheme": self.scheme,
            "error": str(self.error),
            "log": str(self.log) if self.log else None,
        }


@dataclass(frozen=True)
class ConvertResult:
    """What a conversion gave.

    Attributes:
        bundle: the bundle's path; ``None`` when no artifact could be put in one.
        artifacts: a manifest row for every model file made; of those that failed their verification, ``file`` is null.
        failed: every target and scheme that is not in the bundle.
        work: the folder with the logs (and, kept, the failed files); ``None`` when nothing failed.
        notes: what a reader of the results should know of the source and the samples; the bundle's manifest has them.
    """

    bundle: Path | None
    artifacts: tuple[dict[str, Any], ...]
    failed: tuple[Failure, ...] = field(default=())
    work: Path | None = None
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether everything that was asked for is in the bundle."""
        return self.bundle is not None and not self.failed

    def __str__(self) -> str:
        """A line an artifact and a failure."""
        lines = [f"{row['target']} {row['scheme']}: {Verdict.from_json(row['verdict'])}" for row in self.artifacts]
        lines += [f"{failure.target} {failure.scheme}: {failure.error}" for failure in self.failed]
        return "\n".join([*lines, f"bundle: {self.bundle}"])

    @property
    def exit_code(self) -> int:
        """0, or the highest exit code of what failed."""
        return max((failure.error.exit_code for failure in self.failed), default=0)

    def to_json(self) -> dict[str, Any]:
        """The document of ``convert --json``."""
        return {
            "schema": RESULT_SCHEMA,
            "bundle": str(self.bundle) if self.bundle else None,
            "artifacts": list(self.artifacts),
            "failed": [failure.to_json() for failure in self.failed],
        }
