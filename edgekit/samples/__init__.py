"""Named arrays for calibration, verification and accuracy: read, fitted to a model's signature, split, kept.

``read_samples`` takes a file as it is (:class:`RawSamples`); ``fit`` makes it what one model takes (:class:`Samples`).
"""

from edgekit.samples.fitting import fit
from edgekit.samples.raw import RawSamples, read_samples
from edgekit.samples.samples import Samples
from edgekit.samples.synthetic import synthetic

__all__ = ["RawSamples", "Samples", "fit", "read_samples", "synthetic"]
