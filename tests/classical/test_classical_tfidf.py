"""TF-IDF of counts."""

import numpy as np
import pytest
from agreement import assert_agrees
from sklearn.feature_extraction.text import TfidfTransformer


@pytest.mark.parametrize("norm", ["l1", "l2", None])
@pytest.mark.parametrize("sublinear", [False, True])
@pytest.mark.parametrize("use_idf", [False, True])
def test_weights_of_counts(norm: str | None, sublinear: bool, use_idf: bool) -> None:
    counts = np.random.default_rng(0).poisson(0.7, (60, 12)).astype(np.float64)
    counts[3] = 0
    counts[4] = 1e18
    estimator = TfidfTransformer(norm=norm, sublinear_tf=sublinear, use_idf=use_idf).fit(counts)
    assert_agrees(estimator, counts, "transformed")
