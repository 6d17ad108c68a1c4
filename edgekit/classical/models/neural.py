"""Neural networks of scikit-learn: perceptrons in layers, and the restricted Boltzmann machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.classical.fitted import Answers, fitted
from edgekit.classical.lazy import torch
from edgekit.classical.models.linear_classifiers import two_sigmoids
from edgekit.classical.registry import Context, rule
from edgekit.errors import ConversionError


@rule("MLPClassifier")
def mlp_classifier(estimator: Any, context: Context) -> Any:
    """Layers, then the logistic function of one output or the softmax: ``MLPClassifier.predict_proba``.

    Raises:
        ConversionError: it has several labels a row.
    """
    del context
    if estimator._label_binarizer.y_type_.startswith("multilabel"):
        why = "it gives several labels a row"
        raise ConversionError("convert an MLPClassifier", why, "convert one model a label")
    return fitted(_classified, classes=estimator.classes_, **_layers(estimator))


@rule("MLPRegressor")
def mlp_regressor(estimator: Any, context: Context) -> Any:
    """Layers, then the identity, or the exponential of a Poisson loss: ``MLPRegressor.predict``."""
    del context
    return fitted(_regressed, **_layers(estimator), exponential=estimator.out_activation_ == "exp")


def _layers(estimator: Any) -> dict[str, Any]:
    constants: dict[str, Any] = {"layers": len(estimator.coefs_), "activation": estimator.activation}
    for index, (weights, bias) in enumerate(zip(estimator.coefs_, estimator.intercepts_, strict=True)):
        constants |= {f"weights{index}": np.asarray(weights), f"bias{index}": np.asarray(bias)}
    return constants


def _forward(model: Any, x: Any) -> Any:
    """What the last layer gives before its activation: ``_forward_pass_fast``."""
    activate = {"relu": torch.relu, "tanh": torch.tanh, "logistic": torch.sigmoid, "identity": lambda value: value}
    for index in range(model.layers):
        x = x @ getattr(model, f"weights{index}") + getattr(model, f"bias{index}")
        if index < model.layers - 1:
            x = activate[model.activation](x)
    return x


def _classified(model: Any, x: Any) -> Answers:
    value = _forward(model, x)
    if value.shape[1] == 1:
        score = value[:, 0]
        # The probability is above one half.
        return {"label": (score > 0).to(torch.int64), "probabilities": two_sigmoids(score)}
    return {"label": torch.argmax(value, dim=1), "probabilities": torch.softmax(value, dim=1)}


def _regressed(model: Any, x: Any) -> Answers:
    value = _forward(model, x)
    if model.exponential:
        value = torch.exp(value)
    return {"prediction": value[:, 0] if value.shape[1] == 1 else value}


@rule("BernoulliRBM")
def bernoulli_rbm(estimator: Any, context: Context) -> Any:
    """``expit(X @ components_.T + intercept_hidden_)``: ``BernoulliRBM.transform``."""
    del context
    weights = np.asarray(estimator.components_).T
    return fitted(_hidden, weights=weights, bias=np.asarray(estimator.intercept_hidden_))


def _hidden(model: Any, x: Any) -> Answers:
    return {"transformed": torch.sigmoid(x @ model.weights + model.bias)}
