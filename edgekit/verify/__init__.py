"""The comparison of a model with its original, and what came of it."""

from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import OutputVerdict, Verdict

__all__ = ["OutputVerdict", "Tolerance", "Verdict", "compare"]
