"""Reading scikit-learn's files: .skops, whose types are known before anything runs, and pickles, which run code."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, missing


def read_estimator(path: Path, *, trust: bool) -> tuple[Any, tuple[str, ...]]:
    """The object that a file holds, and notes on the versions that wrote it.

    Raises:
        InputError: a pickle without trust, untrusted types in a .skops file, truncated, or of classes unknown here.
        MissingDependencyError: skops is not installed.
    """
    from sklearn.exceptions import InconsistentVersionWarning

    asked = f"load {path}"
    if not path.is_file():
        raise InputError(asked, "no such file", "check the path")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InconsistentVersionWarning)
        read = _read_skops if path.suffix.lower() == ".skops" else _unpickle
        native = read(path, asked, trust=trust)
    return native, _version_notes(caught)


def _read_skops(path: Path, asked: str, *, trust: bool) -> Any:
    if importlib.util.find_spec("skops") is None:
        raise missing(asked, "skops", "sklearn")
    import skops.io

    try:
        untrusted = skops.io.get_untrusted_types(file=path)
    except Exception as error:
        why = f"truncated or not a skops file ({_line(error)})"
        raise InputError(asked, why, "write it again: skops.io.dump") from error
    if untrusted and not trust:
        why = f"it holds types that skops does not know to be safe: {', '.join(untrusted)}"
        raise InputError(asked, why, "if you trust its origin, add --trust")
    try:
        return skops.io.load(path, trusted=untrusted)
    except Exception as error:
        raise _unreadable(asked, error, "write it again: skops.io.dump") from error


def _unpickle(path: Path, asked: str, *, trust: bool) -> Any:
    if not trust:
        why = "the file is a pickle, and unpickling runs code"
        todo = "if you trust its origin, add --trust; safer: save it as .skops with skops.io.dump(model, path)"
        raise InputError(asked, why, todo)
    import joblib

    try:
        # joblib reads plain pickles too, and often writes files that are called .pkl.
        return joblib.load(path)
    except MemoryError:
        raise
    except Exception as error:
        raise _unreadable(asked, error, "copy the file again, or save it again") from error


def _unreadable(asked: str, error: Exception, todo: str) -> InputError:
    if isinstance(error, AttributeError | ModuleNotFoundError):
        why = f"a class in it cannot be imported here ({_line(error)})"
        return InputError(asked, why, "run where the model's code can be imported, with the scikit-learn that wrote it")
    return InputError(asked, f"truncated or damaged ({_line(error)})", todo)


def _version_notes(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    versions = sorted(
        {
            (str(one.message.original_sklearn_version), str(one.message.current_sklearn_version))  # type: ignore[union-attr]
            for one in caught
            if hasattr(one.message, "original_sklearn_version")
        }
    )
    return tuple(f"saved by scikit-learn {then}, read by {now}: its answers may differ" for then, now in versions)


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
