"""The last operation of a classifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.coreml_reference.registry import op
from edgekit.errors import ExecutionError
from edgekit.signature import Array


@op("classify", spec="iOS15 classify")
def classify(probabilities: Array, classes: Any) -> tuple[Any, dict[Any, float]]:
    """The label of the largest probability, and every label's: labels are text or integers."""
    labels = [np.asarray(one).item() for one in classes]
    values = np.asarray(probabilities).reshape(-1)
    if len(labels) != values.size:
        raise ExecutionError("classify", f"{values.size} probabilities for {len(labels)} labels")
    return labels[int(values.argmax())], dict(zip(labels, values.tolist(), strict=True))
