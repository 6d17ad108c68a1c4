"""What runs on the device: sessions over ONNX Runtime, LiteRT and Core ML (elsewhere than on macOS: its reference)."""

from edgekit.runtime.bound import BoundSession
from edgekit.runtime.engine import Engine
from edgekit.runtime.loading import load, open_engine
from edgekit.runtime.session import Session

__all__ = ["BoundSession", "Engine", "Session", "load", "open_engine"]
