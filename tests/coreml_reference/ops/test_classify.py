from __future__ import annotations

import numpy as np
import pytest

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError


@pytest.mark.parametrize("labels", [["cat", "dog", "bird"], [7, -1, 3]])
def test_the_likeliest_label_and_every_probability(labels: list[str] | list[int]) -> None:
    classes = [np.array(one, object if isinstance(one, str) else np.int64) for one in labels]
    label, probabilities = kernels()["classify"].call(np.array([[0.25, 0.5, 0.25]], np.float32), classes)
    assert label == labels[1]
    assert type(label) is type(labels[1])
    assert probabilities == dict(zip(labels, [0.25, 0.5, 0.25], strict=True))


def test_as_many_labels_as_probabilities() -> None:
    with pytest.raises(ExecutionError, match="2 probabilities for 1 labels"):
        kernels()["classify"].call(np.zeros(2, np.float32), [np.array("a", object)])
