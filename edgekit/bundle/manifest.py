"""What a bundle says of itself: ``manifest.json`` as frozen dataclasses."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import PurePosixPath
from typing import Any

from edgekit.bundle import strict
from edgekit.bundle.archive import REPAIR, unsafe_names
from edgekit.bundle.binding import Binding
from edgekit.bundle.digest import FileDigest, tree_digest
from edgekit.errors import BundleError, InputError
from edgekit.preprocessing.terms import Vectorizer
from edgekit.signature import Signature
from edgekit.verify.verdict import Verdict

# 1 (edgekit 0.1.0): the first.
SCHEMA = 1

MANIFEST, MANIFEST_DIGEST, GOLDEN = "manifest.json", "manifest.sha256", "golden.npz"


@dataclass(frozen=True)
class Artifact:
    """One model file of a bundle; data, not behaviour.

    Attributes:
        target: the format: ``onnx``, ``tflite``, ``coreml``.
        scheme: ``float32``, ``int8``, …
        file: the path inside the bundle, of a file or of a folder (``.mlpackage``), with ``/``.
        bytes: the size of the model, all its files together.
        sha256: the digest of the file; where there are several, see :mod:`edgekit.bundle.digest`.
        signature: the model file's own.
        inputs: one binding for each input.
        outputs: one binding for each output.
        convert_seconds: how long the conversion took.
        call_ms: the median time of one call where the bundle was made, in milliseconds; ``None`` if
            not executed, or executed by an evaluator, whose time says nothing of a device.
        verdict: how far its outputs are from the original's.
        files: empty for a model of one file. Of a folder, its files by their paths inside it. Of a file with others
            beside it (ONNX external data), the file and the others, by their paths from the folder that they are in.
        runtimes: the oldest runtime that loads it: ``{"onnxruntime": "1.18"}``.
        versions: the tools that made it.

    Raises:
        InputError: the parts do not fit each other.
    """

    target: str
    scheme: str
    file: str
    bytes: int
    sha256: str
    signature: Signature
    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]
    convert_seconds: float
    call_ms: float | None
    verdict: Verdict
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        digests = [FileDigest(self.sha256, self.bytes), *self.files.values()]
        if any(not re.fullmatch("[0-9a-f]{64}", one.sha256) or one.bytes < 0 for one in digests):
            raise self._wrong("a digest is not a SHA-256 with a size")
        if self.files and tree_digest(self.files) != digests[0]:
            raise self._wrong("its digest or size is not that of its files")
        if problem := unsafe_names([self.file]) or unsafe_names(self.members):
            raise self._wrong(problem)
        for bindings, specs in ((self.inputs, self.signature.inputs), (self.outputs, self.signature.outputs)):
            native = {spec.name: spec for spec in specs}
            if sorted(binding.native for binding in bindings) != sorted(native):
                raise self._wrong("its bindings are not those of its signature")
            for one in bindings:
                if one.misfit(native[one.native]):
                    raise self._wrong(f"the binding of {one.name!r} does not fit the file's {one.native!r}")
        if any(one.vectorizers for one in self.outputs):
            raise self._wrong("an output has vectorizers")
        if (self.verdict.passed is None) != (self.verdict.executed_by is None):
            raise self._wrong("its verdict and who executed it contradict each other")

    @property
    def is_folder(self) -> bool:
        """Whether the model is a folder (``.mlpackage``)."""
        return bool(self.files) and PurePosixPath(self.file).name not in self.files

    @property
    def members(self) -> dict[str, FileDigest]:
        """The model's files by their names in the bundle."""
        if not self.files:
            return {self.file: FileDigest(self.sha256, self.bytes)}
        prefix = f"{self.file}/" if self.is_folder else self.file[: -len(PurePosixPath(self.file).name)]
        return {prefix + path: digest for path, digest in self.files.items()}

    def _wrong(self, why: str) -> InputError:
        return InputError(f"artifact {self.target}/{self.scheme}", why, REPAIR)

    def to_json(self, known: Sequence[Vectorizer] = ()) -> dict[str, Any]:
        """The artifact's row in a manifest; ``known``: see :meth:`Binding.to_json`."""
        return {
            **{name: getattr(self, name) for name in ("target", "scheme", "file", "bytes", "sha256")},
            "convert_seconds": self.convert_seconds,
            "call_ms": self.call_ms,
            "verdict": self.verdict.to_json(),
            "signature": self.signature.to_json(),
            "inputs": [binding.to_json(known) for binding in self.inputs],
            "outputs": [binding.to_json(known) for binding in self.outputs],
            "files": {path: digest.to_json() for path, digest in self.files.items()},
            "runtimes": dict(self.runtimes),
            "versions": dict(self.versions),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any], known: Sequence[Vectorizer] = ()) -> Artifact:
        """The artifact that :meth:`to_json` wrote."""
        strict.take(
            "artifact", data, target=strict.TEXT, scheme=strict.TEXT, file=strict.TEXT, bytes=(int,),
            sha256=strict.TEXT, convert_seconds=(int, float), call_ms=(int, float, type(None)), verdict=(dict,),
            signature=(dict,), inputs=(list,), outputs=(list,), files=(dict,), runtimes=(dict,), versions=(dict,),
        )  # fmt: skip
        built = {
            "verdict": strict.verdict(data["verdict"]),
            "signature": strict.signature(data["signature"]),
            "inputs": tuple(Binding.from_json(binding, known) for binding in data["inputs"]),
            "outputs": tuple(Binding.from_json(binding, known) for binding in data["outputs"]),
            "files": {path: strict.file_digest(digest) for path, digest in data["files"].items()},
            "runtimes": strict.text_values("runtimes", data["runtimes"]),
            "versions": strict.text_values("versions", data["versions"]),
        }
        return Artifact(**{**data, **built})


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says of itself.

    Attributes:
        created: ISO 8601 in UTC, as :func:`utc_now` gives it.
        edgekit: the version of edgekit that wrote it.
        source: ``{"framework", "file", "sha256", "versions"}`` of the model that it was made from.
        signature: the source's; sessions and golden samples speak it.
        artifacts: the model files; target and scheme together are unique.
        samples: ``{"count", "synthetic", "origin", "golden"}``: how many samples the verdicts rest on, whether they
            were random, where they came from, and how many are recorded in the bundle.
        preprocessing: the preprocessing contract as the user gave it.
        labels: the classes' names, in order.
        golden: the digest of ``golden.npz``; ``write_bundle`` fills it in.
        seed: the seed of what was random.
        notes: what the reader should know, one sentence each.
        columns: for tables, the columns that each input takes, in order, where the source knew their names.
        schema: see :data:`SCHEMA`.

    Raises:
        InputError: the parts do not fit each other.
    """

    created: str
    edgekit: str
    source: Mapping[str, Any]
    signature: Signature
    artifacts: tuple[Artifact, ...]
    samples: Mapping[str, Any]
    preprocessing: Mapping[str, Any] | None = None
    labels: tuple[str, ...] | None = None
    golden: FileDigest | None = None
    seed: int | None = None
    notes: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", self.created):
            raise strict.malformed(f"created {self.created!r} is not an ISO 8601 time in UTC")
        strict.take(
            "source",
            self.source,
            framework=strict.TEXT,
            file=(str, type(None)),
            sha256=(str, type(None)),
            versions=(dict,),
        )
        strict.take("samples", self.samples, count=(int,), synthetic=(bool,), origin=(str, type(None)), golden=(int,))
        pairs = [f"{artifact.target}/{artifact.scheme}" for artifact in self.artifacts]
        if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
            raise strict.malformed(f"artifact {twice[0]} is there twice")
        if problem := unsafe_names(self.names):
            raise strict.malformed(problem)
        for artifact, pair in zip(self.artifacts, pairs, strict=True):
            for mine, theirs in (
                (self.signature.inputs, artifact.inputs),
                (self.signature.outputs, artifact.outputs),
            ):
                specs = {spec.name: spec for spec in mine}
                alike = sorted(specs) == sorted(binding.name for binding in theirs)
                if not alike or not all(binding.takes(specs[binding.name]) for binding in theirs):
                    raise strict.malformed(f"the bindings of {pair} are not those of the bundle's signature")

    @property
    def members(self) -> dict[str, FileDigest]:
        """Every file of the bundle that the manifest answers for, by its name in the bundle."""
        golden = {} if self.golden is None else {GOLDEN: self.golden}
        return golden | {name: digest for artifact in self.artifacts for name, digest in artifact.members.items()}

    @property
    def vectorizers(self) -> tuple[Vectorizer, ...]:
        """What counts the terms of texts for files that take counts, each once."""
        bindings = (binding for artifact in self.artifacts for binding in artifact.inputs)
        return tuple(dict.fromkeys(one for binding in bindings for one in binding.vectorizers))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that is in the bundle, in the order in which it is written."""
        golden = () if self.golden is None else (GOLDEN,)
        models = (name for artifact in self.artifacts for name in sorted(artifact.members))
        return (MANIFEST, MANIFEST_DIGEST, *golden, *models)

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object."""
        known = self.vectorizers
        return {
            **{name: getattr(self, name) for name in ("schema", "created", "edgekit", "seed")},
            "source": dict(self.source),
            "signature": self.signature.to_json(),
            "artifacts": [artifact.to_json(known) for artifact in self.artifacts],
            "samples": dict(self.samples),
            "preprocessing": None if self.preprocessing is None else dict(self.preprocessing),
            "labels": None if self.labels is None else list(self.labels),
            "golden": None if self.golden is None else self.golden.to_json(),
            "notes": list(self.notes),
            "columns": {name: list(columns) for name, columns in self.columns.items()},
            **({"vectorizers": [one.to_json() for one in known]} if known else {}),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Manifest:
        """The manifest that :meth:`to_json` wrote.

        Raises:
            BundleError: an unknown schema number, unknown or missing keys, parts that do not fit each other.
        """
        if not isinstance(data, dict) or type(data.get("schema")) is not int:
            raise BundleError("read a bundle's manifest", "it has no schema number", REPAIR)
        if data["schema"] != SCHEMA:
            asked = f"read a manifest of schema {data['schema']}"
            writer = data.get("edgekit", "of another version")
            raise BundleError(asked, f"this edgekit reads schema {SCHEMA}", f"read it with edgekit {writer} or newer")
        try:
            return _manifest(data)
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            where = (error.asked, error.why) if isinstance(error, InputError) else (type(error).__name__, str(error))
            raise BundleError("read a bundle's manifest", ": ".join(where), REPAIR) from error

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``: UTF-8, keys sorted, one space a level.

        Raises:
            InputError: something in it has no JSON, such as NaN.
        """
        try:
            text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
            return f"{text}\n".encode()
        except (TypeError, ValueError) as error:
            raise InputError("write a manifest", str(error), "leave out what JSON cannot hold") from error

    @staticmethod
    def from_bytes(content: bytes) -> Manifest:
        """The manifest in the content of ``manifest.json``.

        Raises:
            BundleError: as :meth:`from_json`, or not JSON.
        """
        try:
            data = strict.loads(content)
        except (ValueError, RecursionError) as error:
            raise BundleError("read a bundle's manifest", f"not JSON ({error})", REPAIR) from error
        return Manifest.from_json(data)


def utc_now() -> str:
    """The time now as a manifest holds it: ``2026-01-31T12:00:00Z``."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _manifest(data: dict[str, Any]) -> Manifest:
    data = dict(data)
    optional = (dict, type(None))
    counted = {"vectorizers": (list,)} if "vectorizers" in data else {}
    strict.take(
        "manifest", data, schema=(int,), created=strict.TEXT, edgekit=strict.TEXT, source=(dict,), signature=(dict,),
        samples=(dict,), artifacts=(list,), preprocessing=optional, labels=(list, type(None)), golden=optional,
        seed=(int, type(None)), notes=(list,), columns=(dict,), **counted,
    )  # fmt: skip
    known = [strict.vectorizer(one) for one in data.pop("vectorizers", ())]
    built = {
        "signature": strict.signature(data["signature"]),
        "artifacts": tuple(Artifact.from_json(artifact, known) for artifact in data["artifacts"]),
        "labels": None if data["labels"] is None else strict.texts("labels", data["labels"]),
        "golden": None if data["golden"] is None else strict.file_digest(data["golden"]),
        "notes": strict.texts("notes", data["notes"]),
        "columns": {name: strict.texts("columns", names) for name, names in data["columns"].items()},
    }
    return Manifest(**{**data, **built})
