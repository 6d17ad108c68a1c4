"""LightGBM: boosted trees (gbdt, dart, rf), read from the model's own text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees.boosted_trees import classifying, predicting, refuse_before, summed_trees
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Each objective's link from margins to answers: `ConvertOutput` in LightGBM's src/objective.
_LINKS = {
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "softplus",
    "custom": "identity",
    "fair": "identity",
    "gamma": "exponential",
    "huber": "identity",
    "lambdarank": "identity",
    "mape": "identity",
    "multiclass": "softmax",
    "multiclassova": "sigmoid",
    "none": "identity",
    "poisson": "exponential",
    "quantile": "identity",
    "rank_xendcg": "identity",
    "regression": "identity",
    "regression_l1": "identity",
    "tweedie": "exponential",
}
# `kZeroThreshold`: what is no further from zero is zero. A float32.
_ZERO = float(np.float32(1e-35))
# The bits of a node's `decision_type`, and its missing types.
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO = 0, 1
# Settings of prediction that stop in mid-way.
_STOPPING = ("pred_early_stop", "predict_early_stop")


@dataclass(frozen=True)
class Text:
    """A model's text: what stands before the trees, and each tree, by key."""

    head: Mapping[str, str]
    trees: tuple[Mapping[str, str], ...]

    @property
    def groups(self) -> int:
        """How many trees an iteration has."""
        return int(self.head.get("num_tree_per_iteration", self.head.get("num_class", "1")))


def parse(text: str) -> Text:
    """A model's text by its parts: ``GBDT::SaveModelToString``.

    Raises:
        ValueError: it is not whole.
    """
    before, end, _ = text.partition("\nend of trees")
    head, *blocks = before.split("\nTree=")
    if not end or not head.startswith("tree\n"):
        raise ValueError("no line 'end of trees'" if not end else "no line 'tree' at its head")
    trees = tuple(_by_key(block) for block in blocks)
    for tree in trees:
        _require_whole(tree)
    return Text(_by_key(head), trees)


def _by_key(block: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in block.splitlines())
    return {key: value for key, _, value in pairs}


def _require_whole(tree: Mapping[str, str]) -> None:
    leaves = int(tree.get("num_leaves", "0"))
    wanted = {"leaf_value": leaves}
    if leaves > 1:
        wanted |= dict.fromkeys(
            ("split_feature", "threshold", "decision_type", "left_child", "right_child"), leaves - 1
        )
    for key, count in wanted.items():
        if not leaves or len(tree.get(key, "").split()) != count:
            raise ValueError(f"a tree of {leaves} leaves with another number of entries in {key}")


@rule("LGBMModel", "LGBMRanker", "LGBMRegressor", shifts=True)
def lgbm_regressor(estimator: Any, context: Context) -> Any:
    """``LGBMModel.predict``: the iterations up to the best one, where training stopped early."""
    _require_all_iterations(estimator)
    return _model(estimator, estimator.booster_, context, classes=None)


@rule("LGBMClassifier", shifts=True)
def lgbm_classifier(estimator: Any, context: Context) -> Any:
    """``LGBMClassifier.predict`` (the first maximum), ``predict_proba`` and ``decision_function``.

    Raises:
        ConversionError: it was fitted with an objective of the user's own, of which it makes no labels.
    """
    _require_all_iterations(estimator)
    if callable(estimator.objective_):
        why = "with an objective function of its own it gives neither labels nor probabilities"
        raise ConversionError("convert an LGBMClassifier", why, "convert its booster_, which gives the raw scores")
    return _model(estimator, estimator.booster_, context, classes=np.asarray(estimator.classes_))


def booster(estimator: Any, context: Context) -> Any:
    """``Booster.predict`` of LightGBM: the iterations up to the best one, where training stopped early."""
    return _model(estimator, estimator, context, classes=None)


def _require_all_iterations(estimator: Any) -> None:
    for name in _STOPPING:
        if estimator.get_params().get(name):
            asked = f"convert a {type(estimator).__name__} with {name}"
            raise ConversionError(asked, "each row takes all trees once converted", f"set {name}=False")


def trees_of(estimator: Any) -> list[Tree]:
    """The trees by which it answers; none where it takes zeros as missing."""
    text = parse(getattr(estimator, "booster_", estimator).model_to_string())
    return [] if _zero_columns(text, estimator) else [_tree(tree, estimator) for tree in text.trees]


def _model(estimator: Any, native: Any, context: Context, *, classes: Array | None) -> Any:
    text = parse(native.model_to_string())
    link, slope = _link(text, estimator)
    trees = [_tree(tree, estimator) for tree in text.trees]
    if "average_output" in text.head:
        # A random forest's answer is of the mean, its raw scores are the sum.
        slope /= max(len(trees) // text.groups, 1)
    groups = [index % text.groups for index in range(len(trees))]
    zeros = _zero_columns(text, estimator)
    categorical = sorted({int(tree.feature[node]) for tree in trees for node in tree.categories})
    if zeros:
        refuse_before(estimator, context, "takes zeros as missing (zero_as_missing)")
    if categorical:
        refuse_before(estimator, context, "splits by categories")
    margins = summed_trees(trees, groups, np.zeros(text.groups), before=context.before, wide=True)
    reads = _reads(zeros, categorical)
    if classes is not None:
        return classifying(margins, link, classes, reads, narrow=False, slope=slope)
    return predicting(margins, link, reads, slope=slope)


def _link(text: Text, estimator: Any) -> tuple[str, float]:
    """The link, and what the margins are multiplied by before it: ``binary sigmoid:2``."""
    name, *settings = text.head.get("objective", "none").split()
    if name not in _LINKS:
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, f"edgekit does not know the objective {name}", f"one of {', '.join(_LINKS)}")
    slopes = [float(setting.partition(":")[2]) for setting in settings if setting.startswith("sigmoid:")]
    link = "square" if "sqrt" in settings and _LINKS[name] == "identity" else _LINKS[name]
    return link, slopes[0] if slopes else 1.0


def _numbers(tree: Mapping[str, str], key: str, kind: Any) -> Array:
    return np.array(tree.get(key, "").split(), kind)


def _missing_types(tree: Mapping[str, str]) -> Array:
    return (_numbers(tree, "decision_type", np.int64) >> 2) & 3


def _tree(tree: Mapping[str, str], estimator: Any) -> Tree:
    """One tree: its leaves stand behind its nodes. A child below zero is the leaf of its bits' complement.

    Raises:
        ConversionError: its leaves are linear models.
    """
    if tree.get("is_linear", "0") == "1":
        asked = f"convert a {type(estimator).__name__} with linear_tree"
        raise ConversionError(asked, "its leaves are linear models", "fit it with linear_tree=False")
    leaf = _numbers(tree, "leaf_value", np.float64)
    nodes = len(leaf) - 1
    if not nodes:
        return Tree(np.array([-1]), np.zeros(1), np.zeros(1, int), np.zeros(1, int), leaf[:, None])
    kinds = _numbers(tree, "decision_type", np.int64)
    missing = _missing_types(tree)
    threshold = _numbers(tree, "threshold", np.float64)
    categories = _node_categories(tree, kinds, threshold)
    threshold = _around_zero(threshold)
    # Where it knows no missing values, NaN is zero.
    missing_left = np.where(missing == _MISSING_NONE, threshold >= 0, (kinds & _DEFAULT_LEFT) > 0)
    missing_left[list(categories)] = False
    none, zero = np.full(len(leaf), -1), np.zeros(len(leaf))
    children = [_numbers(tree, side, np.int64) for side in ("left_child", "right_child")]
    left, right = (np.where(child < 0, nodes + ~child, child) for child in children)
    return Tree(
        feature=np.concatenate([_numbers(tree, "split_feature", np.int64), none]),
        threshold=np.concatenate([threshold, zero]),
        left=np.concatenate([left, none]),
        right=np.concatenate([right, none]),
        value=np.concatenate([np.zeros(nodes), leaf])[:, None],
        missing_left=np.concatenate([missing_left, zero > 0]),
        categories=categories,
    )


def _around_zero(threshold: Array) -> Array:
    """Thresholds for rows in which what is zero by ``kZeroThreshold`` has not become zero, as LightGBM makes it."""
    near = np.abs(threshold) <= _ZERO
    return np.where(near, np.where(threshold >= 0, _ZERO, np.nextafter(-_ZERO, -np.inf)), threshold)


def _node_categories(tree: Mapping[str, str], kinds: Array, threshold: Array) -> dict[int, frozenset[int]]:
    """The categories that go left, from bit sets of 32 numbers a word."""
    words, bounds = _numbers(tree, "cat_threshold", np.uint32), _numbers(tree, "cat_boundaries", np.int64)
    found = {}
    for node in np.flatnonzero(kinds & _CATEGORICAL):
        place = int(threshold[node])
        bits = np.unpackbits(words[bounds[place] : bounds[place + 1]].view(np.uint8), bitorder="little")
        found[int(node)] = frozenset(map(int, np.flatnonzero(bits)))
    return found


def _zero_columns(text: Text, estimator: Any) -> list[int]:
    """The columns in which zero stands for missing.

    Raises:
        ConversionError: trees differ on one, as models of two trainings may.
    """
    kinds: dict[int, set[bool]] = {}
    for tree in text.trees:
        numeric = (_numbers(tree, "decision_type", np.int64) & _CATEGORICAL) == 0
        features, zero = _numbers(tree, "split_feature", np.int64), _missing_types(tree) == _MISSING_ZERO
        for feature, one in zip(features[numeric], zero[numeric], strict=True):
            kinds.setdefault(int(feature), set()).add(bool(one))
    if any(len(both) > 1 for both in kinds.values()):
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, "zero is missing in some of its trees and not in others", "train it in one go")
    return sorted(feature for feature, zero in kinds.items() if zero == {True})


def _reads(zeros: list[int], categorical: list[int]) -> Any:
    """The module that makes of rows what the trees compare; ``None`` where it is the rows themselves."""
    if not zeros and not categorical:
        return None
    width = max(zeros + categorical) + 1

    def mask(columns: list[int]) -> Array | None:
        return np.isin(np.arange(width), columns)[None] if columns else None

    return fitted(_read, zeros=mask(zeros), categorical=mask(categorical), width=width)


def _read(model: Any, x: Any) -> Answers:
    head = x[:, : model.width]
    if model.zeros is not None:
        head = torch.where(model.zeros & (torch.abs(head) <= _ZERO), float("nan"), head)
    if model.categorical is not None:
        # Categories are numbers cut to integers, towards zero.
        whole = torch.where(head < 0, torch.ceil(head), torch.floor(head))
        head = torch.where(model.categorical, whole, head)
    return {"transformed": torch.cat([head, x[:, model.width :]], dim=1)}
