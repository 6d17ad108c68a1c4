"""A reference evaluator for Core ML models, for systems that have no Core ML.

It reads a saved model (ML Programs, and the model types of classical converters) and computes what the file says, in
software. It shows what a model means; Apple's compiler, the Neural Engine and the GPU are not exercised.
"""

from edgekit.coreml_reference.model import Model, open_model

__all__ = ["Model", "open_model"]
