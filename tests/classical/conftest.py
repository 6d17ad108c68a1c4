"""The same random numbers in every run, for estimators that are fitted without a seed of their own."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seeded() -> None:
    np.random.seed(0)
