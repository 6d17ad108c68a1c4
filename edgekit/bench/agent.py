"""What stays on a device while it is measured: answers requests for files, commands and workers over one connection.

It needs Python alone. A request is a line of JSON, followed by as many bytes as its ``bytes`` says; an answer is a line
of JSON with the request's ``id``. It ends with the connection, and where nothing is heard for too long (the other side
says something every few seconds): no worker outlives it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from edgekit.bench.host import LocalHost
from edgekit.bench.telling import tell

_RUNTIMES = ("numpy", "onnxruntime", "ai_edge_litert", "tflite_runtime", "coremltools")
# What an interrupted transfer has left is thrown away by the next one that comes so much later.
_STALE_SECONDS = 3600.0


def serve(stream: BinaryIO, home: str, code: str, python: str, silence: float) -> None:
    """Answer until the connection ends.

    Args:
        stream: what the requests are read from.
        home: edgekit's folder on the device.
        code: where edgekit's own modules are.
        python: the command that starts a worker's Python.
        silence: seconds after which a connection that says nothing is taken for lost.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    agent = _Agent(answers, Path(home), code, python)
    threading.Thread(target=agent.watch, args=(silence,), daemon=True).start()
    try:
        while line := stream.readline():
            agent.heard = time.monotonic()
            request = json.loads(line)
            agent.take(request, stream.read(request.get("bytes", 0)))
    except OSError:
        pass  # the connection is gone: that is the end, too
    agent.end()


class _Agent:
    """The state of one connection."""

    def __init__(self, answers: BinaryIO, home: Path, code: str, python: str) -> None:
        self.heard = time.monotonic()
        self._answers = answers
        self._lock = threading.Lock()
        self._home = home
        self._paths = [code]
        self._python = python
        self._host = LocalHost()
        self._worker: subprocess.Popen[bytes] | None = None
        self._operations: dict[str, Callable[..., Any]] = {
            "ping": lambda: None,
            "facts": self._facts,
            "machine": _machine,
            "environment": self._environment,
            "text": self._host.text,
            "glob": self._host.glob,
            "command": self._host.command,
            "has": lambda path: (self._home / path).exists(),
            "put": self._put,
            "unpack": self._unpack,
            "settle": self._settle,
            "use": self._use,
            "stop": self._stop,
            "clean": self._clean,
        }

    def take(self, request: Mapping[str, Any], content: bytes) -> None:
        """Answer a request; that for a worker when the worker has ended, others meanwhile."""
        if request["ask"] == "work":
            threading.Thread(target=self._work, args=(request,), daemon=True).start()
            return
        arguments = dict(request["with"])
        if "bytes" in request:
            arguments["content"] = content
        try:
            self._say(request, value=self._operations[request["ask"]](**arguments))
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            number = error.errno if isinstance(error, OSError) else None
            self._say(request, error=getattr(error, "strerror", None) or str(error), errno=number)

    def watch(self, silence: float) -> None:
        """End where the other side has fallen silent: its network may be gone without a word."""
        while time.monotonic() - self.heard < silence:
            time.sleep(min(silence / 4, 5.0))
        self.end()

    def end(self) -> None:
        """Leave nothing running, and no half of a file."""
        self._stop()
        for part in self._home.glob(f"*/*.part-{os.getpid()}"):
            shutil.rmtree(part, ignore_errors=True)
        os._exit(0)

    def _say(self, request: Mapping[str, Any], **answer: Any) -> None:
        line = json.dumps({"id": request["id"], **answer}).encode("ascii") + b"\n"
        with self._lock:
            self._answers.write(line)
            self._answers.flush()

    def _facts(self) -> dict[str, Any]:
        """What decides which files the device needs."""
        for part in self._home.glob("*/*.part-*"):
            with contextlib.suppress(OSError):  # it has just become whole
                if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(part, ignore_errors=True)
        return {
            "python": list(sys.version_info[:2]),
            "implementation": sys.implementation.name,
            "system": "Android" if hasattr(sys, "getandroidapilevel") else platform.system(),
            "machine": platform.machine(),
            "platform": sysconfig.get_platform(),
            "bits": 64 if sys.maxsize > 2**32 else 32,
            "libc": platform.libc_ver()[1] if platform.libc_ver()[0] == "glibc" else None,
            "macos": platform.mac_ver()[0],
            "modules": [name for name in _RUNTIMES if importlib.util.find_spec(name) is not None],
            "folder": str(self._home),
        }

    def _environment(self) -> dict[str, Any]:
        from edgekit.bench.environment import observe

        return observe(self._host).to_json()

    def _part(self, folder: str) -> Path:
        path = self._home / folder
        return path.with_name(f"{path.name}.part-{os.getpid()}")

    def _put(self, folder: str, name: str, content: bytes, *, first: bool) -> None:
        """A piece of a file in a folder that is not whole yet."""
        part = self._part(folder)
        try:
            path = part / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("wb" if first else "ab") as file:
                file.write(content)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _unpack(self, folder: str, name: str) -> None:
        """A wheel, as an installer unpacks it; its scripts are left out."""
        part = self._part(folder)
        try:
            with zipfile.ZipFile(part / name) as wheel:
                wheel.extractall(part)
            (part / name).unlink()
            for data in part.glob("*.data"):
                for kind in ("purelib", "platlib"):
                    if (data / kind).is_dir():
                        shutil.copytree(data / kind, part, dirs_exist_ok=True)
                shutil.rmtree(data)
        except (OSError, zipfile.BadZipFile):
            shutil.rmtree(part, ignore_errors=True)
            raise

    def _settle(self, folder: str, digests: Mapping[str, str]) -> None:
        """A folder under its own name, once every file that is said in it is whole."""
        part, path = self._part(folder), self._home / folder
        for name, wanted in digests.items():
            if _sha256(part / name) != wanted:
                shutil.rmtree(part, ignore_errors=True)
                raise ValueError(f"{name} arrived damaged")
        if path.exists():  # another measurement was faster
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.rename(path)

    def _use(self, folders: Sequence[str]) -> None:
        """Packages that workers find before the device's own."""
        self._paths = [self._paths[0], *(str(self._home / folder) for folder in folders)]

    def _work(self, request: Mapping[str, Any]) -> None:
        """One worker from its start to its end; its standard input stays open, for it ends with that."""
        with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as messages:
            try:
                worker = subprocess.Popen(
                    [self._python, "-m", "edgekit.bench.worker"],
                    stdin=subprocess.PIPE,
                    stdout=answers,
                    stderr=messages,
                    cwd=self._home,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(self._paths)},
                )
                self._worker = worker
                tell(worker, request["with"]["request"])
                code = worker.wait()
                answers.seek(0)
                messages.seek(0)
                said = {"answer": answers.read().decode(), "messages": messages.read().decode("utf-8", "replace")}
                self._say(request, value={"code": code, **said})
            except OSError as error:
                self._say(request, error=error.strerror or str(error), errno=error.errno)

    def _stop(self) -> None:
        worker = self._worker
        if worker is not None and worker.poll() is None:
            worker.kill()

    def _clean(self) -> int:
        """Remove all that edgekit has brought here; how many bytes that were."""
        files = [path for path in self._home.rglob("*") if path.is_file() and not path.is_symlink()]
        size = sum(path.stat().st_size for path in files)
        shutil.rmtree(self._home, ignore_errors=True)
        return size


def _machine() -> dict[str, Any]:
    """What the device says of itself."""
    from edgekit.devices.machine import this_machine

    return this_machine().to_json()


def _sha256(path: Path) -> str:
    # edgekit.bundle.digest needs numpy, which is what may be arriving.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
