"""What a damaged, forged or interrupted bundle must not do."""

from __future__ import annotations

import errno
import os
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bundle_parts import Parts

from edgekit.bundle import Bundle, Manifest, measure, write_bundle
from edgekit.bundle.bundle import digest_line
from edgekit.errors import BundleError, InputError, StorageError

ROOT = Path(__file__).parents[2]
Entry = tuple[zipfile.ZipInfo | str, bytes]


@pytest.fixture
def whole(parts: Parts, tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "whole.edge", parts.manifest, parts.files, parts.golden)


def everything(path: Path) -> tuple[Manifest, dict[str, bytes], str]:
    bundle = Bundle.open(path)
    bundle.verify_files()
    return bundle.manifest, {name: bytes(bundle.read(name)) for name in bundle.manifest.members}, repr(bundle.golden())


def attempt(path: Path) -> tuple[Manifest, dict[str, bytes], str] | None:
    try:
        return everything(path)
    except BundleError:
        return None


def test_a_flip_of_any_byte_is_refused_or_changes_nothing(whole: Path, tmp_path: Path) -> None:
    content, expected, target = whole.read_bytes(), everything(whole), tmp_path / "flipped.edge"
    unseen = set()
    for position in range(len(content)):
        changed = bytearray(content)
        changed[position] ^= 1 << position % 8
        target.write_bytes(changed)
        found = attempt(target)
        if found is not None:
            assert found == expected
            unseen.add(position)
    # What may change unseen is padding, dates and other header fields that say nothing of the content.
    assert len(unseen) < 0.2 * len(content)
    with zipfile.ZipFile(whole) as plain:
        for member in plain.infolist():
            name_length, extra_length = struct.unpack_from("<2H", content, member.header_offset + 26)
            data = member.header_offset + 30 + name_length + extra_length
            assert content[data : data + member.file_size] == plain.read(member)
            assert not unseen & set(range(data, data + member.file_size))


def test_truncation_at_every_length_is_refused(whole: Path, tmp_path: Path) -> None:
    content, target = whole.read_bytes(), tmp_path / "truncated.edge"
    for length in range(len(content)):
        target.write_bytes(content[:length])
        with pytest.raises(BundleError):
            Bundle.open(target)
    target.write_bytes(content + b"\0")
    with pytest.raises(BundleError):
        Bundle.open(target)
    target.write_bytes(b"#!/bin/sh\n" + content)
    with pytest.raises(BundleError):
        Bundle.open(target)


def test_every_file_of_an_unpacked_bundle_is_watched(parts: Parts, tmp_path: Path) -> None:
    folder = write_bundle(tmp_path / "unpacked.edge", parts.manifest, parts.files, parts.golden, unpacked=True)
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        for changed in (bytes([content[0] ^ 1]) + content[1:], content[:-1], content + b"\0", None):
            path.unlink()
            if changed is not None:
                path.write_bytes(changed)
            with pytest.raises(BundleError):
                everything(folder)
            path.write_bytes(content)
    everything(folder)
    outside = tmp_path / "outside"
    outside.write_bytes(parts.files["onnx/float32.onnx"].read_bytes())
    (folder / "onnx" / "float32.onnx").unlink()
    (folder / "onnx" / "float32.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="not a plain file"):
        Bundle.open(folder)


# Forged archives, written by zipfile as an attacker would


def info(name: str, mode: int = stat.S_IFREG | 0o644, kind: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr, made.compress_type, made.create_system = mode << 16, kind, 3
    return made


def forge(whole: Path, target: Path, change: Callable[[list[Entry]], list[Entry]]) -> Path:
    with zipfile.ZipFile(whole) as plain:
        entries: list[Entry] = [(name, plain.read(name)) for name in plain.namelist()]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in change(entries):
            archive.writestr(name, content)
    return target


def directory(content: bytes | bytearray) -> int:
    """Where the directory of a zip without 64-bit fields starts."""
    return int(struct.unpack_from("<L", content, content.rindex(b"PK\x05\x06") + 16)[0])


def test_an_archive_that_is_written_by_another_tool_is_taken(whole: Path, tmp_path: Path) -> None:
    assert everything(forge(whole, tmp_path / "same.edge", lambda entries: entries)) == everything(whole)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (("../escape", b"x"), "leads out of the bundle"),
        (("a/../../escape", b"x"), "leads out of the bundle"),
        (("/etc/escape", b"x"), "leads out of the bundle"),
        (("C:/escape", b"x"), "not every system takes"),
        (("a\\..\\escape", b"x"), "not every system takes"),
        (("onnx/FLOAT32.onnx", b"x"), "are alike"),
        (("onnx/float32.onnx/x", b"x"), "both a file and a folder"),
        (("onnx/extra.onnx", b"x"), "'onnx/extra.onnx' is not listed"),
        ((info("folder/"), b""), "not a plain file"),
        ((info("link", stat.S_IFLNK | 0o777), b"/etc/passwd"), "not a plain file"),
        ((info("device", stat.S_IFCHR | 0o666), b""), "not a plain file"),
        ((info("bomb", kind=zipfile.ZIP_DEFLATED), bytes(10_000_000)), "is compressed"),
        ((info("bomb", kind=zipfile.ZIP_LZMA), bytes(1000)), "is compressed|encrypted or streamed"),
    ],
)
def test_a_member_that_does_not_belong(whole: Path, tmp_path: Path, extra: Entry, why: str) -> None:
    path = forge(whole, tmp_path / "forged.edge", lambda entries: [*entries, extra])
    with pytest.raises(BundleError, match=why):
        Bundle.open(path)


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "manifest.sha256", "golden.npz", "onnx/float32.onnx", "coreml/float32.mlpackage/Manifest.json"],
)
def test_a_member_that_is_missing_or_other(whole: Path, tmp_path: Path, name: str) -> None:
    path = forge(whole, tmp_path / "short.edge", lambda entries: [entry for entry in entries if entry[0] != name])
    with pytest.raises(BundleError, match=r"is missing|so it is no bundle"):
        Bundle.open(path)
    path = forge(whole, tmp_path / "more.edge", lambda entries: [(n, c + b"x" * (n == name)) for n, c in entries])
    with pytest.raises(BundleError, match=r"the manifest says|has been changed"):
        Bundle.open(path)
    path = forge(whole, tmp_path / "other.edge", lambda entries: [(n, c[::-1] if n == name else c) for n, c in entries])
    if name != "coreml/float32.mlpackage/Manifest.json":
        with pytest.raises(BundleError):
            everything(path)


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")  # zipfile warns the attacker
def test_a_name_that_is_there_twice(whole: Path, tmp_path: Path) -> None:
    path = forge(whole, tmp_path / "twice.edge", lambda entries: [*entries, ("onnx/float32.onnx", b"x" * 100)])
    with pytest.raises(BundleError, match=r"'onnx/float32\.onnx' is there twice"):
        Bundle.open(path)


def test_an_encrypted_member(whole: Path, tmp_path: Path) -> None:
    content = bytearray(whole.read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(magic) + flags] |= 1
    (tmp_path / "encrypted.edge").write_bytes(content)
    with pytest.raises(BundleError, match="encrypted"):
        Bundle.open(tmp_path / "encrypted.edge")


def test_members_that_share_bytes(whole: Path, tmp_path: Path) -> None:
    """A bomb without compression: every directory entry points to the same data."""
    content = bytearray(whole.read_bytes())
    first = directory(content)
    second = content.index(b"PK\x01\x02", first + 4)
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    (tmp_path / "shared.edge").write_bytes(content)
    with pytest.raises(BundleError, match=r"two headers|does not start where"):
        Bundle.open(tmp_path / "shared.edge")


def test_something_hidden_between_members(whole: Path, tmp_path: Path) -> None:
    content = whole.read_bytes()
    first = directory(content)
    end = content.rindex(b"PK\x05\x06")
    hidden = b"hidden content"
    offset = struct.unpack_from("<L", content, end + 16)[0] + len(hidden)
    moved = content[:first] + hidden + content[first : end + 16] + struct.pack("<L", offset) + content[end + 20 :]
    (tmp_path / "hidden.edge").write_bytes(moved)
    with pytest.raises(BundleError, match="do not fill the archive"):
        Bundle.open(tmp_path / "hidden.edge")


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/hostname", "C:\\x.onnx", "manifest.json", "onnx/../x"])
def test_a_manifest_that_lists_files_outside(whole: Path, tmp_path: Path, name: str) -> None:
    def change(entries: list[Entry]) -> list[Entry]:
        text = dict(entries)["manifest.json"].replace(
            b'"onnx/float32.onnx"', f'"{name}"'.replace("\\", "\\\\").encode()
        )
        other = {"manifest.json": text, "manifest.sha256": digest_line(text)}
        return [(key, other.get(str(key), content)) for key, content in entries]

    with pytest.raises(BundleError, match=r"artifact onnx/float32|is there twice"):
        Bundle.open(forge(whole, tmp_path / "forged.edge", change))


def test_a_manifest_beside_its_digest(whole: Path, tmp_path: Path) -> None:
    path = forge(
        whole,
        tmp_path / "forged.edge",
        lambda entries: [(n, c.replace(b'"seed": 7', b'"seed": 8') if n == "manifest.json" else c) for n, c in entries],
    )
    with pytest.raises(BundleError, match="manifest has been changed"):
        Bundle.open(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "not a whole zip"), (b"x" * 5000, "not a whole zip"), (b"PK\x05\x06" + bytes(18), "has no manifest.json")],
)
def test_what_is_no_bundle(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "model.edge"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=why):
        Bundle.open(path)
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.open(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        Bundle.open(tmp_path / "none.edge")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        Bundle.open(os.devnull)


def golden_with(whole: Path, target: Path, parts: Parts, content: bytes) -> Path:
    parts.golden.write_bytes(content)
    return write_bundle(target, parts.manifest, parts.files, parts.golden)


def npy(header: str, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    return magic + struct.pack("<H", len(header)) + header.encode() + data


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("input/x.npy", npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"cos\nsystem\n(S'id'\ntR.")),
        ("input/x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n", b"1234")),
        ("input/x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }\n", b"1234")),
        ("input/x.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", b"1234")),
        ("input/x.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), }\n", b"1234")),
        ("input/x.npy", npy("__import__('os').abort()\n")),
        ("input/x.npy", b"\x93NUMPY\x09\x00"),
        ("input/x.npy", b""),
        ("input/%78.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", b"1234")),
        ("other/x.npy", b""),
        ("input/x", b""),
        ("../../x.npy", b""),
    ],
)
def test_golden_samples_that_attack(parts: Parts, whole: Path, tmp_path: Path, entry: str, content: bytes) -> None:
    with zipfile.ZipFile(parts.golden, "w") as archive:
        archive.writestr(info(entry), content)
    bundle = Bundle.open(write_bundle(tmp_path / "attack.edge", parts.manifest, parts.files, parts.golden))
    with pytest.raises(BundleError):
        bundle.golden()


def test_golden_samples_that_are_compressed(parts: Parts, tmp_path: Path) -> None:
    np.savez_compressed(parts.golden, **{"input/x": np.zeros((2, 10_000_000), np.int8)})
    bundle = Bundle.open(write_bundle(tmp_path / "bomb.edge", parts.manifest, parts.files, parts.golden))
    with pytest.raises(BundleError, match="is compressed"):
        bundle.golden()


# Writing that fails


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_changed_after_it_was_measured(parts: Parts, whole: Path, tmp_path: Path) -> None:
    before = whole.read_bytes()
    parts.files["onnx/float32.onnx"].write_bytes(b"other")
    for unpacked in (False, True):
        with pytest.raises(InputError, match="not the file that was measured"):
            write_bundle(tmp_path / "new.edge", parts.manifest, parts.files, parts.golden, unpacked=unpacked)
    with pytest.raises(InputError, match="not the file that was measured"):
        write_bundle(whole, parts.manifest, parts.files, parts.golden, force=True)
    parts.files["onnx/float32.onnx"].unlink()
    with pytest.raises(InputError, match="cannot be read"):
        write_bundle(whole, parts.manifest, parts.files, parts.golden, force=True)
    with pytest.raises(InputError, match="files and artifacts differ"):
        write_bundle(whole, parts.manifest, {}, parts.golden, force=True)
    assert whole.read_bytes() == before
    assert left(tmp_path) == ["whole.edge", "work"]


FULL = """
import resource, signal, sys
sys.path[:0] = [{root!r}, {tests!r}]
from dataclasses import replace
from pathlib import Path
from bundle_parts import make_parts
from edgekit.bundle import write_bundle, measure
from edgekit.errors import StorageError
parts = make_parts(Path({folder!r}) / "other")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    write_bundle({output!r}, parts.manifest, parts.files, parts.golden, force={force}, unpacked={unpacked})
except StorageError as error:
    print(error.exit_code, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the file-size limit stands for a full disk, and is POSIX")
@pytest.mark.parametrize("limit", [0, 100, 2000, 6000, 9500])
@pytest.mark.parametrize(("force", "unpacked"), [(False, False), (True, False), (False, True)])
def test_a_full_disk(parts: Parts, tmp_path: Path, limit: int, force: bool, unpacked: bool) -> None:
    out = tmp_path / "out"
    out.mkdir()
    if force:
        write_bundle(out / "model.edge", parts.manifest, parts.files, parts.golden)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    code = FULL.format(
        root=str(ROOT), tests=str(Path(__file__).parent), folder=str(tmp_path), limit=limit,
        output=str(out / "model.edge"), force=force, unpacked=unpacked,
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    if done.stdout:
        assert done.stdout.startswith("4 write ")
        assert "File too large" in done.stdout
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    else:  # small enough files for the limit, each on its own
        assert unpacked
        Bundle.open(out / "model.edge").verify_files()


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a tmpfs")
def test_a_disk_that_is_really_full(parts: Parts, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "edgekit", str(disk)], check=False, timeout=30)
    if mounted.returncode != 0:
        pytest.skip("this machine does not let tests mount")
    try:
        path = write_bundle(disk / "model.edge", parts.manifest, parts.files, parts.golden)
        before = path.read_bytes()
        big = parts.files["onnx/float32.onnx"]
        big.write_bytes(bytes(100_000))
        digest = measure(big)
        onnx = replace(parts.manifest.artifacts[0], bytes=digest.bytes, sha256=digest.sha256)
        manifest = replace(parts.manifest, artifacts=(onnx, *parts.manifest.artifacts[1:]))
        for options in ({"force": True}, {"unpacked": True}):
            target = path if "force" in options else disk / "folder.edge"
            with pytest.raises(StorageError, match="No space left on device"):
                write_bundle(target, manifest, parts.files, parts.golden, **options)
        bundle = Bundle.open(path)
        (disk / "filler").write_bytes(bytes(40_000))
        with pytest.raises(StorageError, match="No space left on device"):
            extract_often(bundle, disk)
        assert path.read_bytes() == before
        assert not [name for name in left(disk) if name.endswith(".tmp")]
    finally:
        # Lazily: the opened bundle is still mapped.
        subprocess.run(["umount", "-l", str(disk)], check=True, timeout=30)


def extract_often(bundle: Bundle, folder: Path) -> None:
    for number in range(99):
        bundle.extract(bundle.artifact("coreml"), folder / str(number))


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.EIO, "Input/output error"), MemoryError()])
@pytest.mark.parametrize("unpacked", [False, True])
def test_whatever_stops_the_writer_it_leaves_nothing(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, unpacked: bool
) -> None:
    path = write_bundle(tmp_path / "model.edge", parts.manifest, parts.files, parts.golden, unpacked=unpacked)
    expected = everything(path)
    calls = iter(range(100))
    real = os.fsync

    def failing(descriptor: int) -> None:
        if next(calls) == (3 if unpacked else 0):
            raise failure
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StorageError if isinstance(failure, OSError) else type(failure)):
        write_bundle(path, replace(parts.manifest, seed=8), parts.files, parts.golden, force=True, unpacked=unpacked)
    assert left(tmp_path) == ["model.edge", "work"]
    assert everything(path) == expected


def test_an_unpacked_bundle_whose_replacement_fails_steps_back(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_bundle(tmp_path / "model.edge", parts.manifest, parts.files, parts.golden, unpacked=True)
    calls = iter(range(100))
    real = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(path, replace(parts.manifest, seed=8), parts.files, parts.golden, force=True, unpacked=True)
    assert everything(path)[0].seed == 7
    assert left(tmp_path) == ["model.edge", "work"]


def test_a_place_below_a_file(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="there is no folder"):
        write_bundle(tmp_path / "file" / "model.edge", parts.manifest, parts.files, parts.golden)
    bundle = Bundle.open(write_bundle(tmp_path / "model.edge", parts.manifest, parts.files, parts.golden))
    with pytest.raises(StorageError, match="Not a directory"):
        bundle.extract(bundle.artifact("onnx"), tmp_path / "file" / "out")


@pytest.mark.parametrize("force", [False, True])
def test_writers_at_once(parts: Parts, tmp_path: Path, force: bool) -> None:
    path, results, refusals = tmp_path / "model.edge", [], []
    start = threading.Barrier(4)

    def write(seed: int) -> None:
        start.wait()
        try:
            write_bundle(path, replace(parts.manifest, seed=seed), parts.files, parts.golden, force=force)
            results.append(seed)
        except InputError as error:
            refusals.append(error.why)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == (4 if force else 1)
    assert refusals == ["it exists already"] * (4 - len(results))
    assert everything(path)[0].seed in results
    assert left(tmp_path) == ["model.edge", "work"]


ENDLESS = """
import signal, sys
# A suite that runs in the background of a script is started deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{root!r}, {tests!r}]
from dataclasses import replace
from pathlib import Path
from bundle_parts import make_parts
from edgekit.bundle import write_bundle
parts = make_parts(Path({folder!r}) / "other")
print("go", flush=True)
for seed in range(10**6):
    manifest = replace(parts.manifest, seed=seed)
    write_bundle({output!r}, manifest, parts.files, parts.golden, force=seed > 0, unpacked=False)
"""


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.3])
def test_a_killed_writer_leaves_a_whole_bundle_or_none(tmp_path: Path, delay: float) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code = ENDLESS.format(
        root=str(ROOT), tests=str(Path(__file__).parent), folder=str(tmp_path), output=str(out / "model.edge")
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "go\n"
        time.sleep(delay)
        writer.kill()
    if (out / "model.edge").exists():
        everything(out / "model.edge")
    assert all(name == "model.edge" or name.startswith(".edgekit-") for name in left(out))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process group there")
def test_an_interrupted_writer_leaves_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code = ENDLESS.format(
        root=str(ROOT), tests=str(Path(__file__).parent), folder=str(tmp_path), output=str(out / "model.edge")
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "go\n"
        time.sleep(0.2)
        writer.send_signal(signal.SIGINT)
        writer.wait(timeout=30)
    assert left(out) == ["model.edge"]
    everything(out / "model.edge")
