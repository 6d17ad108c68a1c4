"""Attention against its formula in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.coreml_reference.registry import kernels
from edgekit.signature import Array

pytest.importorskip("torch")

RANDOM = np.random.default_rng(5)


def attend(query: Array, key: Array, value: Array, mask: Array | None) -> Array:
    added = mask if mask is None or mask.dtype != np.bool_ else np.where(mask, 0.0, -np.inf)
    scores = query.astype(np.float64) @ np.swapaxes(key, -1, -2) / np.sqrt(query.shape[-1])
    scores = scores if added is None else scores + added
    with np.errstate(invalid="ignore"):
        weights = np.exp(scores - scores.max(-1, keepdims=True))
    result: Array = weights / weights.sum(-1, keepdims=True) @ value
    return result


MASKS = {
    "none": None,
    "vector": np.array([True, False, True, True, False]),
    "added vector": np.float32([0.0, -np.inf, 1.5, -1.0, 0.5]),
    "matrix": np.tri(3, 5, 2, dtype=np.bool_),
    "added heads": RANDOM.normal(size=(4, 1, 5)).astype(np.float32),
    "batch": RANDOM.random((2, 1, 1, 5)) > -1,
    "everything": RANDOM.normal(size=(2, 4, 3, 5)).astype(np.float32),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks_of_every_form(mask: Array | None) -> None:
    query, key = (RANDOM.normal(size=(2, 4, size, 6)).astype(np.float32) for size in (3, 5))
    value = RANDOM.normal(size=(2, 4, 5, 7)).astype(np.float32)
    found = kernels()["scaled_dot_product_attention"].call(query=query, key=key, value=value, attn_mask=mask)
    np.testing.assert_allclose(found, attend(query, key, value, mask), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rank", [3, 5])
def test_any_rank(rank: int) -> None:
    shape = (2, 3, 4)[: rank - 2]
    query, key, value = (RANDOM.normal(size=(*shape, 4, 6)).astype(np.float32) for _ in range(3))
    mask = np.tri(4, dtype=np.bool_)
    found = kernels()["scaled_dot_product_attention"].call(query=query, key=key, value=value, attn_mask=mask)
    np.testing.assert_allclose(found, attend(query, key, value, mask), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mask", [np.array([[True], [False]]), np.float32([[0], [-np.inf]])], ids=["bool", "added"])
def test_a_query_that_attends_to_nothing_gives_what_the_formula_gives(mask: Array) -> None:
    one = np.ones((1, 2, 2), np.float32)
    found = kernels()["scaled_dot_product_attention"].call(
        query=one, key=one, value=one, attn_mask=np.broadcast_to(mask, (2, 2))
    )
    np.testing.assert_array_equal(found, [[[1, 1], [np.nan, np.nan]]])
