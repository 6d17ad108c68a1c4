"""Class labels, and the two outputs of a classifier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.coreml_reference.classical.columns import Columns
from edgekit.coreml_reference.classical.registry import Interface
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError
from edgekit.signature import Array

Labels = tuple["int | str", ...]


def read_labels(message: Message) -> Labels:
    """The labels in a classifier's message, in the order of its classes; none where it has none."""
    which = message.WhichOneof("ClassLabels")
    return tuple(getattr(message, which).vector) if which else ()


def require_labels(message: Message, asked: str) -> Labels:
    """The labels in a classifier's message.

    Raises:
        InputError: it has fewer than two.
    """
    labels = read_labels(message)
    if len(labels) < 2:
        raise InputError(asked, f"it has {len(labels)} class labels", "convert the model again")
    return labels


def classified(interface: Interface, labels: Sequence[int | str], chosen: Array, scores: Array | None) -> Columns:
    """A classifier's outputs.

    Args:
        interface: names them.
        labels: by class.
        chosen: int [rows], the predicted classes.
        scores: [rows, classes], where there are probabilities.

    Raises:
        InputError: probabilities are declared, and the model has none.
    """
    picked = [labels[one] for one in chosen.tolist()]
    outputs: Columns = {}
    if interface.label:
        outputs[interface.label] = picked if isinstance(labels[0], str) else np.array(picked, np.int64)
    if interface.probabilities:
        if scores is None:
            raise InputError(
                f"give {interface.probabilities!r}", "the model has nothing to compute probabilities from", ""
            )
        outputs[interface.probabilities] = [dict(zip(labels, row, strict=True)) for row in scores.tolist()]
    return outputs
