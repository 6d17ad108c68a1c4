"""Writing a bundle: whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.bundle.archive import write_archive
from edgekit.bundle.bundle import Bundle, digest_line
from edgekit.bundle.digest import BLOCK, FileDigest, file_digest
from edgekit.bundle.manifest import GOLDEN, MANIFEST, MANIFEST_DIGEST, Artifact, Manifest
from edgekit.errors import BundleError, InputError, StorageError

# The user chose a place that does not take files; anything else that fails happened on the way.
_WRONG_PLACE = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS}
_ELSEWHERE = "choose another place for the bundle"
_ZIP_START = b"PK\x03\x04"


def write_bundle(
    output: str | Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    golden: Path | None = None,
    *,
    force: bool = False,
    unpacked: bool = False,
) -> Path:
    """Write a bundle as one zip file, or unpacked as a folder.

    It is written to a temporary name (``.edgekit-….tmp``) beside the output and moved into place when it is whole and
    on the disk. When anything fails the temporary one is removed, and a bundle that was there is untouched.

    Args:
        output: the bundle's path.
        manifest: its description; ``golden`` is filled in here.
        files: each artifact's model file or folder, by the artifact's ``file``. Companions lie beside the model file.
        golden: what :func:`~edgekit.bundle.golden.write_golden` wrote.
        force: replace a bundle that is there.
        unpacked: write a folder.

    Raises:
        InputError: the output is there and ``force`` is not given, or is no bundle; its folder is missing or not
            writable; a file is not the one that the manifest describes.
        StorageError: it could not be written (the disk is full).
    """
    output = Path(output)
    asked = f"write {output}"
    check_output(output, force=force, unpacked=unpacked)
    members = _members(asked, manifest, files, golden)
    final = output.resolve()
    with _staged(asked, final) as temporary:
        if unpacked:
            _write_folder(asked, temporary, members)
            _publish_folder(asked, temporary, final)
        else:
            with temporary.open("x+b") as file:
                write_archive(file, ((member.name, member.digest.bytes, member.blocks(asked)) for member in members))
                file.flush()
                os.fsync(file.fileno())
            _publish_file(asked, temporary, final, force=force)
    _sync_folder(final.parent)
    return output


def check_output(output: str | Path, *, force: bool = False, unpacked: bool = False) -> None:
    """Refuse an output that :func:`write_bundle` could not write, before the work on it is done.

    Raises:
        InputError: as :func:`write_bundle`.
    """
    asked, final = f"write {output}", Path(output).resolve()
    if not final.parent.is_dir():
        raise InputError(asked, f"there is no folder {Path(output).parent}", "make it first, or choose another")
    if os.path.lexists(final):
        _check_replaceable(asked, final, force=force, unpacked=unpacked)
    probe = final.parent / _temporary_name()
    try:
        probe.open("xb").close()
        probe.unlink()
    except OSError as error:
        raise _refusal(asked, error) from error


@dataclass(frozen=True)
class _Member:
    """A file to be written: its name in the bundle, what it must contain, and where that is."""

    name: str
    digest: FileDigest
    content: bytes | Path

    def blocks(self, asked: str) -> Iterator[bytes]:
        """The content, compared with the digest on the way."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        state, size = hashlib.sha256(), 0
        try:
            with self.content.open("rb") as file:
                while block := file.read(BLOCK):
                    state.update(block)
                    size += len(block)
                    yield block
        except OSError as error:
            raise _unreadable(asked, self.content, error) from error
        if FileDigest(state.hexdigest(), size) != self.digest:
            raise InputError(
                asked, f"{self.content} is not the file that was measured", "measure it after its last change"
            )


def _members(asked: str, manifest: Manifest, files: Mapping[str, Path], golden: Path | None) -> list[_Member]:
    """All that goes into the bundle, in order."""
    wanted = {artifact.file for artifact in manifest.artifacts}
    if files.keys() != wanted:
        odd = ", ".join(sorted(files.keys() ^ wanted))
        raise InputError(asked, f"files and artifacts differ: {odd}", "give exactly one path for each artifact")
    if (golden is None) != (manifest.samples["golden"] == 0):
        raise InputError(asked, "the manifest counts other golden samples than there are", "give both, or neither")
    places: dict[str, Path] = {}
    for artifact in manifest.artifacts:
        places.update(_places(artifact, files[artifact.file]))
    if golden is not None:
        try:
            manifest = replace(manifest, golden=file_digest(golden))
        except OSError as error:
            raise _unreadable(asked, golden, error) from error
        places[GOLDEN] = golden
    content = manifest.to_bytes()
    contents: dict[str, bytes | Path] = {**places, MANIFEST: content, MANIFEST_DIGEST: digest_line(content)}
    own = {name: FileDigest("", len(text)) for name, text in contents.items() if isinstance(text, bytes)}
    digests = {**manifest.members, **own}
    return [_Member(name, digests[name], contents[name]) for name in manifest.names]


def _places(artifact: Artifact, path: Path) -> dict[str, Path]:
    """Where the files of an artifact lie, by their names in the bundle."""
    if artifact.is_folder:
        return {name: path / name[len(artifact.file) + 1 :] for name in artifact.members}
    above = artifact.file.rpartition("/")[0]
    beside = {name: path.parent / name[len(above) :].lstrip("/") for name in artifact.members}
    return {**beside, artifact.file: path}


def _check_replaceable(asked: str, final: Path, *, force: bool, unpacked: bool) -> None:
    """Refuse to replace what is not a bundle, or not one of the same kind: it may be the user's model."""
    if not force:
        raise InputError(asked, "it exists already", "give another name, or --force to replace it")
    if final.is_dir() != unpacked or not (unpacked or final.is_file()):
        kind = "a folder" if final.is_dir() else "a file"
        raise InputError(asked, f"it is {kind}, which is not what would be written", "give another name, or remove it")
    try:
        if unpacked:
            Bundle.open(final)
            return
        with final.open("rb") as file:
            head = file.read(30 + len(MANIFEST))
    except (BundleError, OSError) as error:
        why = error.why if isinstance(error, BundleError) else str(error.strerror)
        raise InputError(
            asked, f"what is there is no whole bundle ({why})", "give another name, or remove it"
        ) from error
    if head and not (head.startswith(_ZIP_START) and head.endswith(MANIFEST.encode())):
        raise InputError(asked, "what is there is no bundle, and --force replaces only bundles", "give another name")


@contextmanager
def _staged(asked: str, final: Path) -> Iterator[Path]:
    """A temporary name beside the output, of which nothing is left when the work on it fails."""
    temporary = final.parent / _temporary_name()
    try:
        yield temporary
    except BaseException as error:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError):
            raise _refusal(asked, error) from error
        raise


def _write_folder(asked: str, folder: Path, members: list[_Member]) -> None:
    for member in members:
        path = folder / member.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for block in member.blocks(asked):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())


def _publish_file(asked: str, temporary: Path, final: Path, *, force: bool) -> None:
    """Move into place in one step; without ``force`` never over what another writer has put there meanwhile."""
    if force:
        temporary.replace(final)
        return
    try:
        if os.name == "nt":
            temporary.rename(final)  # which refuses there what exists
        else:
            os.link(temporary, final)
            temporary.unlink()
    except FileExistsError as error:
        raise InputError(asked, "it exists already", "give another name, or --force to replace it") from error
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        # A file system without hard links, such as FAT.
        if os.path.lexists(final):
            raise InputError(asked, "it exists already", "give another name, or --force to replace it") from error
        temporary.replace(final)


def _publish_folder(asked: str, temporary: Path, final: Path) -> None:
    """Move into place; a folder cannot be replaced in one step, so the old one steps aside and back if that fails."""
    if not os.path.lexists(final):
        try:
            temporary.rename(final)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise InputError(asked, "it exists already", "give another name, or --force to replace it") from error
            raise
        return
    aside = final.parent / _temporary_name()
    final.rename(aside)
    try:
        temporary.rename(final)
    except BaseException:
        aside.rename(final)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk too, where the system lets a folder be synchronized."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _temporary_name() -> str:
    return f".edgekit-{secrets.token_hex(6)}.tmp"


def _refusal(asked: str, error: OSError) -> InputError | StorageError:
    why = error.strerror or str(error)
    if error.errno in _WRONG_PLACE:
        return InputError(asked, why, _ELSEWHERE)
    return StorageError(asked, why, f"make room, or {_ELSEWHERE}")


def _unreadable(asked: str, path: Path, error: OSError) -> InputError:
    return InputError(asked, f"{path} cannot be read ({error.strerror or error})", "give the files that were measured")
