"""Files that a command writes beside its bundle: refused before the work, whole or absent after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edgekit.errors import InputError, StorageError


def check_new_file(path: Path, *, force: bool) -> None:
    """Refuse an output that could not be written in the end, before any work is done.

    Raises:
        InputError: it exists (without ``force``), is no plain file, or its folder is missing or not writable.
    """
    asked = f"write {path}"
    try:
        if path.is_dir():
            raise InputError(asked, "it is a folder", "give a file's name")
        if path.exists() and not path.is_file():
            # Replacing /dev/null by a file would be felt by everybody.
            raise InputError(asked, "it is a device or a pipe", "give a file's name")
        if path.exists() and not force:
            raise InputError(asked, "it exists already", "give another name, or --force to replace it")
        if not path.parent.is_dir():
            raise InputError(asked, f"there is no folder {path.parent}", "make it first, or choose another")
    except OSError as error:  # a name too long, a folder that may not be entered
        raise InputError(asked, error.strerror or str(error), "choose another") from error
    if not os.access(path.parent, os.W_OK):
        raise InputError(asked, f"the folder {path.parent} is not writable", "choose another")


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when all of it is written.

    Raises:
        StorageError: it cannot be written; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise StorageError(
            f"write {path}", error.strerror or str(error), "free some space, or choose another"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
