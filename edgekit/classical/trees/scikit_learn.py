"""scikit-learn's trees, and forests of them that average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import functional, torch
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees.forest import forest, leaf_values, summed
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array


def tree_of(estimator: Any, value: Array | None = None, features: Array | None = None, *, missing: bool) -> Tree:
    """A fitted tree of scikit-learn.

    Args:
        estimator: the tree.
        value: what its leaves hold, shape [nodes, outputs]; None: what the tree itself answers.
        features: the columns of the rows that it sees; None: all.
        missing: whether rows may hold NaN.
    """
    own = estimator.tree_
    splits = own.children_left >= 0
    feature = np.where(splits, own.feature, -1)
    if features is not None:
        feature = np.where(splits, np.asarray(features)[feature], -1)
    return Tree(
        feature,
        own.threshold,
        own.children_left,
        own.children_right,
        answers_of(estimator) if value is None else value,
        own.missing_go_to_left.astype(bool) if missing else None,
    )


def answers_of(estimator: Any) -> Array:
    """What each node of a tree answers: the classes' shares, or the outputs; shape [nodes, answers]."""
    one_label(estimator)
    value: Array = estimator.tree_.value
    return value[:, 0] if hasattr(estimator, "classes_") else value[:, :, 0]


def one_label(estimator: Any) -> None:
    """Refuse classifiers of several labels a row.

    Raises:
        ConversionError: this is one.
    """
    if hasattr(estimator, "classes_") and estimator.n_outputs_ > 1:
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, f"it answers {estimator.n_outputs_} labels a row", "fit one classifier a label")


def accepts_nan(estimator: Any) -> bool:
    """Whether rows may hold NaN."""
    return bool(estimator.__sklearn_tags__().input_tags.allow_nan)


def of_trees(estimator: Any) -> list[Any]:
    """The trees of an ensemble of nothing but scikit-learn's trees; none where there are others."""
    parts = list(estimator.estimators_)
    own = all(type(part).__module__.startswith("sklearn.tree.") and hasattr(part, "tree_") for part in parts)
    return parts if own else []


@rule("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor", shifts=True)
def decision_tree(estimator: Any, context: Context) -> Any:
    """``tree_.value`` of the leaf: the classes' shares, or the outputs.

    Raises:
        ConversionError: it answers several labels a row.
    """
    return averaged(estimator, [tree_of(estimator, missing=accepts_nan(estimator))], 1, context)


@rule("ExtraTreesClassifier", "ExtraTreesRegressor", "RandomForestClassifier", "RandomForestRegressor", shifts=True)
def random_forest(estimator: Any, context: Context) -> Any:
    """The mean over the trees: ``ForestClassifier.predict_proba``, ``ForestRegressor.predict``.

    Raises:
        ConversionError: it answers several labels a row.
    """
    one_label(estimator)
    missing = accepts_nan(estimator)
    trees = [tree_of(part, missing=missing) for part in estimator.estimators_]
    return averaged(estimator, trees, len(trees), context)


def averaged(estimator: Any, trees: list[Tree], count: int, context: Context) -> Any:
    """A classifier or regressor that divides the trees' sum by their number; the first maximum is the label.

    The sums of shares are compared, undivided: of trees that are grown out they are whole, and ties stay ties.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is not None and len(classes) == 2:
        second = [replace(tree, value=tree.value[:, 1:]) for tree in trees]
        return fitted(_voted_on, classes=classes, trees=forest(second, context.before), count=float(count))
    parts = {"trees": forest(trees, context.before), "count": float(count)}
    if classes is not None:
        return fitted(_voted, classes=classes, **parts)
    return fitted(_averaged, single=trees[0].value.shape[1] == 1, **parts)


def _voted(model: Any, x: Any) -> Answers:
    votes = summed(model.trees, x)
    return {"label": torch.argmax(votes, dim=1), "probabilities": votes / model.count}


def _voted_on(model: Any, x: Any) -> Answers:
    """Of two classes: the second one's votes tell the first one's."""
    votes = summed(model.trees, x)
    label = (votes[:, 0] * 2 > model.count).to(torch.int64)
    return {"label": label, "probabilities": torch.cat([model.count - votes, votes], dim=1) / model.count}


def _averaged(model: Any, x: Any) -> Answers:
    mean = summed(model.trees, x) / model.count
    return {"prediction": mean[:, 0] if model.single else mean}


@rule("RandomTreesEmbedding", shifts=True)
def random_trees_embedding(estimator: Any, context: Context) -> Any:
    """One output a leaf, 1 for those that the row falls into: ``one_hot_encoder_`` of ``apply``."""
    trees, owners, start = [], [], 0
    for index, (part, leaves) in enumerate(
        zip(estimator.estimators_, estimator.one_hot_encoder_.categories_, strict=True)
    ):
        column = np.full((part.tree_.node_count, 1), -1.0)  # of each leaf that the encoder knows
        column[np.asarray(leaves, np.int64), 0] = start + np.arange(len(leaves))
        trees.append(tree_of(part, column, missing=accepts_nan(estimator)))
        owners += [index] * len(leaves)
        start += len(leaves)
    owner = np.asarray(owners, np.int32)
    return fitted(_embedded, trees=forest(trees, context.before), owner=owner, own=np.arange(start, dtype=np.float64))


def _embedded(model: Any, x: Any) -> Answers:
    columns = leaf_values(model.trees, x)[:, :, 0]
    # Each output's tree's column: rows of the transposed are what `embedding` looks up.
    found = functional.embedding(model.owner, columns.transpose(0, 1)).transpose(0, 1)
    return {"transformed": (found == model.own).to(x.dtype)}
