"""Attention as one operation."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.lazy import array, functional, tensor
from edgekit.coreml_reference.registry import op
from edgekit.signature import Array


@op("scaled_dot_product_attention", spec="iOS18 transformers")
def scaled_dot_product_attention(query: Array, key: Array, value: Array, attn_mask: Array | None = None) -> Array:
    """``softmax(query @ key^T / sqrt(E) + mask) @ value``: [..., L, E], [..., S, E], [..., S, V] to [..., L, V].

    A mask broadcasts to [..., L, S]: what is true takes part, or numbers are added. A query that may attend to nothing
    gives NaN, as the formula does.
    """
    if attn_mask is None:
        return array(functional.scaled_dot_product_attention(tensor(query), tensor(key), tensor(value)))
    # torch wants two dimensions at least.
    mask = attn_mask if attn_mask.ndim > 1 else attn_mask.reshape(1, -1)
    result = array(functional.scaled_dot_product_attention(tensor(query), tensor(key), tensor(value), tensor(mask)))
    attends = mask if mask.dtype == np.bool_ else mask != -np.inf
    attends = attends.any(axis=-1, keepdims=True)
    if not attends.all():
        # torch gives zeros here.
        result[np.broadcast_to(~attends, (*result.shape[:-1], 1))[..., 0]] = np.nan
    return result
