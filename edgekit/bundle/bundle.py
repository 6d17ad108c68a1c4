"""A bundle, opened."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from edgekit.bundle.archive import REPAIR, Span, index_archive, index_folder, unsafe_names
from edgekit.bundle.digest import BLOCK
from edgekit.bundle.golden import Run, read_golden
from edgekit.bundle.manifest import GOLDEN, MANIFEST, MANIFEST_DIGEST, Artifact, Manifest
from edgekit.errors import BundleError, InputError, StorageError

# A manifest larger than this is none: it would fill the memory of the device that reads it.
_MANIFEST_LIMIT = 64 << 20


class Bundle:
    """A model, or several formats of one, with its proof; opened for reading with :meth:`open`.

    Model files are memory-mapped, and digested when they are first read.

    Attributes:
        path: the ``.edge`` file, or the folder of an unpacked bundle.
        manifest: what the bundle says of itself.
        manifest_bytes: the content of ``manifest.json``, which a signature signs.
    """

    def __init__(self, path: Path, manifest: Manifest, manifest_bytes: bytes, spans: dict[str, Span]) -> None:
        self.path = path
        self.manifest = manifest
        self.manifest_bytes = manifest_bytes
        self._spans = spans
        self._views: dict[str, memoryview] = {}

    @staticmethod
    def open(path: str | Path) -> Bundle:
        """Open a bundle: a zip file, or a folder where it is unpacked.

        Checked here: the names of all members, the archive's structure, the manifest and its digest, and that exactly
        the files are there that the manifest lists, with the sizes that it gives. Their content is checked when it is
        read.

        Raises:
            InputError: no such file, or it cannot be read.
            BundleError: it is no bundle, or a damaged one.
        """
        path, asked = Path(path), f"open {path}"
        try:
            if path.is_dir():
                spans = index_folder(asked, path)
            elif path.exists() and not path.is_file():
                raise InputError(asked, "it is neither a file nor a folder", "give the path of a bundle")
            else:
                with path.open("rb") as file:
                    if path.suffix.lower() != ".edge" and not _looks_like_a_bundle(file):
                        raise BundleError(asked, "it is not an .edge bundle", "make one: edgekit convert MODEL")
                    spans = index_archive(asked, path, file)
            return _opened(asked, path, spans)
        except OSError as error:
            raise InputError(
                asked, error.strerror or str(error), "give the path of a bundle that you can read"
            ) from error

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The model files' descriptions."""
        return self.manifest.artifacts

    def artifact(self, target: str, scheme: str = "float32") -> Artifact:
        """The artifact of a target and scheme.

        Raises:
            InputError: there is none; lists what there is.
        """
        for artifact in self.artifacts:
            if (artifact.target, artifact.scheme) == (target, scheme):
                return artifact
        there = ", ".join(f"{artifact.target}/{artifact.scheme}" for artifact in self.artifacts) or "none"
        raise InputError(f"artifact {target}/{scheme}", f"{self.path.name} does not have it", f"it has: {there}")

    def read(self, member: str) -> memoryview:
        """The bytes of a member by its name in the bundle, read-only, digested when they are first read.

        Raises:
            InputError: there is no such member.
            BundleError: the content is not what the manifest says.
        """
        if member not in self._views:
            digests = self.manifest.members
            if member not in digests:
                raise InputError(
                    f"read {member!r}", f"{self.path.name} does not have it", f"it has: {', '.join(digests)}"
                )
            span, asked = self._spans[member], f"read {member} in {self.path}"
            try:
                view = span.view()
            except OSError as error:
                raise BundleError(asked, error.strerror or str(error), "open the bundle again") from error
            # Both over the whole view at once: they let other threads run meanwhile.
            if hashlib.sha256(view).hexdigest() != digests[member].sha256:
                raise BundleError(asked, "the content is not what the manifest says", REPAIR)
            if span.crc is not None and zlib.crc32(view) != span.crc:
                raise BundleError(asked, "the zip file's checksum is wrong", REPAIR)
            self._views[member] = view
        return self._views[member]

    def model_bytes(self, artifact: Artifact) -> memoryview:
        """The model file, memory-mapped where the system can; its address is a multiple of 64.

        Raises:
            InputError: the model is not one file.
            BundleError: the content is not what the manifest says.
        """
        if artifact.files:
            asked = f"read {artifact.target}/{artifact.scheme} from memory"
            raise InputError(asked, f"it is {len(artifact.files)} files", "use extract")
        return self.read(artifact.file)

    def extract(self, artifact: Artifact, folder: str | Path) -> Path:
        """Write a model's files into a folder, which is made if missing; the path of the model file or folder.

        Raises:
            InputError: something of that name is there already.
            BundleError: the content is not what the manifest says; then nothing is written.
            StorageError: the folder cannot be written.
        """
        folder = Path(folder)
        asked = f"extract {artifact.target}/{artifact.scheme} to {folder}"
        # Model file and companions keep their names; what is above them in the bundle stays behind.
        above = len(artifact.file) - len(PurePosixPath(artifact.file).name)
        contents = {name[above:]: self.read(name) for name in artifact.members}
        staged = folder / f".edgekit-{secrets.token_hex(6)}.tmp"
        tops = {name.partition("/")[0] for name in contents}
        try:
            if there := sorted(top for top in tops if os.path.lexists(folder / top)):
                raise InputError(asked, f"{there[0]} exists already", "give an empty folder")
            staged.mkdir(parents=True)
            for name, content in contents.items():
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                (staged / name).write_bytes(content)
            for top in tops:
                (staged / top).rename(folder / top)
        except OSError as error:
            why = error.strerror or str(error)
            raise StorageError(asked, why, "make room, or choose another folder") from error
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return folder / PurePosixPath(artifact.file).name

    def golden(self) -> list[Run]:
        """The recorded runs, (inputs, outputs) each, in the bundle's names; empty where none were recorded.

        Outputs are empty where the original could not be run.

        Raises:
            BundleError: they are damaged, or not the signature's.
        """
        if self.manifest.golden is None:
            return []
        asked, signature = f"read {GOLDEN} in {self.path}", self.manifest.signature
        runs = read_golden(asked, self._spans[GOLDEN], self.read(GOLDEN))
        wrong = [
            run
            for run in runs
            if run[0].keys() != set(signature.input_names) or run[1].keys() not in (set(), set(signature.output_names))
        ]
        if wrong or len(runs) != self.manifest.samples["golden"]:
            raise BundleError(asked, "the recorded runs are not those that the manifest describes", REPAIR)
        return runs

    def verify_files(self) -> None:
        """Compare every file with its digest.

        Raises:
            BundleError: the first one whose content is not what the manifest says.
        """
        for member in self.manifest.members:
            self.read(member)

    def __repr__(self) -> str:
        listed = ", ".join(f"{artifact.target}/{artifact.scheme}" for artifact in self.artifacts)
        return f"<Bundle {self.path.name}: {listed}>"


def _looks_like_a_bundle(file: IO[bytes]) -> bool:
    """Whether a file begins as a bundle does: with the local header of its manifest."""
    start = file.read(30 + len(MANIFEST))
    file.seek(0)
    return start.startswith(b"PK\x03\x04") and start.endswith(MANIFEST.encode())


def _opened(asked: str, path: Path, spans: dict[str, Span]) -> Bundle:
    """The bundle, once everything about it but its models' content is checked."""
    if problem := unsafe_names(spans):
        raise BundleError(asked, problem, "do not use it; ask who gave it to you")
    for name in (MANIFEST, MANIFEST_DIGEST):
        if name not in spans:
            raise BundleError(asked, f"it has no {name}, so it is no bundle", "give a file that edgekit convert wrote")
    if spans[MANIFEST].size > _MANIFEST_LIMIT or spans[MANIFEST_DIGEST].size > BLOCK:
        raise BundleError(asked, "its manifest is too large", REPAIR)
    content, listed = (bytes(spans[name].view()) for name in (MANIFEST, MANIFEST_DIGEST))
    crcs = {(spans[MANIFEST].crc, zlib.crc32(content)), (spans[MANIFEST_DIGEST].crc, zlib.crc32(listed))}
    if listed != digest_line(content) or any(crc not in {None, found} for crc, found in crcs):
        raise BundleError(asked, "its manifest has been changed or damaged", REPAIR)
    try:
        manifest = Manifest.from_bytes(content)
    except BundleError as error:
        raise BundleError(asked, f"{error.asked}: {error.why}", error.next_step) from error
    odd = sorted(spans.keys() ^ set(manifest.names))
    if odd:
        raise BundleError(asked, f"{odd[0]!r} is {'not listed' if odd[0] in spans else 'missing'}", REPAIR)
    for name, digest in manifest.members.items():
        if spans[name].size != digest.bytes:
            raise BundleError(asked, f"{name} has {spans[name].size} bytes, the manifest says {digest.bytes}", REPAIR)
    return Bundle(path, manifest, content, spans)


def digest_line(manifest: bytes) -> bytes:
    """The content of ``manifest.sha256``, as ``sha256sum --check`` takes it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()
