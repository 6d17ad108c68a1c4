"""How a measurement reaches a device: a transport starts the worker there and brings its answer back."""

from edgekit.bench.transports.local import LocalTransport
from edgekit.bench.transports.transport import Tick, Transport

__all__ = ["LocalTransport", "Tick", "Transport"]
