"""The image preprocessing contract: from a picture's pixels to a model's input, the same on every runtime.

The arithmetic is specified step by step in docs/preprocessing.md, in integers up to the last step, so that another
runtime gives the same bits. numpy only; decoding files takes Pillow (extra ``samples``), loaded when it is needed.
"""

from edgekit.preprocessing.contract import Contract
from edgekit.preprocessing.decode import decode_image

__all__ = ["Contract", "decode_image"]
