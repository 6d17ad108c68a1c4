"""Texts to counts of terms, as scikit-learn's vectorizers count them; the standard library and numpy only.

A text becomes terms (words, n-grams of words or of characters), and how often each term stands in it becomes a row of
numbers. What is done to the counts afterwards (weights, norms) is the model file's own.

Source: ``sklearn/feature_extraction/text.py`` and ``_hashing_fast.pyx`` of scikit-learn 1.9.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np

from edgekit.errors import InputError
from edgekit.preprocessing.murmur import murmur3_32
from edgekit.signature import Array

ANALYZERS = ("word", "char", "char_wb")
ACCENTS = (None, "ascii", "unicode")
# More words or characters in one term than anybody counts; without a bound a text makes as many terms as it is long,
# squared.
LONGEST_NGRAM = 256
# A row of counts is as wide as there are terms: with five classes and 2**22 columns a file has 84 MB and answers in
# 30 to 80 ms on a desktop, with 2**20 in 6 ms, with 2**18 in 1.3 ms.
MOST_COLUMNS = 1 << 22
_MOST_FEATURES = (1 << 31) - 1
_WHITE_SPACES = re.compile(r"\s\s+")
_ASKED = "text vectorizer"


@dataclass(frozen=True)
class Analysis:
    """How a text becomes terms.

    Attributes:
        analyzer: ``word``, ``char``, or ``char_wb`` (characters of one word, with a space on either side).
        ngram_range: the fewest and the most words, or characters, of a term.
        lowercase: whether the text is made lower case first.
        strip_accents: ``ascii`` (what has no ASCII form is dropped), ``unicode`` (combining marks are dropped), or
            ``None``.
        token_pattern: of ``word``, the regular expression (Python's) that finds a word: its group where it has one;
            ``None`` elsewhere.
        stop_words: of ``word``, what is left out before n-grams are made.

    Raises:
        InputError: a setting out of its range, or a pattern that is none.
    """

    analyzer: str
    ngram_range: tuple[int, int] = (1, 1)
    lowercase: bool = True
    strip_accents: str | None = None
    token_pattern: str | None = None
    stop_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.analyzer not in ANALYZERS:
            raise _refused("analyzer", self.analyzer, f"one of {', '.join(ANALYZERS)}")
        if self.strip_accents not in ACCENTS:
            raise _refused("strip_accents", self.strip_accents, "ascii, unicode or nothing")
        fewest, most = self.ngram_range
        if not 1 <= fewest <= most <= LONGEST_NGRAM:
            raise _refused("ngram_range", self.ngram_range, f"two numbers of 1 to {LONGEST_NGRAM}, the smaller first")
        if (self.token_pattern is None) != (self.analyzer != "word") or (self.stop_words and self.analyzer != "word"):
            raise _refused("token_pattern", self.token_pattern, "a pattern for words, none (nor stop words) elsewhere")
        if self._pattern.groups > 1:
            raise _refused("token_pattern", self.token_pattern, "a pattern of one group at most")

    def terms(self, text: str) -> list[str]:
        """The terms of a text, as often as they stand in it."""
        if self.lowercase:
            text = text.lower()
        if self.strip_accents == "ascii":
            text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
        elif self.strip_accents == "unicode" and not text.isascii():
            text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        if self.analyzer == "word":
            words = self._pattern.findall(text)
            if self.stop_words:
                words = [word for word in words if word not in self._stopped]
            return _ngrams(words, self.ngram_range, " ".join)
        text = _WHITE_SPACES.sub(" ", text)
        if self.analyzer == "char":
            return _ngrams(text, self.ngram_range, str)
        return [term for word in text.split() for term in _padded_ngrams(f" {word} ", self.ngram_range)]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(self.token_pattern or "")
        except (re.error, RecursionError, OverflowError) as error:
            raise _refused("token_pattern", self.token_pattern, f"a regular expression ({error})") from error

    @cached_property
    def _stopped(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    def to_json(self) -> dict[str, Any]:
        """Every setting by its name."""
        return {
            **{name: getattr(self, name) for name in ("analyzer", "lowercase", "strip_accents", "token_pattern")},
            "ngram_range": list(self.ngram_range),
            "stop_words": list(self.stop_words),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Analysis:
        """The analysis that :meth:`to_json` wrote."""
        fewest, most = data["ngram_range"]
        return Analysis(**{**data, "ngram_range": (fewest, most), "stop_words": tuple(data["stop_words"])})


@dataclass(frozen=True)
class Vocabulary:
    """Counts of known terms, a column each: ``CountVectorizer`` and the counts of ``TfidfVectorizer``.

    Attributes:
        analysis: how a text becomes terms.
        vocabulary: the terms, in the order of the columns; no other is counted.
        binary: whether a term that is there counts as 1, however often.

    Raises:
        InputError: no terms, or one twice.
    """

    kind: ClassVar[str] = "vocabulary"
    analysis: Analysis
    vocabulary: tuple[str, ...]
    binary: bool = False

    def __post_init__(self) -> None:
        if not self.vocabulary or len(self._positions) != len(self.vocabulary):
            raise InputError(_ASKED, "its vocabulary is empty, or has a term twice", "give every term once")

    @property
    def width(self) -> int:
        """How many columns it gives."""
        return len(self.vocabulary)

    def count(self, text: str, row: Array) -> None:
        """Put the counts of a text's terms into a row of zeros."""
        positions = self._positions
        for term, times in Counter(self.analysis.terms(text)).items():
            place = positions.get(term)
            if place is not None:
                row[place] = 1 if self.binary else times

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.vocabulary)}

    def to_json(self) -> dict[str, Any]:
        """``{"kind", "analysis", "binary", "vocabulary"}``."""
        own = {"kind": self.kind, "analysis": self.analysis.to_json()}
        return {**own, "binary": self.binary, "vocabulary": list(self.vocabulary)}


@dataclass(frozen=True)
class Hashing:
    """Counts of terms at the columns that their hashes name: ``HashingVectorizer`` before its norm.

    Attributes:
        analysis: how a text becomes terms.
        n_features: how many columns there are.
        alternate_sign: whether a term whose hash is negative counts downwards.
        binary: whether a column that a term falls on is 1, whatever falls on it.

    Raises:
        InputError: fewer than one column, or more than scikit-learn has.
    """

    kind: ClassVar[str] = "hashing"
    analysis: Analysis
    n_features: int
    alternate_sign: bool = True
    binary: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.n_features <= _MOST_FEATURES:
            raise _refused("n_features", self.n_features, f"1 to {_MOST_FEATURES}")

    @property
    def width(self) -> int:
        """How many columns it gives."""
        return self.n_features

    def count(self, text: str, row: Array) -> None:
        """Put the counts of a text's terms into a row of zeros.

        Raises:
            InputError: half of a surrogate pair, which has no UTF-8 and so no hash.
        """
        try:
            hashed = [(_hash(term), times) for term, times in Counter(self.analysis.terms(text)).items()]
        except UnicodeEncodeError as error:
            raise InputError("count a text's terms", f"it is no Unicode ({error.reason})", "give whole text") from error
        for value, times in hashed:
            place = abs(value) % self.n_features
            if self.binary:
                row[place] = 1
            else:
                row[place] += -times if self.alternate_sign and value < 0 else times

    def to_json(self) -> dict[str, Any]:
        """``{"kind", "analysis", "binary", "n_features", "alternate_sign"}``."""
        own = {"kind": self.kind, "analysis": self.analysis.to_json(), "binary": self.binary}
        return {**own, "n_features": self.n_features, "alternate_sign": self.alternate_sign}


# What makes numbers of a text.
Vectorizer = Vocabulary | Hashing


def counts(texts: Array, vectorizers: Sequence[Vectorizer]) -> Array:
    """How often the terms of several vectorizers stand in each text: float32, a row a text, beside each other.

    Args:
        texts: of any shape; texts, or bytes in UTF-8.
        vectorizers: whose columns stand one behind the other.

    Raises:
        InputError: something that is no text.
    """
    found = np.zeros((texts.size, sum(one.width for one in vectorizers)), np.float32)
    ends = np.cumsum([one.width for one in vectorizers]).tolist()
    for row, text in zip(found, _decoded(texts.reshape(-1).tolist()), strict=True):
        for one, end in zip(vectorizers, ends, strict=True):
            one.count(text, row[end - one.width : end])
    return found


def _decoded(texts: Iterable[Any]) -> Iterable[str]:
    for text in texts:
        try:
            whole = text.decode() if isinstance(text, bytes) else text
        except UnicodeDecodeError as error:
            raise InputError("count a text's terms", "its bytes are not UTF-8", "give text") from error
        if not isinstance(whole, str):
            raise InputError("count a text's terms", f"a {type(text).__name__} stands for a text", "give text only")
        yield whole


def _ngrams(items: Sequence[str], ngram_range: tuple[int, int], joined: Any) -> list[str]:
    """Every run of so many items, joined."""
    fewest, most = ngram_range
    found = list(items) if fewest == 1 else []
    for size in range(max(fewest, 2), min(most, len(items)) + 1):
        found += [joined(items[start : start + size]) for start in range(len(items) - size + 1)]
    return found


def _padded_ngrams(word: str, ngram_range: tuple[int, int]) -> list[str]:
    """Every run of so many characters; a word that is not that long counts once, whole."""
    found = []
    for size in range(ngram_range[0], ngram_range[1] + 1):
        found += [word[start : start + size] for start in range(max(len(word) - size, 0) + 1)]
        if len(word) <= size:
            break
    return found


@lru_cache(maxsize=1 << 16)
def _hash(term: str) -> int:
    return murmur3_32(term.encode())


def _refused(setting: str, value: object, wanted: str) -> InputError:
    return InputError(f"{_ASKED} with {setting} {str(value)[:60]!r}", f"it must be {wanted}", "correct the setting")
