"""Which tensor of a model file is which of the original's.

Two sequences in order of execution are aligned so that the sum of the pairs' scores is largest (the alignment of
Needleman and Wunsch, without a price for gaps: converters fuse layers and take others apart). A pair's score is how
alike the values are, and more where names or operations agree: so a layer that departs still finds its counterpart
between its neighbours, and its error is shown instead of matched away.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from edgekit.signature import Array
from edgekit.verify.layers.layout import Axes, Shape, agreement, orders, probe, squeezed
from edgekit.verify.layers.tap import Tensor

# A pair of the same values scores most; the power makes one exact pair worth more than several vague ones.
_SHARPNESS = 8
_LAST_DIGITS = 0.6
_SAME_NAME = 0.5
_SAME_KIND = 0.15
_SAME_OUTPUT = 4.0
# Values this alike (about 40 dB) are the same tensor wherever it stands.
_EXACT = 0.995
_CHANCE = 0.05

# Operations of one kind by a word in their names, the first that fits.
_KINDS = (
    ("conv", ("conv",)),
    ("matmul", ("matmul", "mat_mul", "gemm", "linear", "addmm", "fully_connected", "einsum", "_mm", "bmm", "dense")),
    ("softmax", ("softmax",)),
    ("sigmoid", ("sigmoid", "logistic")),
    ("gelu", ("gelu",)),
    ("clip", ("relu6", "clip", "hardtanh", "clamp", "minimum")),
    ("relu", ("relu",)),
    ("norm", ("norm",)),
    ("pool", ("pool", "mean")),
    ("concat", ("concat", "cat")),
    ("resize", ("resize", "upsample", "interpolate")),
    ("transpose", ("transpose", "permute")),
    ("tanh", ("tanh",)),
    ("add", ("add",)),
    ("mul", ("mul",)),
    ("sub", ("sub",)),
    ("div", ("div", "realdiv")),
)


@dataclass(frozen=True)
class Probed:
    """A tensor as it was in the first run: what it is, and enough of its values to know it again.

    Attributes:
        tensor: what it is.
        shape: its shape.
        values: probes by the order of axes in which they were taken; the original's under ``None``.
    """

    tensor: Tensor
    shape: Shape
    values: dict[Axes | None, Array] = field(repr=False)

    @property
    def size(self) -> int:
        """Its number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Pair:
    """A match: indices on both sides, the order of the artifact's axes, and what spoke for it."""

    original: int
    artifact: int
    order: Axes
    by: str
    alike: float


def probe_original(tensor: Tensor, array: Array) -> Probed:
    """A tensor of the original's."""
    return Probed(tensor, array.shape, {None: probe(array)})


def probe_artifact(tensor: Tensor, array: Array, shapes: dict[int, set[Shape]]) -> Probed:
    """A tensor of the artifact's, probed in every order that one of the original's shapes of its size asks for."""
    asked = {order for shape in shapes.get(array.size, ()) for order in orders(shape, array.shape)}
    return Probed(tensor, array.shape, {order: probe(array, order) for order in asked})


def match(originals: list[Probed], artifacts: list[Probed]) -> list[Pair]:
    """The pairs, in the artifact's order."""
    score, alike, order = _scores(originals, artifacts)
    chosen = _aligned(score)
    chosen |= _elsewhere(alike, chosen)
    return [
        Pair(i, j, order[i, j], _by(originals[i], artifacts[j], crossing=i in chosen.crossing), float(alike[i, j]))
        for j, i in sorted(chosen.pairs.items())
    ]


@dataclass
class _Chosen:
    """Original by artifact, and which of the originals were found out of order."""

    pairs: dict[int, int]
    crossing: frozenset[int] = frozenset()

    def __or__(self, other: _Chosen) -> _Chosen:
        return _Chosen({**self.pairs, **other.pairs}, self.crossing | other.crossing)


def _scores(originals: list[Probed], artifacts: list[Probed]) -> tuple[Array, Array, dict[tuple[int, int], Axes]]:
    """Of every possible pair the score, the agreement of the values and the best order; a score of 0 is no pair."""
    score = np.zeros((len(originals), len(artifacts)), np.float32)
    alike = np.zeros_like(score)
    order: dict[tuple[int, int], Axes] = {}
    groups: dict[Shape, list[int]] = {}
    for i, one in enumerate(originals):
        groups.setdefault(one.shape, []).append(i)
    stacks = {shape: np.stack([originals[i].values[None] for i in rows]) for shape, rows in groups.items()}
    for j, artifact in enumerate(artifacts):
        for shape, rows in groups.items():
            for axes in orders(shape, artifact.shape):
                found = agreement(artifact.values[axes], stacks[shape])
                for i, value in zip(rows, found.tolist(), strict=True):
                    # Of orders that serve alike, the first: nothing turned. Between tensors that have little in common
                    # chance alone may favour another.
                    margin = 1e-9 if value > _EXACT else _CHANCE
                    if (i, j) not in order or value > alike[i, j] + margin:
                        alike[i, j], order[i, j] = value, axes
    for i, j in order:
        score[i, j] = 1e-4 + _closeness(float(alike[i, j])) + _bonus(originals[i].tensor, artifacts[j].tensor)
    return score, alike, order


def _closeness(alike: float) -> float:
    """What the values say: mostly how alike they are; of pairs that all are, which one is so to the last digit.

    A batch normalization that changes next to nothing must not be taken for the convolution before it.
    """
    digits = -20 * math.log10(max(2 * (1 - alike), 1e-6))
    return float(alike**_SHARPNESS) + _LAST_DIGITS * max(0.0, digits) / 120


def _bonus(original: Tensor, artifact: Tensor) -> float:
    if original.output or artifact.output:
        # An output is an output of that name, and never an inner tensor that happens to be like it.
        return _SAME_OUTPUT if original.output == artifact.output else 0.0
    bonus = _SAME_KIND if kind(original.op) == kind(artifact.op) else 0.0
    return bonus + (_SAME_NAME if original.names & artifact.names else 0.0)


def kind(op: str) -> str:
    """What an operation does, whatever its framework calls it."""
    plain = re.sub(r"[^a-z0-9_]", "_", op.lower().removeprefix("aten."))
    for name, words in _KINDS:
        if any(word in plain for word in words):
            return name
    return plain


def _aligned(score: Array) -> _Chosen:
    """The best alignment that keeps both orders."""
    rows, columns = score.shape
    best = np.zeros((rows + 1, columns + 1), np.float64)
    for i in range(rows):
        taken = best[i, :-1] + np.where(score[i] > 0, score[i], -np.inf)
        best[i + 1, 1:] = np.maximum.accumulate(np.maximum(best[i, 1:], taken))
    pairs: dict[int, int] = {}
    i, j = rows, columns
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs[j] = i
    return _Chosen(pairs)


def _elsewhere(alike: Array, chosen: _Chosen) -> _Chosen:
    """What is the same beyond doubt and was left over, because a converter changed the order of two branches."""
    free_rows = set(range(alike.shape[0])) - set(chosen.pairs.values())
    found: dict[int, int] = {}
    for j in range(alike.shape[1]):
        if j in chosen.pairs or not free_rows:
            continue
        i = max(free_rows, key=lambda row: float(alike[row, j]))
        if alike[i, j] > _EXACT:
            found[j] = i
            free_rows.discard(i)
    return _Chosen(found, frozenset(found.values()))


def _by(original: Probed, artifact: Probed, *, crossing: bool) -> str:
    named = original.tensor.names & artifact.tensor.names
    if named or (original.tensor.output and original.tensor.output == artifact.tensor.output):
        return "name"
    if crossing:
        return "values"
    same = sorted(squeezed(original.shape)) == sorted(squeezed(artifact.shape))
    return "order + shape" if same else "order + size"
