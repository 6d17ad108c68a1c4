"""What runs on the device: sessions over ONNX Runtime, LiteRT and, on macOS, Core ML."""

from edgekit.runtime.engine import Engine
from edgekit.runtime.loading import load, open_engine
from edgekit.runtime.session import BoundSession, Session

__all__ = ["BoundSession", "Engine", "Session", "load", "open_engine"]
