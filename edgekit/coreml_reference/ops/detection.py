"""Operations on the boxes that a detector finds."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.registry import op
from edgekit.signature import Array

# Boxes that are compared with all others at once.
_BLOCK = 64


@op("non_maximum_suppression", spec="iOS17 tensor_operation")
def non_maximum_suppression(
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    max_boxes: int,
    score_threshold: float | None = None,
    *,
    per_class_suppression: bool = False,
) -> tuple[Array, ...]:
    """The best boxes of each batch entry, without those that overlap a better one.

    A box has the score of its best class. What is left of ``max_boxes`` is padded: zeros, and -1 for indices.

    Up to iOS 16 (with a ``score_threshold``) boxes are [n, B, 4] and scores [n, B, K], and the number of boxes found is
    the fourth output. From iOS 17 on they are [n, 4, B] and [n, K, B].
    """
    if score_threshold is None:
        boxes, scores = boxes.transpose(0, 2, 1), scores.transpose(0, 2, 1)
    n, _, classes = scores.shape
    chosen_boxes = np.zeros((n, max_boxes, 4), boxes.dtype)
    chosen_scores = np.zeros((n, max_boxes, classes), scores.dtype)
    chosen = np.full((n, max_boxes), -1, np.int32)
    counts = np.zeros(n, np.int32)
    for entry in range(n):
        best = scores[entry].max(axis=1)
        order = np.argsort(-best, kind="stable")
        if score_threshold is not None:
            # One box is returned in any case.
            order = order[best[order] >= score_threshold] if (best >= score_threshold).any() else order[:1]
        groups = scores[entry].argmax(axis=1) if per_class_suppression else np.zeros(len(best), np.int64)
        found = _suppress(boxes[entry], groups, order, iou_threshold, max_boxes)
        counts[entry] = count = len(found)
        chosen_boxes[entry, :count] = boxes[entry, found]
        chosen_scores[entry, :count] = scores[entry, found]
        chosen[entry, :count] = found
    if score_threshold is None:
        return chosen_boxes.transpose(0, 2, 1), chosen_scores.transpose(0, 2, 1), chosen
    return chosen_boxes, chosen_scores, chosen, counts


def _suppress(boxes: Array, groups: Array, order: Array, threshold: float, most: int) -> Array:
    """Those of the boxes [B, 4] in ``order`` that overlap none before them of their group, at most so many."""
    found: list[int] = []
    while order.size and len(found) < most:
        # Some at a time: one at a time is slow, and all pairs of ten thousand boxes would fill the memory.
        block, order = order[:_BLOCK], order[_BLOCK:]
        overlaps = _overlap(boxes, groups, block, block, threshold)
        stays = np.ones(len(block), np.bool_)
        for number in range(len(block)):
            if stays[number]:
                stays[number + 1 :] &= ~overlaps[number, number + 1 :]
        best = block[stays]
        found += best.tolist()
        order = order[~_overlap(boxes, groups, best, order, threshold).any(axis=0)]
    return np.array(found[:most], np.int64)


def _overlap(boxes: Array, groups: Array, some: Array, others: Array, threshold: float) -> Array:
    """Whether each of some boxes [S] and each of others [O] overlap by more than the threshold: [S, O]."""
    one, other = boxes[some].T[:, :, None], boxes[others].T[:, None, :]
    shared: Array = np.ones((), boxes.dtype)
    for axis in (0, 1):
        size, other_size = one[axis + 2], other[axis + 2]
        side = np.minimum(one[axis] + size / 2, other[axis] + other_size / 2)
        side -= np.maximum(one[axis] - size / 2, other[axis] - other_size / 2)
        shared = shared * np.maximum(side, 0, out=side)
    union = one[2] * one[3] + other[2] * other[3]
    union -= shared
    # Compared without a division: two empty boxes have no ratio, and do not overlap.
    result: Array = (shared > threshold * union) & (groups[some, None] == groups[others])
    return result
