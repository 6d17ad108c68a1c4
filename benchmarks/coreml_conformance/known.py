"""Failures whose reason is known: ``known-failures.toml`` beside this file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from coreml_conformance.cases import Result

FILE = Path(__file__).with_name("known-failures.toml")


@dataclass(frozen=True)
class Known:
    """Cases that fail for one reason.

    Attributes:
        test: file, class and function, or the beginning of that.
        reason: why they fail.
        case: a regular expression, searched for in the parameters; empty for every case.
        precision: ``float32``, ``mixed`` or ``float16``; empty for all.
        message: a regular expression, searched for in what the test says; empty for any.
    """

    test: str
    reason: str
    case: str = ""
    precision: str = ""
    message: str = ""

    def explains(self, result: Result) -> bool:
        """Whether it says why a case failed."""
        return result.status == "failed" and self.covers(result) and re.search(self.message, result.reason) is not None

    def covers(self, result: Result) -> bool:
        """Whether it speaks of a case, passed or not."""
        if not result.case.id.startswith(self.test) or self.precision not in {"", result.precision}:
            return False
        return not self.case or re.search(self.case, result.case.id.partition("[")[2]) is not None


def read_known(file: Path = FILE) -> tuple[Known, ...]:
    """The known failures, in the file's order.

    Raises:
        TypeError: an entry has an unknown key, or lacks one.
    """
    return tuple(Known(**entry) for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("failure", []))


def reason_for(known: Iterable[Known], result: Result) -> str:
    """Why a case fails; empty where nobody knows."""
    return next((one.reason for one in known if one.explains(result)), "")


def stale(known: Iterable[Known], results: Iterable[Result]) -> list[Known]:
    """Entries of which cases ran and none failed."""
    listed = list(results)
    found = []
    for one in known:
        passed = any(one.covers(result) for result in listed if result.status == "passed")
        if passed and not any(one.explains(result) for result in listed):
            found.append(one)
    return found
