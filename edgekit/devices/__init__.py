"""Device classes: what is publicly known of each, every fact with its source, and which of them a machine is of.

A profile is one TOML file in ``devices/``, edgekit's own or the user's project's; its id is the file's stem.
"""

from edgekit.devices.file import read
from edgekit.devices.known import get, profiles
from edgekit.devices.machine import Machine, browser, this_machine
from edgekit.devices.matching import Probe, probe
from edgekit.devices.profile import (
    Accelerator,
    CommandReading,
    DeviceProfile,
    FastScheme,
    FilesReading,
    Match,
    Memory,
    Processor,
    Runtime,
    Source,
)

__all__ = [
    "Accelerator",
    "CommandReading",
    "DeviceProfile",
    "FastScheme",
    "FilesReading",
    "Machine",
    "Match",
    "Memory",
    "Probe",
    "Processor",
    "Runtime",
    "Source",
    "browser",
    "get",
    "probe",
    "profiles",
    "read",
    "this_machine",
]
