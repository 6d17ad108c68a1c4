"""The whole module of a model: the inputs of its signature in, the outputs of its signature out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.classical.fitted import Columns, looked_up
from edgekit.classical.registry import Context, build
from edgekit.errors import ConversionError
from edgekit.sources.vectorizers import Terms

if TYPE_CHECKING:
    import torch


def assemble(
    estimator: Any,
    outputs: Sequence[tuple[str, str]],
    columns: Columns,
    *,
    table: bool,
    terms: tuple[Terms | None, ...] = (),
) -> Any:
    """A torch module that takes a model's inputs by position and gives a tuple of what is asked.

    Args:
        estimator: the fitted model.
        outputs: of each output its kind (``label``, ``probabilities``, ``scores``, ``prediction``, ``transformed``,
            ``distances``) and its dtype in the signature; text is given as positions.
        columns: what the columns of the model's matrix stand for; texts come as their positions, -1 for others.
        table: whether there is one input of shape [n, 1] a column, rather than a matrix [n, columns].
        terms: of each column of texts that vectorizers read, the terms whose counts are given in its place,
            [n, terms].

    Raises:
        ConversionError: an estimator has no rule, or cannot give one of the kinds.
    """
    model = build(estimator, Context(columns=columns, terms=terms))
    return _module_class()(model, tuple(outputs), type(estimator).__name__, table=table)


@cache
def _module_class() -> Any:
    import torch

    class Classical(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        """A model between its signature's inputs and outputs."""

        def __init__(self, model: Any, outputs: tuple[tuple[str, str], ...], name: str, *, table: bool) -> None:
            super().__init__()
            self.model = model
            self.outputs = outputs
            self.table = table
            self.type_name = name
            labels = model.classes
            if labels is not None and labels.dtype.kind in "iufb":
                numbers = labels.astype(np.int64)
                # Labels that are their own positions need no table.
                if not np.array_equal(numbers, np.arange(len(numbers))):
                    self.register_buffer("labels", torch.from_numpy(numbers))

        def forward(self, *inputs: torch.Tensor) -> Any:
            x = torch.cat([one.float() for one in inputs], dim=1) if self.table else inputs[0].float()
            answers: Mapping[str, torch.Tensor] = self.model.answers(x)
            given = tuple(self._given(answers, kind, dtype) for kind, dtype in self.outputs)
            return given if len(given) > 1 else given[0]

        def _given(self, answers: Mapping[str, torch.Tensor], kind: str, dtype: str) -> torch.Tensor:
            if kind not in answers:
                has = ", ".join(answers)
                raise ConversionError(f"convert a {self.type_name}", f"its rule gives no {kind}, only {has}")
            value = answers[kind]
            if kind == "label" and hasattr(self, "labels"):
                value = looked_up(self.labels, value)
            wanted = torch.int64 if dtype == "string" else getattr(torch, dtype)
            return value if value.dtype == wanted else value.to(wanted)

    return Classical
