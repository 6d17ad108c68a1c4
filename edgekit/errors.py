"""One small tree of exceptions; every message says what was asked, why not, and what to do next."""

from __future__ import annotations

from typing import Any, ClassVar


class EdgekitError(Exception):
    """Something that edgekit was asked for and did not do.

    Attributes:
        asked: what was asked for, in the user's words (``"convert model.pt"``).
        why: why it was not done.
        next_step: what the user can do now; may be empty where nothing is known.
        example: code that does it, for the lines below the message; usually empty.
        exit_code: the command line's exit code for this class of errors.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, asked: str, why: str, next_step: str = "", example: str = "") -> None:
        super().__init__(asked, why, next_step)
        self.example = example
        self.asked = asked
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        """The three parts on one line: ``asked: why; next step``; below it the example, if there is one."""
        parts = [f"{self.asked}: {self.why.strip().rstrip('.')}", self.next_step.strip().rstrip(".")]
        line = " ".join("; ".join(part for part in parts if part).split())
        return f"{line}:\n\n{self.example}\n" if self.example else line

    def to_json(self) -> dict[str, Any]:
        """The error as a JSON object, for results that cross a process."""
        parts = {"asked": self.asked, "why": self.why, "next_step": self.next_step, "example": self.example}
        return {"kind": type(self).__name__, **parts}

    @staticmethod
    def from_json(data: dict[str, Any]) -> EdgekitError:
        """The error that :meth:`to_json` wrote, as the class it was."""
        kind = _BY_NAME.get(str(data["kind"]), ConversionError)
        return kind(str(data["asked"]), str(data["why"]), str(data["next_step"]), str(data.get("example", "")))


class VerificationError(EdgekitError):
    """A model was executed and departs from its reference beyond the tolerance."""

    exit_code = 1


class InputError(EdgekitError):
    """What was asked for is wrong: a missing file, a name or shape that does not fit, an unknown target."""

    exit_code = 2


class BundleError(InputError):
    """A bundle that cannot be trusted: damaged, incomplete, of an unknown schema, or with unsafe names."""


class MissingDependencyError(EdgekitError):
    """A library is needed that is not installed; names the extra that brings it."""

    exit_code = 3


class ConversionError(EdgekitError):
    """A converter refused, crashed or ran out of time."""


class ExecutionError(EdgekitError):
    """A runtime could not load or run a model."""


class TransportError(EdgekitError):
    """A device could not be reached or prepared, or the connection to it was lost."""


class UnsupportedError(ExecutionError):
    """A model uses something that the runtime does not cover: it was not executed, which is no failure of it."""


class StorageError(EdgekitError):
    """A file could not be written: no space, no permission in mid-run, a vanished folder."""


_BY_NAME: dict[str, type[EdgekitError]] = {
    kind.__name__: kind
    for kind in (
        EdgekitError,
        VerificationError,
        InputError,
        BundleError,
        MissingDependencyError,
        ConversionError,
        ExecutionError,
        TransportError,
        UnsupportedError,
        StorageError,
    )
}


def missing(asked: str, package: str, extra: str) -> MissingDependencyError:
    """The error for an absent package: names the package and the extra that brings it."""
    return MissingDependencyError(asked, f"{package} is not installed", f"run: pip install 'edgekit[{extra}]'")
