"""The product's protocols take 10 s and more; this one only less long."""

from edgekit.bench.protocol import Protocol

SHORT = Protocol(
    "short",
    processes=2,
    min_calls=8,
    min_seconds=0.2,
    window_seconds=0.02,
    max_warmup_seconds=0.3,
    wait_seconds=0.2,
    energy_seconds=3.0,
)
