"""Terms counted by the bundle's preprocessing against scikit-learn's own vectorizers."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.utils import murmurhash3_32

from edgekit.errors import ConversionError, InputError
from edgekit.preprocessing.murmur import murmur3_32
from edgekit.preprocessing.terms import Analysis, Hashing, Vocabulary, counts
from edgekit.signature import Array
from edgekit.sources.vectorizers import contract_of

# What decides how a text is split: case beyond ASCII, marks, ligatures, digits of other scripts, white space.
_PIECES = st.sampled_from(
    ["the", "THE", "cat", "Café", "naïve", "ÀÉÎ", "straße", "İstanbul", "ﬁsh", "ǆ", "Ω", "٣٤", "don't", "x", "a_b",
     "日本語", "e\u0301", "👩‍🔬", " ", "  ", "\n", "\t \u00a0", "\u2028", ".", "-", "\0", ""]
)  # fmt: skip
_NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_TEXTS = st.lists(st.lists(_PIECES | _NO_SURROGATES, max_size=12).map(" ".join), min_size=1, max_size=6)
_RANGES = st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda pair: (pair[0], pair[0] + pair[1]))
_SETTINGS = {
    "analyzer": st.sampled_from(["word", "word", "char", "char_wb"]),
    "ngram_range": _RANGES,
    "lowercase": st.booleans(),
    "strip_accents": st.sampled_from([None, "ascii", "unicode"]),
    "token_pattern": st.sampled_from([r"(?u)\b\w\w+\b", r"\w+", r"(?a)[a-z]+", r"#?(\w)\w*", r"\S*"]),
    "stop_words": st.sampled_from([None, "english", ["cat", "x", "café"]]),
    "binary": st.booleans(),
}


def array(texts: list[str]) -> Array:
    held = np.empty(len(texts), dtype=object)
    held[:] = texts
    return held


def agrees(vectorizer: Any, texts: list[str]) -> None:
    found = counts(array(texts), [contract_of(vectorizer)])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectorizer.transform(texts).toarray())


@settings(deadline=None, max_examples=300)
@given(fitted=_TEXTS, texts=_TEXTS, chosen=st.fixed_dictionaries(_SETTINGS))
def test_any_texts_are_counted_as_count_vectorizer_counts_them(
    fitted: list[str], texts: list[str], chosen: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings that do not go together, which scikit-learn passes over
        # The words make a vocabulary where the drawn texts have none: four that no list stops, for runs of four.
        vectorizer = CountVectorizer(**chosen).fit([*fitted, "cats chase small mice round green gardens 0123456789 __"])
        agrees(vectorizer, [*texts, *fitted])


@settings(deadline=None, max_examples=200)
@given(
    texts=_TEXTS,
    chosen=st.fixed_dictionaries(_SETTINGS),
    columns=st.sampled_from([1, 2, 7, 2**8, 1000]),
    signs=st.booleans(),
)
def test_any_texts_are_counted_as_hashing_vectorizer_counts_them(
    texts: list[str], chosen: dict[str, Any], columns: int, signs: bool
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agrees(HashingVectorizer(**chosen, n_features=columns, alternate_sign=signs, norm=None), texts)


@given(st.binary(max_size=40))
def test_the_hash_is_murmurhash(data: bytes) -> None:
    assert murmur3_32(data) == murmurhash3_32(data, 0)


def test_the_hash_by_its_published_values() -> None:
    """https://en.wikipedia.org/wiki/MurmurHash has them for seed 0, unsigned."""
    assert murmur3_32(b"test") & 0xFFFFFFFF == 0xBA6BD213
    assert murmur3_32(b"Hello, world!") & 0xFFFFFFFF == 0xC0363E43
    assert murmur3_32(b"") == 0


def test_vectorizers_stand_beside_each_other() -> None:
    words, pairs = Analysis("word", token_pattern=r"\w+"), Analysis("char", (2, 2))
    both = [Vocabulary(words, ("cat", "dog")), Vocabulary(pairs, ("at",)), Hashing(words, 1, alternate_sign=False)]
    found = counts(np.array([["a cat, a CAT"], ["dog"]], dtype=object), both)
    assert found.tolist() == [[2, 0, 2, 4], [0, 1, 0, 1]]


def test_bytes_are_texts_in_utf8() -> None:
    vectorizer = CountVectorizer().fit(["café crème"])
    given = np.array(["Café".encode(), b"cafe"], dtype=object)
    np.testing.assert_array_equal(
        counts(given, [contract_of(vectorizer)]), vectorizer.transform(given.tolist()).toarray()
    )


@pytest.mark.parametrize(
    ("text", "why"), [(1.5, "a float stands for"), (None, "NoneType"), (b"\xff", "not UTF-8"), ("\ud800", "no Unicode")]
)
def test_what_is_no_text(text: object, why: str) -> None:
    hashing = Hashing(Analysis("char"), 8)
    with pytest.raises(InputError, match=why):
        counts(np.array([text], dtype=object), [hashing])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"analyzer": "sentence"}, "analyzer 'sentence'"),
        ({"strip_accents": "all"}, "strip_accents 'all'"),
        ({"ngram_range": (2, 1)}, "ngram_range"),
        ({"ngram_range": (0, 1)}, "ngram_range"),
        ({"ngram_range": (1, 10**9)}, "1 to 256"),
        ({"token_pattern": "("}, "regular expression"),
        ({"token_pattern": "(a)(b)"}, "one group at most"),
        ({"token_pattern": "(" * 5000 + ")" * 5000}, "token_pattern"),
        ({"token_pattern": None}, "a pattern for words"),
        ({"analyzer": "char"}, "none"),
    ],
)
def test_settings_that_no_vectorizer_has(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=re.escape(why)):
        Analysis(**{"analyzer": "word", "token_pattern": r"\w+", **changes})


def test_vocabularies_and_widths_that_no_vectorizer_has() -> None:
    words = Analysis("word", token_pattern=r"\w+")
    for terms in ((), ("a", "b", "a")):
        with pytest.raises(InputError, match="vocabulary is empty, or has a term twice"):
            Vocabulary(words, terms)
    for columns in (0, 2**31):
        with pytest.raises(InputError, match="n_features"):
            Hashing(words, columns)


def shouted(text: str) -> str:
    return text.upper()


class OwnWords(CountVectorizer):
    """May do anything."""


@pytest.mark.parametrize(
    ("vectorizer", "why"),
    [
        (CountVectorizer(preprocessor=shouted), "its preprocessor is a function of Python's (shouted)"),
        (TfidfVectorizer(tokenizer=str.split, token_pattern=None), "its tokenizer is a function"),
        (HashingVectorizer(analyzer=str.split), "its analyzer is a function"),
        (CountVectorizer(strip_accents=shouted), "its strip_accents is a function"),
        (CountVectorizer(input="filename"), "reads its texts from files"),
        (CountVectorizer(dtype=np.uint8), "dtype uint8"),
        (CountVectorizer(ngram_range=(1, 300)), "1 to 256"),
        (OwnWords(), "may read texts in a way of its own"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:20],
)
def test_vectorizers_that_only_scikit_learn_can_run(vectorizer: Any, why: str) -> None:
    if not isinstance(vectorizer, HashingVectorizer):
        vectorizer.vocabulary_ = {"a": 0}
    with pytest.raises(ConversionError, match=re.escape(why)) as refused:
        contract_of(vectorizer)
    assert refused.value.next_step


def test_a_tokenizer_that_is_not_used_does_not_matter() -> None:
    with pytest.warns(UserWarning, match="'tokenizer' will not be used"):
        vectorizer = CountVectorizer(analyzer="char", tokenizer=str.split, token_pattern=None).fit(["abc"])
    found = counts(array(["cab"]), [contract_of(vectorizer)])
    assert found.tolist() == [[1, 1, 1]]
