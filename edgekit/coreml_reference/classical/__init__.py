"""The model types of classical converters, evaluated on many rows at once with numpy alone.

Each family's file registers its kinds under the name that they have in Core ML's ``Model`` message.
"""

from edgekit.coreml_reference.classical.facade import ClassicalModel

__all__ = ["ClassicalModel"]
