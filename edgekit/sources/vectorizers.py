"""Fitted text vectorizers of scikit-learn, as the bundle's preprocessing counts their terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import ConversionError, InputError
from edgekit.preprocessing.terms import Analysis, Hashing, Vectorizer, Vocabulary

_TYPES = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
# Settings that may be a function of Python's, which no file holds.
_FUNCTIONS = ("analyzer", "tokenizer", "preprocessor", "strip_accents")


@dataclass(frozen=True, eq=False)
class Terms:
    """What a column of texts is in a file that holds none: how often the terms of its vectorizers stand in each text.

    Attributes:
        vectorizers: the fitted vectorizers that read the column; their columns stand one behind the other.
    """

    vectorizers: tuple[Any, ...]

    @property
    def width(self) -> int:
        """How many columns of numbers stand for the one of texts."""
        return sum(map(_width, self.vectorizers))

    def place(self, vectorizer: Any) -> tuple[int, int] | None:
        """The first of a vectorizer's columns and the one after its last; ``None`` where it reads another column."""
        start = 0
        for one in self.vectorizers:
            if one is vectorizer:
                return start, start + _width(one)
            start += _width(one)
        return None

    def contracts(self) -> tuple[Vectorizer, ...]:
        """What counts the terms, without scikit-learn.

        Raises:
            ConversionError: a vectorizer calls a function of Python's, or has a setting that cannot be counted by.
        """
        return tuple(map(contract_of, self.vectorizers))


def is_vectorizer(transformer: Any) -> bool:
    """Whether it takes a sequence of texts: ``CountVectorizer`` and its like."""
    return hasattr(transformer, "build_analyzer")


def contract_of(vectorizer: Any) -> Vectorizer:
    """What counts the terms that a fitted vectorizer counts.

    Raises:
        ConversionError: it calls a function of Python's, or has a setting that cannot be counted by.
    """
    name = type(vectorizer).__name__
    asked = f"count the terms of a {name}"
    if name not in _TYPES or not type(vectorizer).__module__.startswith("sklearn."):
        why = f"{type(vectorizer).__module__}.{name} may read texts in a way of its own"
        raise ConversionError(asked, why, f"use one of scikit-learn's own: {', '.join(_TYPES)}")
    for setting in _FUNCTIONS:
        value = getattr(vectorizer, setting)
        if callable(value) and (setting != "tokenizer" or vectorizer.analyzer == "word"):
            called = getattr(value, "__name__", type(value).__name__)
            why = f"its {setting} is a function of Python's ({called}), which no file holds"
            raise ConversionError(asked, why, f"leave {setting} at what scikit-learn has by name, and fit it again")
    if vectorizer.input != "content":
        why = f"it reads its texts from files (input={vectorizer.input!r})"
        raise ConversionError(asked, why, "set input='content', and give texts")
    dtype = np.dtype(vectorizer.dtype)
    if dtype.kind not in "iuf" or dtype.itemsize < 4:
        why = f"counts in its dtype {dtype} are not whole numbers of any size"
        raise ConversionError(asked, why, "leave its dtype as scikit-learn has it")
    try:
        return _contract(vectorizer)
    except InputError as error:
        raise ConversionError(asked, f"{error.asked}: {error.why}", error.next_step) from error


def _contract(vectorizer: Any) -> Vectorizer:
    words = vectorizer.analyzer == "word"
    fewest, most = vectorizer.ngram_range
    analysis = Analysis(
        analyzer=vectorizer.analyzer,
        ngram_range=(int(fewest), int(most)),
        lowercase=bool(vectorizer.lowercase),
        strip_accents=vectorizer.strip_accents or None,
        token_pattern=vectorizer.token_pattern if words else None,
        stop_words=tuple(sorted(vectorizer.get_stop_words() or ())) if words else (),
    )
    if hasattr(vectorizer, "n_features"):
        signs = bool(vectorizer.alternate_sign)
        return Hashing(analysis, int(vectorizer.n_features), signs, binary=bool(vectorizer.binary))
    return Vocabulary(analysis, terms_of(vectorizer), binary=bool(vectorizer.binary))


def terms_of(vectorizer: Any) -> tuple[str, ...]:
    """The terms of a fitted vocabulary in the order of the columns; empty where there is only a hash."""
    vocabulary = getattr(vectorizer, "vocabulary_", {})
    return tuple(sorted(vocabulary, key=vocabulary.__getitem__))


def _width(vectorizer: Any) -> int:
    features = getattr(vectorizer, "n_features", None)
    return len(vectorizer.vocabulary_) if features is None else int(features)
