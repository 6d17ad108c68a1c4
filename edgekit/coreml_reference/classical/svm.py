"""Support vector machines: ``SupportVectorClassifier`` and ``SupportVectorRegressor`` of Apple's SVM.proto.

Coefficients, decisions and probabilities are laid out and coupled as in libsvm.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from edgekit.coreml_reference.classical import links
from edgekit.coreml_reference.classical.columns import Columns, matrix, wanted
from edgekit.coreml_reference.classical.labels import classified, require_labels
from edgekit.coreml_reference.classical.registry import Interface, Stage, kind
from edgekit.coreml_reference.messages import Message
from edgekit.errors import InputError, UnsupportedError
from edgekit.signature import Array

_ASKED = "read the support vector machine"
# Rows [n, features] and vectors [m, features] to [n, m].
KernelFunction = Callable[[Array, Array], Array]
# How many differences are held at once: bounds the memory of a batch.
_DIFFERENCES = 1 << 22
# libsvm keeps pairwise probabilities away from zero and one.
_LEAST = 1e-7


def _vectors(message: Message) -> Array:
    """The support vectors, dense: [vectors, features]."""
    which = message.WhichOneof("supportVectors")
    if which == "denseSupportVectors":
        rows = [np.array(one.values, np.float64) for one in message.denseSupportVectors.vectors]
        if len({len(row) for row in rows}) > 1:
            raise InputError(_ASKED, "its support vectors differ in length", "convert the model again")
        return np.stack(rows) if rows else np.zeros((0, 0))
    sparse = message.sparseSupportVectors.vectors
    width = max((node.index for one in sparse for node in one.nodes), default=0)
    dense = np.zeros((len(sparse), width))
    for row, one in enumerate(sparse):
        for node in one.nodes:
            if node.index < 1:
                raise InputError(_ASKED, "an index of a sparse vector is below 1", "convert the model again")
            dense[row, node.index - 1] = node.value
    return dense


def _kernel(message: Message) -> KernelFunction:
    """The kernel function in a ``Kernel`` message.

    Raises:
        UnsupportedError: there is none that is known here.
    """
    which = message.WhichOneof("kernel")
    one = getattr(message, which) if which else None
    if one is None:
        raise UnsupportedError(_ASKED, "it has no kernel that is known here", "update edgekit")
    if which == "linearKernel":
        return lambda rows, vectors: rows @ vectors.T
    if which == "rbfKernel":
        return lambda rows, vectors: np.exp(-one.gamma * distances(rows, vectors))
    if which == "polyKernel":
        return lambda rows, vectors: (one.gamma * (rows @ vectors.T) + one.c) ** int(one.degree)
    return lambda rows, vectors: np.tanh(one.gamma * (rows @ vectors.T) + one.c)


def distances(rows: Array, vectors: Array) -> Array:
    """Squared Euclidean distances [rows, vectors], from differences: sums of squares would lose their digits."""
    step = max(1, _DIFFERENCES // max(1, vectors.size))
    parts = [
        ((rows[first : first + step, None, :] - vectors[None]) ** 2).sum(axis=-1) for first in range(0, len(rows), step)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, len(vectors)))


def _reader(message: Message, interface: Interface) -> Callable[[Columns], Array]:
    """From columns to kernel values [rows, vectors]."""
    vectors, kernel = _vectors(message), _kernel(message.kernel)
    sparse = message.WhichOneof("supportVectors") == "sparseSupportVectors"

    def read(columns: Columns) -> Array:
        rows = matrix(interface.inputs, columns)
        if not sparse:
            return kernel(wanted(rows, vectors.shape[1]), vectors)
        # What sparse vectors do not mention is zero.
        width = max(rows.shape[1], vectors.shape[1])
        return kernel(_padded(rows, width), _padded(vectors, width))

    return read


def _padded(rows: Array, width: int) -> Array:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))


@kind("supportVectorRegressor")
def vector_regressor(message: Message, interface: Interface) -> Stage:
    """A number."""
    read = _reader(message, interface)
    alpha = np.array(message.coefficients.alpha, np.float64)
    rho = message.rho

    def run(columns: Columns) -> Columns:
        return {interface.output(interface.label).name: read(columns) @ alpha - rho}

    return run


@kind("supportVectorClassifier")
def vector_classifier(message: Message, interface: Interface) -> Stage:
    """A label, and its probabilities where the model was trained for them."""
    labels = require_labels(message, _ASKED)
    read = _reader(message, interface)
    mixing, rho = _mixing(message, len(labels))
    a, b = np.array(message.probA, np.float64), np.array(message.probB, np.float64)
    if len(a) != len(b) or len(a) not in {0, len(rho)}:
        raise InputError(_ASKED, "its probabilities do not fit its classes", "convert the model again")

    def run(columns: Columns) -> Columns:
        decisions = read(columns) @ mixing - rho
        if not len(a):
            votes = _votes(decisions, len(labels))
            return classified(interface, labels, votes.argmax(axis=1), None)
        # libsvm's sigmoid has the opposite sign.
        pairs = links.logistic(-(decisions * a + b))
        scores = pairwise(pairs, len(labels))
        return classified(interface, labels, scores.argmax(axis=1), scores)

    return run


def _mixing(message: Message, classes: int) -> tuple[Array, Array]:
    """What kernel values are multiplied with, [vectors, pairs of classes], and what is taken off the result."""
    counts = np.array(message.numberOfSupportVectorsPerClass, np.int64)
    rho = np.array(message.rho, np.float64)
    alphas = [np.array(one.alpha, np.float64) for one in message.coefficients]
    pairs = list(combinations(range(classes), 2))
    total = counts.sum()
    if len(counts) != classes or len(rho) != len(pairs) or [len(one) for one in alphas] != [total] * (classes - 1):
        raise InputError(_ASKED, "its coefficients do not fit its classes", "convert the model again")
    ends = np.cumsum(counts)
    parts = [slice(end - count, end) for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]
    mixing = np.zeros((total, len(pairs)))
    for column, (first, second) in enumerate(pairs):
        # A vector's coefficients against the other classes stand in their order, its own class left out.
        mixing[parts[first], column] = alphas[second - 1][parts[first]]
        mixing[parts[second], column] = alphas[first][parts[second]]
    return mixing, rho


def _votes(decisions: Array, classes: int) -> Array:
    """How many pairs each class wins: [rows, classes]."""
    votes = np.zeros((len(decisions), classes), np.int64)
    for column, (first, second) in enumerate(combinations(range(classes), 2)):
        won = decisions[:, column] > 0
        votes[:, first] += won
        votes[:, second] += ~won
    return votes


def pairwise(pairs: Array, classes: int) -> Array:
    """Probabilities of classes [rows, classes] from those of pairs [rows, pairs], each the first one's.

    The second method of Wu, Lin and Weng, "Probability estimates for multi-class classification by pairwise
    coupling" (2004), with libsvm's limits.
    """
    # NaN, of a training that failed, becomes the least, as in libsvm.
    pairs = np.where(pairs > _LEAST, np.minimum(pairs, 1 - _LEAST), _LEAST)
    if classes == 2:
        return np.concatenate([pairs, 1.0 - pairs], axis=1)
    wins = np.zeros((len(pairs), classes, classes))
    for column, (first, second) in enumerate(combinations(range(classes), 2)):
        wins[:, first, second] = pairs[:, column]
        wins[:, second, first] = 1.0 - pairs[:, column]
    losses = wins.transpose(0, 2, 1)
    form = -losses * wins
    form[:, range(classes), range(classes)] = (losses**2).sum(axis=2)
    shares = np.full((len(pairs), classes), 1.0 / classes)
    active = np.arange(len(pairs))
    for _ in range(max(100, classes)):
        product = np.einsum("nij,nj->ni", form[active], shares[active])
        level = (shares[active] * product).sum(axis=1)
        unfinished = np.abs(product - level[:, None]).max(axis=1) >= 0.005 / classes
        active, product, level = active[unfinished], product[unfinished], level[unfinished]
        if not active.size:
            break
        shares[active] = _sweep(form[active], shares[active], product, level)
    return shares


def _sweep(form: Array, shares: Array, product: Array, level: Array) -> Array:
    """One pass over the classes, each brought to its optimum in turn."""
    for one in range(shares.shape[1]):
        own = form[:, one, one]
        change = (level - product[:, one]) / own
        scale = 1.0 + change
        level = (level + change * (change * own + 2.0 * product[:, one])) / scale**2
        product = (product + change[:, None] * form[:, one]) / scale[:, None]
        shares[:, one] += change
        shares = shares / scale[:, None]
    return shares
