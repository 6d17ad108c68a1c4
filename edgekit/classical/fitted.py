"""A fitted estimator as a torch module: constants, parts, and one function that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.signature import Array

if TYPE_CHECKING:
    import torch

# What a module answers, by the kind of the answer:
#   label          [n]            int64: the position among `classes`; the label itself where there are none
#   probabilities  [n, classes]   float32
#   scores         [n] or [n, k]  float32: decision_function
#   prediction     [n] or [n, t]  float32
#   transformed    [n, m]         float32
#   distances      [n, k]         float32: transform of a clusterer
Answers = dict[str, "torch.Tensor"]
Answer = Callable[[Any, "torch.Tensor"], Answers]
# For each column of a matrix: the texts that its numbers stand for (their positions), or None where it holds numbers.
# Empty: numbers throughout.
Columns = tuple[tuple[str, ...] | None, ...]


def fitted(
    answer: Answer | None,
    *,
    classes: Array | Sequence[Any] | None = None,
    columns: Columns = (),
    **constants: Any,
) -> Any:
    """The module whose ``answers(x)`` is ``answer(module, x)``.

    Args:
        answer: computes every kind of answer that the estimator has, of ``x`` in float32, shape [n, features]. It reads
            its constants as attributes of the module that it is given. What nobody asks for, the exporters drop. None:
            the module only holds constants.
        classes: of a classifier, the original's labels in the order of the positions that ``label`` gives.
        columns: of a transformer, what the columns of ``transformed`` stand for.
        constants: arrays become buffers (floats in float32, integers as they are), modules and lists of modules become
            parts, anything else a plain attribute.
    """
    return _module_class()(answer, classes, columns, constants)


def looked_up(table: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """A table's entries at positions.

    Of two entries by arithmetic: where a position comes from a comparison, LiteRT's converter makes the look-up a
    choice between booleans, which it then cannot write.
    """
    if table.shape[0] == 2:
        return positions * (table[1] - table[0]) + table[0]
    return table[positions]


@cache
def _module_class() -> Any:
    import torch

    class Fitted(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        """One estimator."""

        def __init__(self, answer: Answer | None, classes: Any, columns: Columns, constants: Mapping[str, Any]) -> None:
            super().__init__()
            self.answers_by = answer
            self.classes = None if classes is None else np.asarray(classes)
            self.columns = columns
            for name, value in constants.items():
                if isinstance(value, np.ndarray | np.number | np.bool_):
                    self.register_buffer(name, _buffer(value))
                elif isinstance(value, list | tuple) and value and all(isinstance(v, torch.nn.Module) for v in value):
                    setattr(self, name, torch.nn.ModuleList(value))
                else:
                    setattr(self, name, value)

        def answers(self, x: torch.Tensor) -> Answers:
            """Everything that the estimator answers to rows, by kind."""
            if self.answers_by is None:
                raise TypeError("a module of constants answers nothing")
            return self.answers_by(self, x)

    return Fitted


def _buffer(value: Any) -> torch.Tensor:
    import torch

    array = np.asarray(value)
    if array.dtype.kind == "f":
        # Beyond float32 lie thresholds that no float32 exceeds: infinity says the same.
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    return torch.from_numpy(np.array(array, order="C"))
