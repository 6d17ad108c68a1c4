"""What an evaluation knows beyond an operation's operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.coreml_reference.program import Operation
from edgekit.signature import Array


@dataclass
class Kept:
    """A state: a tensor that lives on between calls."""

    value: Array


@dataclass
class Context:
    """Handed to the kernels that ask for it.

    Attributes:
        operation: the operation being evaluated, with its declared outputs.
        run_block: evaluates the operation's nested block of that number on block inputs.
        random: the source of random numbers of this evaluation.
        opset: the function's opset (``CoreML7``).
    """

    operation: Operation
    run_block: Callable[[int, Sequence[Any]], tuple[Any, ...]]
    random: np.random.Generator = field(repr=False)
    opset: str = ""
