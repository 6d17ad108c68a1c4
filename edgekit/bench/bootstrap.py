"""What a device's Python runs first: receives edgekit's part for devices, keeps it by its digest, and serves.

Its source travels through the connection and is run by whatever Python the device has, so it is written for any of
them, 2.7 too: one that is too old has to be able to say so. ``stream`` is what its caller reads the connection with.
"""

import hashlib
import json
import os
import shutil
import sys
import zipfile

# Python 2 has no annotations, no f-strings and no pathlib.
# mypy: allow-untyped-defs, allow-untyped-calls
# ruff: noqa: UP031, PTH103, PTH104, PTH107, PTH111, PTH112, PTH118, PTH123

ANDROID = "/data/local/tmp"


def answer(document):
    """One line of JSON; login scripts may have printed before it, so a word says where the answers begin."""
    os.write(1, b"edgekit " + json.dumps(document).encode("ascii") + b"\n")


def default_folder():
    """Edgekit's own among the user's caches; on Android in the one folder that its shell may write to."""
    if os.access(ANDROID, os.W_OK):
        return os.path.join(ANDROID, "edgekit")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(cache, "edgekit", "device")


def receive(stream, asked, folder):
    """Unpack edgekit's part for devices; the folder is whole, or not there."""
    archive = stream.read(asked["bytes"])
    if hashlib.sha256(archive).hexdigest() != asked["sha256"]:
        raise ValueError("what arrived is not what was sent")
    part = "%s.part-%d" % (folder, os.getpid())
    try:
        os.makedirs(part, 0o700)
        path = os.path.join(part, "edgekit.zip")
        with open(path, "wb") as file:
            file.write(archive)
        with zipfile.ZipFile(path) as packed:
            packed.extractall(part)
        os.remove(path)
        if not os.path.isdir(folder):  # another measurement may have been faster
            os.rename(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def start(stream):
    """Say which Python this is, take what it lacks of edgekit, and serve."""
    asked = json.loads(stream.readline().decode("ascii"))
    home = default_folder()
    folder = os.path.join(home, "edgekit-" + asked["sha256"][:16])
    there = os.path.isdir(folder)
    answer({"python": list(sys.version_info[:3]), "has": there})
    if sys.version_info < tuple(asked["oldest"]):
        return
    try:
        if not there:
            receive(stream, asked, folder)
    except (OSError, ValueError) as error:
        answer({"error": getattr(error, "strerror", None) or str(error), "folder": home})
        return
    answer({"folder": home})
    sys.path.insert(0, folder)
    from edgekit.bench.agent import serve

    serve(stream, home, folder, asked["python"], asked["silence"])


if __name__ == "__main__":
    start(stream)  # type: ignore[name-defined]  # noqa: F821
