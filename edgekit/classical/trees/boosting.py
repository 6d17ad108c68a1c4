"""Gradient boosting: trees that are summed, and the link to the answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.composition.parts import part
from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear_classifiers import two_sigmoids
from edgekit.classical.preprocessing.selection import columns_at
from edgekit.classical.registry import Context, rule
from edgekit.classical.trees.boosted_trees import summed_trees
from edgekit.classical.trees.scikit_learn import tree_of
from edgekit.classical.trees.tree import Tree
from edgekit.errors import ConversionError
from edgekit.signature import Array

_EPSILON = float(np.finfo(np.float64).eps)


@rule("GradientBoostingClassifier", "GradientBoostingRegressor", shifts=True)
def gradient_boosting(estimator: Any, context: Context) -> Any:
    """``init_`` and ``learning_rate`` times the trees: ``BaseGradientBoosting._raw_predict``; the second from 0 on."""
    stages, groups = estimator.estimators_.shape
    trees = [
        tree_of(one, estimator.learning_rate * one.tree_.value[:, 0], missing=False)
        for one in estimator.estimators_.reshape(-1)
    ]
    initial, narrow, base = None, False, np.zeros(groups)
    if isinstance(estimator.init_, str) or type(estimator.init_).__name__.startswith("Dummy"):
        # The same for all rows: computed by the original, in float64.
        base = estimator._raw_predict_init(_zeros(estimator))[0]
    else:
        initial = part(context, estimator.init_, "init")
        if hasattr(estimator, "classes_"):
            narrow = estimator.init_.predict_proba(_zeros(estimator)).dtype == np.float32
    margins = summed_trees(trees, list(range(groups)) * stages, base, before=context.before)
    if not hasattr(estimator, "classes_"):
        return fitted(_boosted, margins=margins, initial=initial, reads=None, logarithmic=False)
    half = type(estimator._loss.link).__name__ == "HalfLogitLink"
    return fitted(
        _classified,
        classes=estimator.classes_,
        margins=margins,
        initial=initial,
        reads=None,
        scale=2.0 if half else 1.0,
        at_zero=True,
        narrow=bool(narrow),
    )


def _zeros(estimator: Any) -> Array:
    return np.zeros((1, estimator.n_features_in_), np.float32)


@rule("HistGradientBoostingClassifier", "HistGradientBoostingRegressor", shifts=True)
def hist_gradient_boosting(estimator: Any, context: Context) -> Any:
    """``_baseline_prediction`` and the trees: ``BaseHistGradientBoosting._raw_predict``; above 0 is the second.

    Raises:
        ConversionError: a scaler stands before a model of categories, or an unknown link behind it.
    """
    reads = _encoder(estimator, context)
    groups = estimator.n_trees_per_iteration_
    base = np.broadcast_to(np.asarray(estimator._baseline_prediction, np.float64).reshape(-1), groups)
    margins = summed_trees(
        _grown(estimator),
        list(range(groups)) * len(estimator._predictors),
        base,
        before=context.before,
        wide=True,
    )
    if hasattr(estimator, "classes_"):
        constants = {
            "margins": margins,
            "initial": None,
            "reads": reads,
            "scale": 1.0,
            "at_zero": False,
            "narrow": False,
        }
        return fitted(_classified, classes=estimator.classes_, **constants)
    link = type(estimator._loss.link).__name__
    if link not in ("IdentityLink", "LogLink"):
        name = type(estimator).__name__
        raise ConversionError(f"convert a {name}", f"edgekit does not know its link, {link}", "use another loss")
    return fitted(_boosted, margins=margins, initial=None, reads=reads, logarithmic=link == "LogLink")


def hist_trees(estimator: Any) -> list[Tree]:
    """The trees of a HistGradientBoosting of numbers; none where columns are categories: it orders them anew."""
    return _grown(estimator) if estimator.is_categorical_ is None else []


def _grown(estimator: Any) -> list[Tree]:
    return [_hist_tree(one) for stage in estimator._predictors for one in stage]


def _hist_tree(predictor: Any) -> Tree:
    """A ``TreePredictor``: categories that it does not know come as NaN, from the encoder before it."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    categories = {
        int(node): _members(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]])
        for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
    }
    return Tree(
        np.where(leaf, -1, nodes["feature_idx"]),
        nodes["num_threshold"],
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["value"][:, None],
        nodes["missing_go_to_left"].astype(bool),
        categories,
    )


def _members(bitset: Array) -> frozenset[int]:
    bits = np.unpackbits(np.asarray(bitset, np.uint32).view(np.uint8), bitorder="little")
    return frozenset(int(bit) for bit in np.flatnonzero(bits))


def _encoder(estimator: Any, context: Context) -> Any:
    """The module that puts the categories' codes first, NaN for unknown ones, as ``_preprocessor`` does."""
    if estimator.is_categorical_ is None:
        return None
    name = type(estimator).__name__
    if context.before:
        asked = f"convert a {name} behind a {type(context.before[-1]).__name__}"
        raise ConversionError(asked, "it tells categories by their numbers", "fit it without: trees need no scaling")
    # After the fit, `is_categorical_` is of the columns as the preprocessor orders them.
    chosen = np.asarray(estimator._preprocessor.transformers_[0][2])
    chosen = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
    others = np.setdiff1d(np.arange(estimator.n_features_in_), chosen)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    columns = columns_at(chosen, context.columns)
    return fitted(
        _encoded,
        encoder=context.build(encoder, "categories", columns=columns),
        chosen=chosen,
        others=others,
        mixed=len(others) > 0,
    )


def _encoded(model: Any, x: Any) -> Answers:
    codes = model.encoder.answers(x[:, model.chosen])["transformed"]
    return {"transformed": torch.cat([codes, x[:, model.others]], dim=1) if model.mixed else codes}


def _raw(model: Any, x: Any) -> Any:
    rows = x if model.reads is None else model.reads.answers(x)["transformed"]
    return model.margins.answers(rows)["scores"]


def _boosted(model: Any, x: Any) -> Answers:
    raw = _raw(model, x)[:, 0]
    if model.initial is not None:
        raw = raw + model.initial.answers(x)["prediction"].reshape(-1)
    return {"prediction": torch.exp(raw) if model.logarithmic else raw}


def _classified(model: Any, x: Any) -> Answers:
    raw = _raw(model, x)
    if model.initial is not None:
        raw = raw + _linked(model, model.initial.answers(x)["probabilities"])
    if raw.shape[1] > 1:
        return {"label": torch.argmax(raw, dim=1), "probabilities": torch.softmax(raw, dim=1), "scores": raw}
    score = raw[:, 0]
    above = score >= 0 if model.at_zero else score > 0
    return {"label": above.to(torch.int64), "probabilities": two_sigmoids(model.scale * score), "scores": score}


def _linked(model: Any, probabilities: Any) -> Any:
    """The raw predictions of an initial classifier: ``_init_raw_predictions``.

    Where the original has the second of two probabilities in float32, what is missing to one is rounded likewise.
    """
    two = probabilities.shape[1] == 2
    if two and model.narrow:
        probabilities = torch.cat([1.0 - probabilities[:, 1:], probabilities[:, 1:]], dim=1)
    logarithms = torch.log(torch.clamp(probabilities, min=_EPSILON))
    if two:
        return (logarithms[:, 1:] - logarithms[:, :1]) / model.scale
    return logarithms - logarithms.mean(dim=1, keepdim=True)
