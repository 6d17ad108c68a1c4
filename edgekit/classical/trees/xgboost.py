"""XGBoost: boosted trees (gbtree, dart) and gblinear, read from the model's own JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees import lightgbm
from edgekit.classical.trees.boosted_trees import classifying, predicting, refuse_before, summed_trees
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array

# Each objective's link from margins to answers: `PredTransform` in XGBoost's src/objective.
_LINKS = {
    "binary:hinge": "step",
    "binary:logistic": "sigmoid",
    "binary:logitraw": "identity",
    "count:poisson": "exponential",
    "multi:softmax": "argmax",
    "multi:softprob": "softmax",
    "rank:map": "identity",
    "rank:ndcg": "identity",
    "rank:pairwise": "identity",
    "reg:absoluteerror": "identity",
    "reg:gamma": "exponential",
    "reg:logistic": "sigmoid",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "reg:squarederror": "identity",
    "reg:squaredlogerror": "identity",
    "reg:tweedie": "exponential",
    "survival:aft": "exponential",
    "survival:cox": "exponential",
}
# What stands for "below zero": some devices take smaller numbers for zero, and zero itself must not pass.
_BELOW_ZERO = -np.finfo(np.float32).tiny
# `LogisticRegression::ProbToMargin` keeps probabilities this far from 0 and 1 (kRtEps).
_NEAREST = np.float32(1e-6)


@rule("Booster", shifts=True)
def booster(estimator: Any, context: Context) -> Any:
    """``Booster.predict`` of XGBoost (all its rounds) or of LightGBM: the registry knows types by name alone."""
    if type(estimator).__module__.partition(".")[0] == "lightgbm":
        return lightgbm.booster(estimator, context)
    return _model(estimator, _dump(estimator), context, rounds=None, missing=None, classes=None)


@rule("XGBModel", "XGBRFRegressor", "XGBRanker", "XGBRegressor", shifts=True)
def xgb_regressor(estimator: Any, context: Context) -> Any:
    """``XGBModel.predict``: the rounds up to the best one, where training stopped early."""
    return _wrapped(estimator, context, classes=None)


@rule("XGBClassifier", "XGBRFClassifier", shifts=True)
def xgb_classifier(estimator: Any, context: Context) -> Any:
    """``XGBClassifier.predict`` (above a half, or the first maximum) and ``predict_proba``."""
    return _wrapped(estimator, context, classes=np.asarray(estimator.classes_))


def trees_of(estimator: Any) -> list[Tree]:
    """The trees by which it answers; none where a number stands for missing values, or where it has none."""
    native = hasattr(estimator, "save_raw")
    machine = _dump(estimator if native else estimator.get_booster())["gradient_booster"]
    if machine["name"] == "gblinear" or not (native or _missing(estimator) is None):
        return []
    return _grown(machine, None if native else _rounds(estimator))[0]


def _wrapped(estimator: Any, context: Context, classes: Array | None) -> Any:
    learner = _dump(estimator.get_booster())
    missing, rounds = _missing(estimator), _rounds(estimator)
    return _model(estimator, learner, context, rounds=rounds, missing=missing, classes=classes)


def _missing(estimator: Any) -> float | None:
    """The number that stands for a missing value beside NaN."""
    missing = float(estimator.missing) if estimator.missing is not None else float("nan")
    return None if np.isnan(missing) else missing


def _rounds(estimator: Any) -> int | None:
    """How many rounds answer, where training stopped early."""
    best = getattr(estimator, "best_iteration", None)
    return None if best is None else int(best) + 1


def _dump(booster: Any) -> Mapping[str, Any]:
    learner: Mapping[str, Any] = json.loads(booster.save_raw(raw_format="json"))["learner"]
    return learner


def _model(
    estimator: Any,
    learner: Mapping[str, Any],
    context: Context,
    *,
    rounds: int | None,
    missing: float | None,
    classes: Array | None,
) -> Any:
    """The module of a model.

    Args:
        estimator: what it was read from.
        learner: ``learner`` in the model's JSON: doc/model.schema of XGBoost.
        context: of the rule.
        rounds: how many rounds answer; ``None``: all.
        missing: the number that stands for a missing value beside NaN.
        classes: the labels; ``None``: no classifier.

    Raises:
        ConversionError: the objective, or a setting, is none that edgekit knows.
    """
    objective = learner["objective"]["name"]
    if objective not in _LINKS:
        asked = f"convert a {type(estimator).__name__}"
        raise ConversionError(asked, f"edgekit does not know the objective {objective}", f"one of {', '.join(_LINKS)}")
    link = _LINKS[objective]
    base = _base_margins(learner["learner_model_param"], link)
    machine = learner["gradient_booster"]
    if missing is not None:
        refuse_before(estimator, context, f"takes {missing:g} as missing")
    if machine["name"] == "gblinear":
        margins, before = _linear(machine["model"], base), context.before
    else:
        margins, before = _trees(estimator, machine, base, rounds, context), ()
    reads = _reads(missing, _categorical(machine), [context.build(one) for one in before])
    if classes is not None:
        return classifying(margins, link, classes, reads, narrow=True)
    return predicting(margins, link, reads)


def _base_margins(settings: Mapping[str, str], link: str) -> Array:
    """``base_score``, which the file keeps as an answer, as a margin of each group: ``ObjFunction::ProbToMargin``."""
    score = np.atleast_1d(np.array(json.loads(settings["base_score"]), np.float32))
    groups = max(int(settings["num_class"]), int(settings.get("num_target", 1)), 1)
    score = np.broadcast_to(score, groups) if len(score) == 1 else score
    if link == "sigmoid":
        bounded = np.clip(score, _NEAREST, 1 - _NEAREST).astype(np.float64)
        return np.asarray(-np.log(1 / bounded - 1))
    return np.log(score.astype(np.float64)) if link == "exponential" else score.astype(np.float64)


def _linear(model: Mapping[str, Any], base: Array) -> Any:
    """``X @ weights + bias``; the last row of the weights is the bias, and all groups start from the first base."""
    weights = np.array(model["weights"], np.float32).astype(np.float64).reshape(-1, len(base))
    return fitted(_linear_margins, weights=weights[:-1], bias=weights[-1] + base[0])


def _linear_margins(model: Any, x: Any) -> Answers:
    # `GBLinear::Pred` passes over what is missing.
    return {"scores": torch.where(torch.isnan(x), torch.zeros_like(x), x) @ model.weights + model.bias}


def _trees(estimator: Any, machine: Mapping[str, Any], base: Array, rounds: int | None, context: Context) -> Any:
    found, groups = _grown(machine, rounds)
    if any(tree.categories for tree in found):
        refuse_before(estimator, context, "splits by categories")
    return summed_trees(found, groups, base, before=context.before)


def _grown(machine: Mapping[str, Any], rounds: int | None) -> tuple[list[Tree], list[int]]:
    """The trees of the first rounds, and the group that each adds to."""
    model = machine.get("gbtree", machine)["model"]
    trees, groups = model["trees"], model["tree_info"]
    count = len(trees) if rounds is None else model["iteration_indptr"][rounds]
    weights = machine.get("weight_drop") or [1.0] * len(trees)
    return [_tree(tree, weight) for tree, weight in zip(trees[:count], weights, strict=False)], groups[:count]


def _tree(data: Mapping[str, Any], weight: float) -> Tree:
    """One tree: a row goes left where ``x < split_condition`` in float32; a listed category goes right."""
    left, right = np.array(data["left_children"], np.int64), np.array(data["right_children"], np.int64)
    condition = np.array(data["split_conditions"], np.float32)
    leaves = left < 0
    outputs = int(data["tree_param"]["size_leaf_vector"])
    if outputs > 1:
        if "leaf_weights" not in data:
            why = "this version of XGBoost writes trees of several outputs otherwise"
            raise ConversionError(
                "convert a model with multi_strategy='multi_output_tree'", why, "update to XGBoost 3.2"
            )
        vectors = np.array(data["leaf_weights"], np.float32).reshape(-1, outputs)
        value = np.zeros((len(left), outputs))
        # A leaf's right child is the place of its vector.
        value[leaves] = vectors[right[leaves]]
    else:
        value = condition[:, None].astype(np.float64)
    missing_left = np.array(data["default_left"], bool)
    categories = _node_categories(data)
    for node in categories:
        left[node], right[node], missing_left[node] = right[node], left[node], not missing_left[node]
    return Tree(
        feature=np.where(leaves, -1, np.array(data["split_indices"], np.int64)),
        threshold=np.where(condition == 0, _BELOW_ZERO, np.nextafter(condition, np.float32(-np.inf))).astype(
            np.float64
        ),
        left=left,
        right=right,
        value=value * np.float64(np.float32(weight)),
        missing_left=missing_left,
        categories=categories,
    )


def _node_categories(data: Mapping[str, Any]) -> dict[int, frozenset[int]]:
    starts, sizes, listed = data["categories_segments"], data["categories_sizes"], data["categories"]
    return {
        int(node): frozenset(map(int, listed[start : start + size]))
        for node, start, size in zip(data["categories_nodes"], starts, sizes, strict=True)
    }


def _categorical(machine: Mapping[str, Any]) -> list[int]:
    """The columns by whose categories a tree splits."""
    model = machine.get("gbtree", machine)["model"]
    return sorted(
        {int(tree["split_indices"][node]) for tree in model.get("trees", []) for node in tree["categories_nodes"]}
    )


def _reads(missing: float | None, categorical: list[int], before: list[Any]) -> Any:
    """The module that makes of rows what the margins are of; ``None`` where it is the rows themselves."""
    if missing is None and not categorical and not before:
        return None
    mask = None
    if categorical:
        mask = np.zeros((1, categorical[-1] + 1), bool)
        mask[0, categorical] = True
    return fitted(_read, missing=missing, categorical=mask, width=0 if mask is None else mask.shape[1], before=before)


def _read(model: Any, x: Any) -> Answers:
    for one in model.before:
        x = one.answers(x)["transformed"]
    if model.missing is not None:
        x = torch.where(x == model.missing, float("nan"), x)
    if model.categorical is not None:
        head = x[:, : model.width]
        # Categories are numbers cut to integers; below 0 they are none.
        x = torch.cat([torch.where(model.categorical, torch.floor(head), head), x[:, model.width :]], dim=1)
    return {"transformed": x}
