"""What about a model will not survive quantization, in words: which layer, with which numbers, and what to do."""

from edgekit.diagnosis.findings import Finding
from edgekit.diagnosis.run import Diagnosis, diagnose

__all__ = ["Diagnosis", "Finding", "diagnose"]
