"""Strict reading of JSON: exactly the keys that are known, with the types that they have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.bundle.archive import REPAIR
from edgekit.bundle.digest import FileDigest
from edgekit.errors import InputError
from edgekit.preprocessing.terms import Analysis, Hashing, Vectorizer, Vocabulary
from edgekit.signature import Signature
from edgekit.verify.verdict import Verdict

TEXT = (str,)


def loads(content: bytes) -> Any:
    """A JSON document in UTF-8, without doubled keys, NaN or infinity.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested deeper than Python goes.
    """
    return json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)


def take(where: str, data: Any, **types: tuple[type, ...]) -> None:
    """Refuse an object that has not exactly these keys, or a value that has none of its types (a bool is no int).

    Raises:
        InputError: says which key.
    """
    _keys(where, data, types)
    for name, allowed in types.items():
        if type(data[name]) not in allowed:
            raise malformed(f"{name} of {where} is {repr(data[name])[:80]}")


def texts(where: str, data: Iterable[Any]) -> tuple[str, ...]:
    """A list of texts."""
    items = tuple(data)
    if any(type(item) is not str for item in items):
        raise malformed(f"{where} has something that is no text")
    return items


def text_values(where: str, data: Mapping[str, Any]) -> dict[str, str]:
    """An object whose values are texts."""
    texts(where, data.values())
    return dict(data)


def file_digest(data: Mapping[str, Any]) -> FileDigest:
    """``{"sha256", "bytes"}``."""
    take("digest", data, sha256=TEXT, bytes=(int,))
    return FileDigest(**data)


def signature(data: Mapping[str, Any]) -> Signature:
    """What ``Signature.to_json`` wrote."""
    take("signature", data, inputs=(list,), outputs=(list,))
    for spec in (*data["inputs"], *data["outputs"]):
        decided = {"decided_by": TEXT} if isinstance(spec, dict) and "decided_by" in spec else {}
        take("tensor", spec, name=TEXT, dtype=TEXT, shape=(list,), **decided)
        if any(size is not None and (type(size) is not int or size < 0) for size in spec["shape"]):
            raise malformed(f"shape of {spec['name']!r} is {spec['shape']}")
    return Signature.from_json(data)


def verdict(data: Mapping[str, Any]) -> Verdict:
    """What ``Verdict.to_json`` wrote."""
    read = Verdict.from_json(data)
    # Verdicts had no notes at first, and nothing of them is lost without.
    _keys("verdict", {"notes": [], **data}, read.to_json())
    texts("notes", list(read.notes))
    for name, one in read.outputs.items():
        _keys(f"verdict of {name!r}", data["outputs"][name], one.to_json())
    passed = [data["passed"], *(one.passed for one in read.outputs.values())]
    if any(value not in {True, False, None} for value in passed) or type(data["samples"]) is not int:
        raise malformed("a verdict has neither passed nor failed")
    return read


def vectorizer(data: Mapping[str, Any]) -> Vectorizer:
    """What a vectorizer's ``to_json`` wrote."""
    own: dict[str, tuple[type, ...]] = {"kind": TEXT, "analysis": (dict,), "binary": (bool,)}
    hashing = "n_features" in data
    counted = {"n_features": (int,), "alternate_sign": (bool,)} if hashing else {"vocabulary": (list,)}
    take("vectorizer", data, **own, **counted)
    if data["kind"] != (Hashing if hashing else Vocabulary).kind:
        raise malformed(f"a vectorizer is of kind {data['kind'][:80]!r}")
    analysis, binary = _analysis(data["analysis"]), data["binary"]
    if hashing:
        return Hashing(analysis, data["n_features"], data["alternate_sign"], binary)
    return Vocabulary(analysis, texts("vocabulary", data["vocabulary"]), binary)


def _analysis(data: Mapping[str, Any]) -> Analysis:
    optional = (str, type(None))
    take(
        "analysis", data, analyzer=TEXT, ngram_range=(list,), lowercase=(bool,), strip_accents=optional,
        token_pattern=optional, stop_words=(list,),
    )  # fmt: skip
    texts("stop_words", data["stop_words"])
    if [type(size) for size in data["ngram_range"]] != [int, int]:
        raise malformed(f"ngram_range is {str(data['ngram_range'])[:80]}")
    return Analysis.from_json(data)


def malformed(why: str) -> InputError:
    """The error for a manifest whose parts are not what they must be."""
    return InputError("manifest", why, REPAIR)


def _keys(where: str, data: Any, known: Mapping[str, Any]) -> None:
    if not isinstance(data, Mapping):
        raise malformed(f"{where} is no object")
    if odd := sorted(map(str, data.keys() ^ known.keys())):
        raise malformed(f"{where} has unknown or missing keys: {', '.join(odd)}")


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"the key {key!r} is there twice")
        data[key] = value
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
