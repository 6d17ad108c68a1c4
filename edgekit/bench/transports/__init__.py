"""How a measurement reaches a device: a transport starts the worker there and brings its answer back."""

from edgekit.bench.transports.local import LocalTransport
from edgekit.bench.transports.transport import Event, Tick, Transport

__all__ = ["Event", "LocalTransport", "Tick", "Transport"]
