"""Vectorizers in a bundle's manifest: written once, read strictly."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bundle_parts import Parts

from edgekit.bundle import Binding, Manifest
from edgekit.errors import BundleError, InputError
from edgekit.preprocessing.terms import MOST_COLUMNS, Analysis, Hashing, Vectorizer, Vocabulary
from edgekit.signature import Signature, TensorSpec

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "manifest.schema.json"
WORDS = Vocabulary(Analysis("word", (1, 2), token_pattern=r"\w+", stop_words=("a",)), ("cat", "dog", "the cat"))
HASHES = Hashing(Analysis("char_wb", (2, 3), strip_accents="unicode"), 4, alternate_sign=False, binary=True)


def counting(
    parts: Parts, *vectorizers: Vectorizer, width: int = 7, shape: tuple[int | None, ...] = (None,)
) -> Manifest:
    """The manifest with an input of texts, of which its ONNX and TFLite files take counts."""
    native = Signature((TensorSpec("in", "float32", (1, width)),), parts.manifest.artifacts[0].signature.outputs)
    binding = Binding("x", "in", None, "float32", vectorizers=vectorizers)
    artifacts = tuple(replace(one, signature=native, inputs=(binding,)) for one in parts.manifest.artifacts[:2])
    signature = Signature((TensorSpec("x", "string", shape),), parts.manifest.signature.outputs)
    return replace(parts.manifest, artifacts=artifacts, signature=signature)


def test_vectorizers_are_written_once_and_read_back(parts: Parts) -> None:
    manifest = counting(parts, WORDS, HASHES)
    content = manifest.to_bytes()
    data = json.loads(content)
    assert [one["kind"] for one in data["vectorizers"]] == ["vocabulary", "hashing"]
    assert [row["inputs"][0]["vectorizers"] for row in data["artifacts"]] == [[0, 1], [0, 1]]
    again = Manifest.from_bytes(content)
    assert again == manifest
    assert again.to_bytes() == content
    assert again.artifacts[0].inputs[0].vectorizers == (WORDS, HASHES)
    jsonschema.validate(data, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_a_binding_alone_holds_its_vectorizers() -> None:
    binding = Binding("x", "in", None, "float32", vectorizers=(WORDS, HASHES))
    assert Binding.from_json(json.loads(json.dumps(binding.to_json()))) == binding


def first(data: dict[str, Any]) -> Any:
    return data["vectorizers"][0]


def second(data: dict[str, Any]) -> Any:
    return data["vectorizers"][1]


def binding(data: dict[str, Any]) -> Any:
    return data["artifacts"][0]["inputs"][0]


@pytest.mark.parametrize(
    ("where", "changes", "why"),
    [
        (first, {"kind": "hashing"}, "of kind 'hashing'"),
        (first, {"vocabulary": []}, "vocabulary is empty"),
        (first, {"vocabulary": ["a", "b", "a"]}, "a term twice"),
        (first, {"vocabulary": ["a", 1]}, "something that is no text"),
        (first, {"binary": 1}, "binary of vectorizer is 1"),
        (first, {"surprise": 1}, "surprise"),
        (first, {"analysis": None}, "analysis of vectorizer is None"),
        (first, {"n_features": 3}, "unknown or missing keys"),
        (second, {"n_features": 0}, "n_features '0'"),
        (second, {"n_features": 2**31}, "n_features"),
        (second, {"n_features": True}, "n_features of vectorizer is True"),
        (second, {"n_features": 5}, "does not fit"),
        (binding, {"vectorizers": [0, 2]}, "no vectorizer 2"),
        (binding, {"vectorizers": [0, -1]}, "no vectorizer -1"),
        (binding, {"vectorizers": [0]}, "does not fit"),
        (binding, {"vectorizers": ["0", 1]}, "vectorizer is no object"),
        (binding, {"vectorizers": 0}, "vectorizers of binding is 0"),
        (binding, {"codes": ["a"]}, "does not fit"),
        (binding, {"transpose": [0, 1]}, "does not fit"),
    ],
)
def test_vectorizers_are_read_strictly(
    parts: Parts, where: Callable[[dict[str, Any]], Any], changes: dict[str, object], why: str
) -> None:
    data = json.loads(counting(parts, WORDS, HASHES).to_bytes())
    where(data).update(changes)
    with pytest.raises(BundleError, match=why):
        Manifest.from_json(data)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"token_pattern": "("}, "regular expression"),
        ({"token_pattern": "(" * 20_000}, "regular expression"),
        ({"token_pattern": None}, "a pattern for words"),
        ({"ngram_range": [1]}, "ngram_range is"),
        ({"ngram_range": [1, 10**12]}, "1 to 256"),
        ({"ngram_range": [True, 1]}, "ngram_range is"),
        ({"analyzer": "callable"}, "one of word, char, char_wb"),
        ({"strip_accents": "yes"}, "strip_accents"),
        ({"lowercase": "yes"}, "lowercase of analysis is 'yes'"),
        ({"stop_words": [None]}, "something that is no text"),
        ({"stop_words": "the"}, "stop_words of analysis is 'the'"),
    ],
)
def test_an_analysis_is_read_strictly(parts: Parts, changes: dict[str, object], why: str) -> None:
    data = json.loads(counting(parts, WORDS, HASHES).to_bytes())
    first(data)["analysis"].update(changes)
    with pytest.raises(BundleError, match=why):
        Manifest.from_json(data)


@pytest.mark.parametrize("shape", [(), (None, 2), (None, 1, 1)])
def test_counts_are_of_one_text_a_row(parts: Parts, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(InputError, match="not those of the bundle's signature"):
        counting(parts, WORDS, HASHES, shape=shape)


def test_a_row_of_counts_is_no_wider_than_a_converter_makes_it(parts: Parts) -> None:
    """A file and a vectorizer that agree on a width that no memory holds are refused when the manifest is read."""
    widest = Hashing(Analysis("char"), MOST_COLUMNS)
    data = json.loads(counting(parts, widest, width=MOST_COLUMNS).to_bytes())
    assert Manifest.from_json(data).vectorizers == (widest,)
    first(data)["n_features"] = 2**31 - 1
    for artifact in data["artifacts"]:
        artifact["signature"]["inputs"][0]["shape"][1] = 2**31 - 1
    with pytest.raises(BundleError, match="does not fit"):
        Manifest.from_json(data)


def test_counts_are_floats_of_inputs(parts: Parts) -> None:
    manifest = counting(parts, WORDS, HASHES, shape=(None, 1))
    one = manifest.artifacts[0]
    with pytest.raises(InputError, match="an output has vectorizers"):
        replace(one, outputs=(replace(one.outputs[0], native="in", dtype="float32", vectorizers=(WORDS, HASHES)),),
                signature=replace(one.signature, outputs=one.signature.inputs))  # fmt: skip
    with pytest.raises(InputError, match="does not fit"):
        counting(parts, WORDS, HASHES, width=6)
    numbers = Signature((TensorSpec("x", "float32", (None,)),), manifest.signature.outputs)
    with pytest.raises(InputError, match="not those of the bundle's signature"):
        replace(manifest, signature=numbers)
