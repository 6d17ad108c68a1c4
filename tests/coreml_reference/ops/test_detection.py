"""Non-maximum suppression: literal boxes, and what must hold of any result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.coreml_reference.registry import kernels

# Two that overlap by a third of their union, and one apart; centres and sizes.
BOXES = np.array([[[1, 1, 2, 2], [2, 1, 2, 2], [9, 9, 2, 2]]], np.float32)
SCORES = np.array([[[0.1, 0.6], [0.9, 0.1], [0.3, 0.2]]], np.float32)


def call(**parameters: Any) -> Any:
    return kernels()["non_maximum_suppression"].call(**parameters)


@pytest.mark.parametrize(
    ("iou", "score", "per_class", "wanted"),
    [
        (0.3, 0.0, False, [1, 2, -1]),
        (0.4, 0.0, False, [1, 0, 2]),
        # The first two are of different classes.
        (0.3, 0.0, True, [1, 0, 2]),
        (0.4, 0.5, False, [1, 0, -1]),
        # One is returned even where none scores enough.
        (0.4, 2.0, False, [1, -1, -1]),
    ],
)
def test_which_boxes_stay(iou: float, score: float, per_class: bool, wanted: list[int]) -> None:
    boxes, scores, indices, counts = call(
        boxes=BOXES,
        scores=SCORES,
        iou_threshold=iou,
        score_threshold=score,
        max_boxes=3,
        per_class_suppression=per_class,
    )
    np.testing.assert_array_equal(indices, [wanted])
    found = [one for one in wanted if one >= 0]
    assert counts.tolist() == [len(found)]
    np.testing.assert_array_equal(boxes[0, : len(found)], BOXES[0, found])
    np.testing.assert_array_equal(scores[0, : len(found)], SCORES[0, found])
    assert not boxes[0, len(found) :].any()


def test_ios17_has_boxes_last() -> None:
    boxes, scores, indices = call(
        boxes=BOXES.transpose(0, 2, 1), scores=SCORES.transpose(0, 2, 1), iou_threshold=0.3, max_boxes=2
    )
    np.testing.assert_array_equal(indices, [[1, 2]])
    np.testing.assert_array_equal(boxes[0].T, BOXES[0, [1, 2]])
    np.testing.assert_array_equal(scores[0].T, SCORES[0, [1, 2]])


def overlap(one: Any, other: Any) -> Any:
    low = [max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2) for axis in (0, 1)]
    high = [min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2) for axis in (0, 1)]
    shared = max(0.0, high[0] - low[0]) * max(0.0, high[1] - low[1])
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


@pytest.mark.parametrize("per_class", [False, True])
def test_as_one_box_after_another(per_class: bool) -> None:
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.uniform(0, 50, (1, 150, 2)), random.uniform(5, 20, (1, 150, 2))], 2)
    scores = random.uniform(0, 1, (1, 150, 3))
    kept: list[int] = []
    for number in np.argsort(-scores[0].max(1)):
        rivals = [one for one in kept if not per_class or scores[0, one].argmax() == scores[0, number].argmax()]
        if all(overlap(boxes[0, one], boxes[0, number]) <= 0.35 for one in rivals):
            kept.append(number)
    _, _, indices, counts = call(
        boxes=boxes,
        scores=scores,
        iou_threshold=0.35,
        score_threshold=0.0,
        max_boxes=150,
        per_class_suppression=per_class,
    )
    np.testing.assert_array_equal(indices[0, : counts[0]], kept)


def test_ten_thousand_boxes() -> None:
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.uniform(0, 640, (1, 2, 10000)), random.uniform(1, 9, (1, 2, 10000))], 1)
    scores = random.uniform(0, 1, (1, 80, 10000))
    _, _, indices = call(boxes=boxes, scores=scores, iou_threshold=0.5, max_boxes=1000)
    assert len(set(indices[0].tolist())) == 1000
