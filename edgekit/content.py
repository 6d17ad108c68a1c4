"""Where converters, devices and benchmark suites are found.

The engine never names content. It looks, in this order, in the installed wheel (``edgekit/_content/<kind>``) or, in a
checkout, in the folder beside the package; then in the user's project. A project is the nearest folder at or above
the working folder whose ``pyproject.toml`` has a ``[tool.edgekit]`` table: content is code, and a folder that merely
happens to be called ``converters`` is not run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from edgekit.errors import InputError

KINDS = ("converters", "devices", "benchmarks")


def folders(kind: str) -> list[Path]:
    """The existing folders that hold content of one kind, edgekit's own first.

    Args:
        kind: one of :data:`KINDS`.
    """
    if kind not in KINDS:
        raise InputError(f"content {kind!r}", "no such kind of content", f"the kinds are {', '.join(KINDS)}")
    package = Path(__file__).resolve().parent
    candidates = [package / "_content" / kind, package.parent / kind]
    # An installed package has unrelated neighbours: only a checkout's folder beside the engine is ours.
    own = candidates[0] if candidates[0].is_dir() else candidates[1]
    found = [own] if own.is_dir() and (own is candidates[0] or _is_checkout(package.parent)) else []
    project = user_project()
    if project is not None:
        theirs = (project / kind).resolve()
        if theirs.is_dir() and theirs not in [folder.resolve() for folder in found]:
            found.append(theirs)
    return found


def files(kind: str, suffix: str) -> list[Path]:
    """Every content file of one kind, sorted by name within each folder; names starting with ``_`` are private."""
    return [
        path
        for folder in folders(kind)
        for path in sorted(folder.glob(f"*{suffix}"))
        if not path.name.startswith(("_", "."))
    ]


def user_project() -> Path | None:
    """The user's project folder: the nearest one whose ``pyproject.toml`` has a ``[tool.edgekit]`` table."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working folder has been deleted: nobody's project
        return None
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            tools = read_toml(file).get("tool")
            return folder if isinstance(tools, dict) and "edgekit" in tools else None
    return None


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as a dictionary.

    Raises:
        InputError: the file is missing, is not UTF-8 or is not TOML; says where.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    asked, wanted = f"read {path}", "give the path of an existing TOML file"
    try:
        # A pipe or a device would be read without end.
        if path.exists() and not path.is_file():
            raise InputError(asked, "it is no plain file", wanted)
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(asked, "no such file", wanted) from error
    except OSError as error:
        raise InputError(asked, error.strerror or str(error), wanted) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(asked, f"not a TOML file ({error})", "correct the file") from error
    return document


def _is_checkout(root: Path) -> bool:
    return (root / "pyproject.toml").is_file() and (root / "edgekit").is_dir()
