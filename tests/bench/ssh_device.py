"""A real sshd on the loopback device, with keys, configuration and a cache of its own: a device to connect to."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from edgekit.bench.transports.connection import SILENCE_SECONDS, Connection
from edgekit.bench.transports.ssh import connector

# Where `make test-parts` unpacks what is not installed.
UNPACKED = Path(__file__).resolve().parents[2] / "build" / "data"
_SSHD = (Path("/usr/sbin/sshd"), UNPACKED / "openssh-server" / "usr" / "sbin" / "sshd")
_LIBRARIES = UNPACKED / "libwrap0" / "usr" / "lib"


class SshDevice:
    """A device that ``ssh -F config device`` leads to."""

    def __init__(self, folder: Path) -> None:
        sshd = next((path for path in _SSHD if path.is_file()), None)
        if sshd is None or shutil.which("ssh") is None:
            pytest.skip("no sshd, or no ssh: make test-parts (or, as root: apt-get install openssh-server)")
        self.folder = folder
        self.cache = folder / "cache"
        self.config = folder / "ssh_config"
        self.home = self.cache / "edgekit" / "device"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        for name in ("host", "user", "stranger"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True)
        self.know(folder / "host.pub")
        self.use("user")
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\nUsePAM no\n"
            f"AuthorizedKeysFile {folder / 'user.pub'}\nStrictModes no\nPasswordAuthentication no\n"
            f"SetEnv XDG_CACHE_HOME={self.cache} OMP_NUM_THREADS=1\n"
        )
        if os.geteuid() == 0:
            import pwd

            try:
                pwd.getpwnam("sshd")
            except KeyError:
                pytest.skip("root's sshd wants a user of its own: useradd --system --shell /usr/sbin/nologin sshd")
            Path("/run/sshd").mkdir(exist_ok=True)
        self._command = [str(sshd), "-D", "-e", "-f", str(folder / "sshd_config")]
        self.start()

    def start(self) -> None:
        libraries = ":".join(str(path) for path in _LIBRARIES.glob("*-linux-*"))
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries} if libraries else None
        with (self.folder / "sshd.log").open("ab") as log:
            self.server = subprocess.Popen(self._command, stderr=log, env=environment)
        for _ in range(100):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        self.server.kill()
        self.server.wait()
        raise RuntimeError((self.folder / "sshd.log").read_text())

    def stop(self) -> None:
        """The device is switched off: no connection lasts, none is accepted."""
        self.cut()
        self.server.kill()
        self.server.wait()

    def know(self, key: Path) -> None:
        """The host key that the user has seen."""
        words = key.read_text().split()[:2]
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {' '.join(words)}\n")

    def use(self, key: str) -> None:
        """The user's key."""
        self.config.write_text(
            f"Host device\n  HostName 127.0.0.1\n  Port {self.port}\n  IdentityFile {self.folder / key}\n"
            f"  IdentitiesOnly yes\n  UserKnownHostsFile {self.folder / 'known'}\n  GlobalKnownHostsFile /dev/null\n"
        )

    def connect(self, python: str = sys.executable, silence: float = SILENCE_SECONDS) -> Callable[[], Connection]:
        return connector("device", python=python, config=self.config, silence=silence)

    def running(self) -> list[psutil.Process]:
        """Edgekit's processes on the device: its agents and workers."""
        return running(self.cache)

    def cut(self) -> None:
        """Every connection ends as when a network fails: the device's side of it is gone."""
        for process in psutil.Process(self.server.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if process.name() == "sshd":
                    process.kill()

    def is_quiet(self, seconds: float = 10) -> bool:
        """Whether nothing of edgekit's runs on the device, soon."""
        return is_quiet(self.cache, seconds)


def running(cache: Path) -> list[psutil.Process]:
    """The processes that a device's cache is told to."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("XDG_CACHE_HOME") == str(cache) and "adbd" not in " ".join(process.cmdline()):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def is_quiet(cache: Path, seconds: float = 10) -> bool:
    """Whether none of them runs, soon."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not running(cache):
            return True
        time.sleep(0.1)
    return False
