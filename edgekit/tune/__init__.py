"""The fastest or smallest quantized model within a budget of the task's metric, found by trying and measuring."""

from edgekit.tune.budget import Budget, parse_drop
from edgekit.tune.candidate import Candidate, Tried
from edgekit.tune.run import TuneResult, tune

__all__ = ["Budget", "Candidate", "Tried", "TuneResult", "parse_drop", "tune"]
