from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.program import Operation
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

NAMES = ["random_bernoulli", "random_categorical", "random_normal", "random_uniform"]


def call(name: str, *args: object, seed_of_run: int = 0, **given: object) -> np.ndarray:
    def no_block(*_: Any) -> tuple[Any, ...]:
        raise AssertionError

    context = Context(Operation(name, name, {}, ()), no_block, np.random.default_rng(seed_of_run))
    return kernels()[name].call(*args, context=context, **given)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_outlasts_the_run(name: str) -> None:
    assert kernels()[name].random
    first = np.ones((2, 40), np.float32) if name == "random_categorical" else (2, 3)
    rest = {"size": 9} if name == "random_categorical" else {}
    drawn = [call(name, first, seed_of_run=run, seed=5, **rest) for run in (0, 1)]
    assert_array_equal(*drawn)
    assert not np.array_equal(*(call(name, first, seed_of_run=run, **rest) for run in (1, 2)))


def test_distributions() -> None:
    many = (20000,)
    assert call("random_bernoulli", many, prob=0.25).mean() == pytest.approx(0.25, abs=0.02)
    assert not call("random_bernoulli", many, prob=0.0).any()
    assert call("random_bernoulli", many, prob=1.0).all()
    normal = call("random_normal", many, mean=3.0, stddev=0.5)
    assert (normal.mean(), normal.std()) == (pytest.approx(3, abs=0.02), pytest.approx(0.5, abs=0.02))
    uniform = call("random_uniform", many, low=-1.0, high=3.0)
    assert (uniform.min(), uniform.max()) == (pytest.approx(-1, abs=0.01), pytest.approx(3, abs=0.01))
    assert_array_equal(call("random_uniform", (3,), low=2.0, high=2.0), [2, 2, 2])


@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_categorical_draws_by_weight(mode: str) -> None:
    wanted = np.array([[[0.7, 0.0, 0.3], [0.0, 1.0, 0.0]]])
    with np.errstate(divide="ignore"):
        x = np.log(wanted) + 50 if mode == "logits" else wanted * 4
    drawn = call("random_categorical", x.astype(np.float32), mode=mode, size=20000)
    assert drawn.shape == (1, 2, 20000)
    counts = [np.bincount(row, minlength=3) / 20000 for row in drawn[0]]
    assert_allclose(counts, wanted[0], atol=0.02)
    with pytest.raises(UnsupportedError, match="odds"):
        call("random_categorical", x, mode="odds")
