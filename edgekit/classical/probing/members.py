"""The trees of a fitted model that compare the columns of its own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.classical.composition.pipeline import flat_steps, rises
from edgekit.classical.trees import boosting, lightgbm, scikit_learn, xgboost
from edgekit.classical.trees.thresholds import pulled_back
from edgekit.classical.trees.tree import Tree
from edgekit.signature import Array

# What holds the fitted members of one that is none of the kinds below.
_SINGLE = ("best_estimator_", "estimator_", "regressor_", "estimator")


@dataclass(frozen=True)
class Member:
    """A tree, and how its rows follow from the model's.

    Attributes:
        tree: the tree, of the columns that it is given.
        before: fitted transformers that the rows go through before, each a rising function of each column.
        wide: whether it compares in float64 what comes out of these.
        columns: of each column that it is given, which of the model's rows it is; None: the same.
    """

    tree: Tree
    before: tuple[Any, ...] = ()
    wide: bool = False
    columns: Array | None = None

    def thresholds(self) -> Array:
        """For each node the largest float32 of a row's column that goes left; of leaves and categories 0."""
        splits = self.tree.feature >= 0
        splits[list(self.tree.categories)] = False
        found = np.zeros(len(splits), np.float32)
        found[splits] = pulled_back(self.tree.feature[splits], self.tree.threshold[splits], self.before, wide=self.wide)
        return found

    def features(self) -> Array:
        """The column of the model's rows that each node compares, -1 in leaves."""
        if self.columns is None:
            return self.tree.feature
        return np.where(self.tree.feature >= 0, self.columns[self.tree.feature], -1)


def members(estimator: Any, before: tuple[Any, ...] = (), columns: Array | None = None) -> Iterator[Member]:
    """The trees that meet the rows as they come, or behind nothing but scalers.

    Args:
        estimator: fitted.
        before: what the rows have gone through.
        columns: those of the model's that the estimator is given; None: all.
    """
    library = type(estimator).__module__.partition(".")[0]
    if library == "xgboost":
        yield from (Member(tree, before, columns=columns) for tree in xgboost.trees_of(estimator))
    elif library == "lightgbm":
        yield from (Member(tree, before, wide=True, columns=columns) for tree in lightgbm.trees_of(estimator))
    elif hasattr(estimator, "_predictors"):
        yield from (Member(tree, before, wide=True, columns=columns) for tree in boosting.hist_trees(estimator))
    elif hasattr(estimator, "tree_"):
        missing = scikit_learn.accepts_nan(estimator)
        # Where a row ends does not matter here.
        nothing = np.zeros((estimator.tree_.node_count, 1))
        yield Member(scikit_learn.tree_of(estimator, nothing, missing=missing), before, columns=columns)
    elif hasattr(estimator, "steps"):
        yield from _behind_scalers(estimator, before, columns)
    elif hasattr(estimator, "estimators_features_"):
        for part, given in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
            if not before:
                own = np.asarray(given, np.int64)
                yield from members(part, (), own if columns is None else columns[own])
    else:
        for part in _parts(estimator):
            yield from members(part, before, columns)


def _behind_scalers(pipeline: Any, before: tuple[Any, ...], columns: Array | None) -> Iterator[Member]:
    *transformers, last = [step for _, step in flat_steps(pipeline)] or [None]
    if all(rises(step) for step in transformers):
        yield from members(last, (*before, *transformers), columns)


def _parts(estimator: Any) -> Sequence[Any]:
    calibrated = [one.estimator for one in getattr(estimator, "calibrated_classifiers_", [])]
    several = calibrated or list(np.ravel(np.array(getattr(estimator, "estimators_", []), dtype=object)))
    single = [getattr(estimator, name, None) for name in _SINGLE]
    # Beside fitted members, `estimator_` and `estimator` are what they were cloned from.
    return [one for one in several or single[:] if hasattr(one, "get_params") and one is not estimator][
        : None if several else 1
    ]
