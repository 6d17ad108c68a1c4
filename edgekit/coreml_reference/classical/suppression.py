"""Non-maximum suppression of boxes: ``NonMaximumSuppression`` of Apple's NonMaximumSuppression.proto."""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.classical.columns import Columns
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.features import Feature
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError
from edgekit.signature import Array


@kind("nonMaximumSuppression")
def suppression(message: Message, interface: Interface) -> Stage:
    """The boxes of highest confidence, without those that overlap a better one."""
    features = {feature.name: feature for feature in (*interface.inputs, *interface.outputs)}
    names = (message.confidenceInputFeatureName, message.coordinatesInputFeatureName)
    outputs = (message.confidenceOutputFeatureName, message.coordinatesOutputFeatureName)
    for name in (*names, *outputs):
        if name not in features:
            raise InputError("read the suppression of boxes", f"it has no feature {name!r}", "convert the model again")
    least, most = _rows(features[outputs[0]], features[outputs[1]])
    per_class = message.pickTop.perClass

    def run(columns: Columns) -> Columns:
        overlap = _threshold(columns, message.iouThresholdInputFeatureName, message.iouThreshold)
        low = _threshold(columns, message.confidenceThresholdInputFeatureName, message.confidenceThreshold)
        results: tuple[list[Array], list[Array]] = ([], [])
        for row in range(len(columns[names[0]])):
            confidence, boxes = (np.asarray(columns[name][row], np.float64) for name in names)
            kept = keep(confidence, boxes, overlap[row % len(overlap)], low[row % len(low)], per_class=per_class)[:most]
            for result, values in zip(results, (confidence, boxes), strict=True):
                padding = max(0, least - len(kept))
                result.append(np.pad(values[kept], ((0, padding), (0, 0))))
        return {name: _column(result) for name, result in zip(outputs, results, strict=True)}

    return run


def keep(confidence: Array, boxes: Array, overlap: float, low: float, *, per_class: bool) -> Array:
    """The boxes that stay, best first.

    Args:
        confidence: [boxes, classes].
        boxes: [boxes, 4], centre x, centre y, width, height.
        overlap: boxes whose intersection over union with a better one is above are dropped.
        low: boxes whose highest confidence is below are dropped.
        per_class: boxes of different classes do not drop each other.
    """
    best, group = confidence.max(axis=1), confidence.argmax(axis=1)
    order = np.argsort(-best, kind="stable")
    order = order[best[order] >= low]
    half = boxes[:, 2:] / 2
    corners = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
    kept: list[int] = []
    while order.size:
        top, order = int(order[0]), order[1:]
        kept.append(top)
        dropped = _overlaps(corners[top], corners[order]) > overlap
        if per_class:
            dropped &= group[order] == group[top]
        order = order[~dropped]
    return np.array(kept, np.int64)


def _overlaps(one: Array, others: Array) -> Array:
    """Intersection over union of a box with others, by corners."""
    sides = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    common = np.clip(sides, 0, None).prod(axis=1)
    union = (one[2:] - one[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - common
    ratio: Array = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ratio


def _rows(*features: Feature) -> tuple[int, int | None]:
    """How many boxes must and may come out, as the outputs' shapes say."""
    for feature in features:
        if feature.ranges:
            return feature.ranges[0]
        if feature.shape:
            return feature.shape[0], feature.shape[0]
    return 0, None


def _threshold(columns: Columns, name: str, default: float) -> list[float]:
    """A threshold for each row; NaN stands for an input that was left out."""
    if name not in columns:
        return [default]
    given = np.asarray(columns[name], np.float64)
    listed: list[float] = np.where(np.isnan(given), default, given).tolist()
    return listed


def _column(rows: list[Array]) -> Array | list[Array]:
    return np.stack(rows) if len({row.shape for row in rows}) == 1 else rows
