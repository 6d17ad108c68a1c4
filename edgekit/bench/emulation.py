"""Whether this process runs on the processor that it says, or on a program that imitates one."""

from __future__ import annotations

from pathlib import Path

from edgekit.bench.host import Host

# Names of QEMU's processors; a virtual machine on a real one has that one's name.
_IMITATED = ("QEMU Virtual CPU", "QEMU TCG")
# What Android's emulator says of itself, before Android 12 and since.
_ANDROID = ("ro.kernel.qemu", "ro.boot.qemu")


def emulator(host: Host) -> str | None:
    """What imitates the processor that this runs on; ``None`` where nothing says that one is imitated.

    An emulator of programs (qemu-aarch64, box64, FEX) answers for ``/proc/self/exe`` with the program that it runs;
    under the name of its thread the kernel still tells which program really runs (proc(5)). Apple's tells by a sysctl.
    """
    if host.command(("sysctl", "-n", "sysctl.proc_translated")) == "1":
        return "Rosetta"
    try:
        program, real = (Path(f"/proc/{one}/exe").readlink() for one in ("self", "thread-self"))
    except OSError:
        return _imitated(host)
    return real.name if real != program else _imitated(host)


def _imitated(host: Host) -> str | None:
    lines = (host.text("/proc/cpuinfo") or "").splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if facts.get("model name", "").startswith(_IMITATED):
        return "QEMU"
    if any(host.command(("getprop", name)) == "1" for name in _ANDROID):
        return "the Android emulator"
    return None
