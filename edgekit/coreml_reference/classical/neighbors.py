"""Nearest neighbours: ``KNearestNeighborsClassifier`` of Apple's NearestNeighbors.proto.

A kd-tree finds the same neighbours as a list: both are searched as a list.
"""

from __future__ import annotations

import numpy as np

from edgekit.coreml_reference.classical.columns import Columns, matrix, wanted
from edgekit.coreml_reference.classical.labels import Labels, classified, read_labels
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.classical.svm import distances
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError
from edgekit.signature import Array

_ASKED = "read the nearest neighbours"


@kind("kNearestNeighborsClassifier")
def nearest_neighbors(message: Message, interface: Interface) -> Stage:
    """The label with the most votes among the nearest samples, and each label's share of them."""
    index = message.nearestNeighborsIndex
    labels = read_labels(message)
    if len(labels) != len(index.floatSamples) or message.numberOfNeighbors.defaultValue < 1:
        raise InputError(_ASKED, "its labels do not fit its samples, or it asks for no neighbour", "")
    default = message.WhichOneof("DefaultClassLabel")
    if not labels:
        if default is None:
            raise InputError(_ASKED, "it has neither samples nor a default label", "convert the model again")
        return _empty(interface, (getattr(message, default),))
    samples = np.array([one.vector for one in index.floatSamples], np.float64)
    if samples.shape != (len(labels), index.numberOfDimensions):
        raise InputError(_ASKED, "its samples differ in length", "convert the model again")
    classes: Labels = tuple(sorted(set(labels), key=lambda label: (isinstance(label, str), label)))
    owner = np.array([classes.index(label) for label in labels], np.int64)
    count = min(int(message.numberOfNeighbors.defaultValue), len(labels))
    weighted = message.WhichOneof("WeightingScheme") == "inverseDistanceWeighting"

    def run(columns: Columns) -> Columns:
        rows = wanted(matrix(interface.inputs, columns), samples.shape[1])
        away = distances(rows.astype(np.float32).astype(np.float64), samples)
        nearest = np.argsort(away, axis=1, kind="stable")[:, :count]
        weights = _weights(np.take_along_axis(away, nearest, axis=1)) if weighted else np.ones(nearest.shape)
        votes = np.zeros((len(rows), len(classes)))
        np.add.at(votes, (np.arange(len(rows))[:, None], owner[nearest]), weights)
        shares = votes / votes.sum(axis=1, keepdims=True)
        return classified(interface, classes, shares.argmax(axis=1), shares)

    return run


def _weights(away: Array) -> Array:
    """Votes by inverse distance; only samples at the very place count where there are any."""
    here = away == 0
    inverse = np.divide(1.0, away, out=np.zeros_like(away), where=~here)
    return np.where(here.any(axis=1, keepdims=True), here.astype(np.float64), inverse)


def _empty(interface: Interface, labels: Labels) -> Stage:
    """A classifier without samples: its default label."""

    def run(columns: Columns) -> Columns:
        rows = len(columns[interface.inputs[0].name])
        return classified(interface, labels, np.zeros(rows, np.int64), np.ones((rows, 1)))

    return run
