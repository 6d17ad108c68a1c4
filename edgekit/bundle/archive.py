"""A zip file whose members are stored uncompressed and aligned, to be memory-mapped; or the same as a folder.

Sources: PKWARE's APPNOTE 6.3.10, sections 4.3.7 (local header) and 4.5 (extra fields); Android's ``zipalign`` for the
extra field 0xD935 that does the alignment (two bytes: the alignment, then zeros).
"""

from __future__ import annotations

import errno
import mmap
import os
import stat
import struct
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgekit.errors import BundleError

ALIGNMENT = 64
REPAIR = "copy the bundle again, or make it again with edgekit convert"
_ALIGNMENT_FIELD = 0xD935
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s16xH")
_UTF8_NAME = 0x800
# From this size on a member gets 64-bit sizes; zipfile itself would need them a little later.
_ZIP64_FROM = 1 << 30
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
# What zipfile and struct raise on damaged headers, beside BadZipFile.
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, EOFError, struct.error, MemoryError)


@dataclass(frozen=True)
class Span:
    """Where a member's bytes lie: a file, an offset into it and a size, both in bytes; in a zip, with their CRC-32."""

    path: Path
    offset: int
    size: int
    crc: int | None = None

    def view(self) -> memoryview:
        """The bytes, read-only: memory-mapped, or read where the system cannot map them.

        They may be fewer than ``size`` where the file has been cut meanwhile: a digest tells.
        """
        if not self.size:
            return memoryview(b"")
        start = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        with self.path.open("rb") as file:
            try:
                length = self.offset + self.size - start
                mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
            except (OSError, ValueError, OverflowError):
                file.seek(self.offset)
                return memoryview(file.read(self.size))
        return memoryview(mapped)[self.offset - start :]


def unsafe_names(names: Iterable[str]) -> str:
    """Why these names cannot stand together as paths of files on every system; empty where they can."""
    taken: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if problem := next((problem for part in parts if (problem := _unsafe_part(part))), ""):
            return f"{name!r} {problem}"
        # macOS and Windows tell neither case nor composition of accents apart.
        folded = [unicodedata.normalize("NFC", part).casefold() for part in parts]
        whole = "/".join(folded)
        above = {"/".join(folded[:depth]) for depth in range(1, len(folded))}
        if whole in taken:
            return f"{name!r} is there twice" if taken[whole] == name else f"{name!r} and {taken[whole]!r} are alike"
        if whole in folders or above & taken.keys():
            return f"{name!r} is both a file and a folder"
        taken[whole] = name
        folders.update(dict.fromkeys(above, name))
    return ""


def _unsafe_part(part: str) -> str:
    if part in {"", ".", ".."}:
        return "leads out of the bundle, or is no file name"
    if any(char in '\\:*?"<>|' or unicodedata.category(char) in {"Cc", "Cs"} for char in part):
        return "has a character that not every system takes in a file name"
    if part.endswith((".", " ")) or part.partition(".")[0].upper() in _RESERVED:
        return "is no file name on Windows"
    return ""


def write_archive(file: IO[bytes], members: Iterable[tuple[str, int, Iterable[bytes]]]) -> None:
    """Write members as (name, size in bytes, blocks), in the order given; the same members give the same bytes.

    Raises:
        OSError: the file cannot be written.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, size, blocks in members:
            info = zipfile.ZipInfo(name)  # dated 1980-01-01
            info.create_system = 3  # Unix, wherever it is written
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = size
            zip64 = size >= _ZIP64_FROM
            header = _LOCAL_HEADER.size + len(name.encode()) + (20 if zip64 else 0)
            info.extra = _padding(file.tell() + header)
            with archive.open(info, "w", force_zip64=zip64) as member:
                for block in blocks:
                    member.write(block)


def _padding(end_of_header: int) -> bytes:
    """An extra field after which the data starts at a multiple of the alignment."""
    fill = -(end_of_header + 6) % ALIGNMENT
    return struct.pack("<HHH", _ALIGNMENT_FIELD, 2 + fill, ALIGNMENT) + bytes(fill)


def index_archive(asked: str, path: Path, file: IO[bytes]) -> dict[str, Span]:
    """Where each member of a zip lies; the archive is checked as a whole before anything in it is believed.

    Members must be stored, plain files, lie one behind the other without gaps or overlap, and have the same header
    before them as in the directory. ``path`` is what the spans say; ``file`` is what is read.

    Raises:
        BundleError: it is no such archive; says in what.
    """
    try:
        size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
            file.seek(-_END.size, os.SEEK_END)
            magic, comment = _END.unpack(file.read(_END.size))
            if (magic, comment) != (b"PK\x05\x06", 0):
                raise _damaged(asked, "there is something behind the zip file's end")
            spans = {
                info.filename: Span(path, _data_offset(asked, file, info), info.file_size, info.CRC) for info in infos
            }
            if len(spans) < len(infos):
                twice = sorted({info.filename for info in infos if sum(i.filename == info.filename for i in infos) > 1})
                raise _damaged(asked, f"{twice[0]!r} is there twice")
            _check_layout(asked, infos, spans, min(archive.start_dir, size))
    except _DAMAGE as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise _damaged(asked, f"not a whole zip file ({detail})") from error
    except OSError as error:
        # Some versions of zipfile seek to before the start where the directory's size is wrong.
        if error.errno != errno.EINVAL:
            raise
        raise _damaged(asked, "not a whole zip file") from error
    return spans


def _data_offset(asked: str, file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where a member's data starts, once its two headers agree and nothing about it is out of the ordinary."""
    name = repr(info.filename)
    if info.filename != info.orig_filename:
        raise _damaged(asked, f"{info.orig_filename!r} is no plain name")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise _damaged(asked, f"{name} is compressed")
    if info.flag_bits & ~_UTF8_NAME:
        raise _damaged(asked, f"{name} is encrypted or streamed")
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG} or info.is_dir():
        raise _damaged(asked, f"{name} is not a plain file")
    file.seek(info.header_offset)
    header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    magic, _, flags, method, _, _, crc, stored, plain, name_length, extra_length = header
    encoded = info.filename.encode("utf-8" if info.flag_bits & _UTF8_NAME else "cp437")
    sizes_agree = all(given in {info.file_size, 0xFFFFFFFF} for given in (stored, plain))
    mine = (b"PK\x03\x04", info.flag_bits, zipfile.ZIP_STORED, info.CRC, True, encoded)
    if (magic, flags, method, crc, sizes_agree, file.read(name_length)) != mine:
        raise _damaged(asked, f"the two headers of {name} differ")
    return info.header_offset + _LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _check_layout(asked: str, infos: Sequence[zipfile.ZipInfo], spans: dict[str, Span], directory: int) -> None:
    """Refuse gaps, in which things can hide, and overlap, with which a small file seems large."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset != end:
            raise _damaged(asked, f"{info.filename!r} does not start where the member before it ends")
        end = spans[info.filename].offset + info.file_size
    if end != directory:
        raise _damaged(asked, "the members do not fill the archive")


def index_folder(asked: str, path: Path) -> dict[str, Span]:
    """Every file below a folder, by its path from there with ``/`` between the parts.

    Raises:
        BundleError: there is a link or a device among them.
    """
    spans, folders = {}, [path]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(path).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    spans[name] = Span(Path(entry.path), 0, entry.stat(follow_symlinks=False).st_size)
                else:
                    raise _damaged(asked, f"{name!r} is not a plain file")
    return spans


def _damaged(asked: str, why: str) -> BundleError:
    return BundleError(asked, why, REPAIR)
