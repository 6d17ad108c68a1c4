"""A class of devices as data: what is publicly known of it, every fact with its source.

It holds facts of the *class* (a Raspberry Pi 5), never measurements of one machine: those belong to a benchmark result.
What is not known is absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1  # 1: the first

KINDS = ("sbc", "module", "desktop", "laptop", "server", "phone", "tablet", "browser")
ARCHITECTURES = ("aarch64", "armv7l", "x86_64", "riscv64", "wasm32")
ACCELERATORS = ("gpu", "npu", "tpu", "dsp")
FORMATS = ("onnx", "tflite", "coreml")
TRANSPORTS = ("local", "ssh", "adb", "browser")
QUANTITIES = ("temperature", "throttling", "energy", "power", "voltage", "current")
SYSTEMS = ("Linux", "Android", "Darwin", "Windows", "iOS")
UNITS = ("degC", "millidegC", "count", "bits", "level", "uJ", "mW", "mV", "uV", "mA", "uA", "V and A by rail")


@dataclass(frozen=True)
class Processor:
    """The processor: cores and clock (MHz, the highest), and the instruction sets that inference kernels look for."""

    name: str
    architecture: str
    cores: int | None = None
    clock_mhz: int | None = None
    instruction_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """The main memory: sizes in GB that the class is sold with, bus width in bits, peak bandwidth in GB/s."""

    type: str | None = None
    sizes_gb: tuple[int, ...] = ()
    bus_bits: int | None = None
    bandwidth_gb_per_s: float | None = None


@dataclass(frozen=True)
class Accelerator:
    """What computes beside the processor, one of :data:`ACCELERATORS`; ``cores`` are CUDA cores on Nvidia's."""

    name: str
    kind: str
    cores: int | None = None
    tensor_cores: int | None = None
    compute_capability: str | None = None


@dataclass(frozen=True)
class Runtime:
    """A runtime that runs on the class, with its execution providers or delegates, the preferred one first."""

    name: str
    format: str
    execution_providers: tuple[str, ...] = ()
    delegates: tuple[str, ...] = ()


@dataclass(frozen=True)
class FastScheme:
    """A quantization scheme for which the class has instructions, in which runtimes, and under what condition."""

    name: str
    runtimes: tuple[str, ...]
    condition: str | None = None


@dataclass(frozen=True)
class CommandReading:
    """A quantity that a command on the device prints; ``bits`` says what a set bit means, by its number."""

    name: str
    quantity: str
    unit: str
    command: tuple[str, ...]
    bits: Mapping[str, str] = field(default_factory=dict)
    condition: str | None = None


@dataclass(frozen=True)
class FilesReading:
    """A quantity in files on the device (a glob pattern); ``driver`` is what the hwmon folder's ``name`` file says."""

    name: str
    quantity: str
    unit: str
    files: str
    driver: str | None = None
    condition: str | None = None


@dataclass(frozen=True)
class Match:
    """By what a machine of the class is recognized.

    The first group are names: any one is enough, and is a fact with a source. The second group are conditions: all of
    them must hold; ``system`` and ``cpu_flags`` are edgekit's own rule. Patterns have ``*`` and ``?``.

    Attributes:
        device_tree: strings of the device tree's ``compatible``.
        model: patterns of the model that the device tree, or ``Model`` in ``/proc/cpuinfo``, names.
        product: patterns of Android's ``ro.product.model``.
        apple_model: patterns of ``hw.model`` (macOS) and ``hw.machine`` (iOS, iPadOS).
        processor: patterns of the processor's name (``model name`` in ``/proc/cpuinfo``, ``machdep.cpu.brand_string``).
        user_agent: patterns of a browser's user agent.
        system: the operating systems, each one of :data:`SYSTEMS`.
        chassis: the SMBIOS chassis types (``/sys/class/dmi/id/chassis_type``).
        cpu_flags: instruction sets, as ``/proc/cpuinfo`` calls them, that every core has.
    """

    device_tree: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    apple_model: tuple[str, ...] = ()
    processor: tuple[str, ...] = ()
    user_agent: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    chassis: tuple[int, ...] = ()
    cpu_flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A public page, its words on the matter as they stand there, and the facts that it covers."""

    url: str
    says: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class DeviceProfile:
    """A class of devices.

    Attributes:
        id: the file's stem.
        name: what people call it.
        kind: one of :data:`KINDS`.
        processor: the processor.
        runtimes: what runs there, in edgekit's order of preference (a default, to be measured, not a fact).
        transports: how edgekit reaches one, one of :data:`TRANSPORTS` each.
        sources: where the facts come from.
        memory: the main memory, where known.
        accelerators: what computes beside the processor.
        schemes: the quantization schemes that the class has instructions for.
        readings: how to read temperature, throttling and power, the preferred way first.
        match: by what a machine of the class is recognized, where it can be.
    """

    id: str
    name: str
    kind: str
    processor: Processor
    runtimes: tuple[Runtime, ...]
    transports: tuple[str, ...]
    sources: tuple[Source, ...]
    memory: Memory | None = None
    accelerators: tuple[Accelerator, ...] = ()
    schemes: tuple[FastScheme, ...] = ()
    readings: tuple[CommandReading | FilesReading, ...] = ()
    match: Match | None = None

    def reading(self, quantity: str) -> tuple[CommandReading | FilesReading, ...]:
        """The ways to read one of :data:`QUANTITIES`, the preferred one first; empty where none is known."""
        return tuple(one for one in self.readings if one.quantity == quantity)

    def sources_of(self, fact: str) -> tuple[Source, ...]:
        """The sources that cover a fact (``processor.cores``, ``runtimes.litert``)."""
        return tuple(source for source in self.sources if any(covers(entry, fact) for entry in source.facts))

    def to_json(self) -> dict[str, Any]:
        """The profile as a JSON object (``docs/schemas/device.schema.json``): what is not known is absent."""
        return {"schema": SCHEMA, **known(asdict(self))}


def covers(entry: str, fact: str) -> bool:
    """Whether what a source names, a fact or a table of facts, is the fact or holds it."""
    return fact == entry or fact.startswith(f"{entry}.")


def known(value: Any) -> Any:
    """A document without what is not known: ``None``, empty lists and tables are left out."""
    if isinstance(value, dict):
        return {key: known(one) for key, one in value.items() if one is not None and one not in ((), {})}
    if isinstance(value, (tuple, list)):
        return [known(one) for one in value]
    return value
