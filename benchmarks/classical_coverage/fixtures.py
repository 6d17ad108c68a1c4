"""Which estimators of scikit-learn count, and what each is fitted on: their own tags say what data they want."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

# Settings without which an estimator has no predict or transform, or cannot be fitted on these data.
SETTINGS: dict[str, dict[str, Any]] = {
    "LocalOutlierFactor": {"novelty": True},
    "GaussianRandomProjection": {"n_components": 3},
    "SparseRandomProjection": {"n_components": 3},
    "SelectKBest": {"k": 2},
    # The defaults pass the data through; degenerate here.
    "SelectFdr": {"alpha": 0.2},
    "QuantileTransformer": {"n_quantiles": 100},
    # No value is missing in these data, and it would give no column.
    "MissingIndicator": {"features": "all"},
    # Its default is for data without noise; on these it learns them by heart.
    "GaussianProcessRegressor": {"alpha": 0.1},
    # Their defaults refuse a number that they have not met, and every new row has some.
    "OneHotEncoder": {"handle_unknown": "ignore"},
    "OrdinalEncoder": {"handle_unknown": "use_encoded_value", "unknown_value": -1},
    # More iterations than the default, so that the fit converges on data that are not scaled.
    "MLPClassifier": {"max_iter": 500},
    "MLPRegressor": {"max_iter": 500},
}
# Those that take no rows of numbers: text, dictionaries, images, labels.
OTHER_INPUT = {
    "CountVectorizer": "takes text",
    "TfidfVectorizer": "takes text",
    "HashingVectorizer": "takes text",
    "DictVectorizer": "takes dictionaries",
    "FeatureHasher": "takes dictionaries",
    "PatchExtractor": "takes images",
    "LabelBinarizer": "takes labels, not rows",
    "LabelEncoder": "takes labels, not rows",
    "MultiLabelBinarizer": "takes labels, not rows",
}
_TRAIN = 120


@dataclass(frozen=True)
class Fixture:
    """A fitted estimator and rows that it was not fitted on.

    Attributes:
        name: its class.
        kind: ``classifier``, ``regressor``, ``clusterer``, ``outlier_detector`` or ``transformer``.
        estimator: fitted.
        rows: float32 [n, features].
    """

    name: str
    kind: str
    estimator: Any
    rows: np.ndarray[Any, Any]


def estimators() -> dict[str, type]:
    """Every estimator of scikit-learn by name, those that it calls experimental too."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401 - by importing
    from sklearn.utils import all_estimators

    return dict(all_estimators())


def left_out(cls: type) -> str:
    """Why an estimator does not count; empty where it does.

    Counted is what has ``predict`` or ``transform`` for new rows of numbers and can be made without arguments.
    """
    name = cls.__name__
    if name in OTHER_INPUT:
        return OTHER_INPUT[name]
    required = [
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    if required:
        return f"a meta-estimator: needs {', '.join(required)}"
    estimator = cls(**SETTINGS.get(name, {}))
    if not (hasattr(estimator, "predict") or hasattr(estimator, "transform")):
        return "neither predict nor transform for new rows"
    if getattr(estimator, "metric", None) == "precomputed":
        return "takes distances, not rows"
    return ""


def fitted(cls: type) -> Fixture:
    """An estimator fitted on real data."""
    from sklearn.utils import get_tags

    estimator = cls(**SETTINGS.get(cls.__name__, {}))
    if "random_state" in inspect.signature(cls).parameters:
        estimator.set_params(random_state=0)
    tags = get_tags(estimator)
    kind = str(tags.estimator_type or "transformer")
    rows, target = _data(cls.__name__, kind, tags)
    new = rows[_TRAIN:]
    if cls.__name__ == "KernelCenterer":
        rows, new = _products(rows[:_TRAIN], rows[:_TRAIN]), _products(new, rows[:_TRAIN])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(rows[:_TRAIN], None if target is None else target[:_TRAIN])
    return Fixture(cls.__name__, kind, estimator, new.astype(np.float32))


def _products(left: Any, right: Any) -> Any:
    """A linear kernel, as float32 holds it."""
    return (left @ right.T).astype(np.float32).astype(np.float64)


def _data(name: str, kind: str, tags: Any) -> tuple[Any, Any]:
    """Rows and a target, by what the tags ask for."""
    rows, classes, numbers = _iris()
    if kind == "classifier":
        if tags.input_tags.categorical and name == "CategoricalNB":
            rows = np.floor(rows).clip(0)
        return rows, classes if tags.classifier_tags.multi_class else (classes > 0).astype(int)
    if name in _PAIRED:
        return rows[:, :2], rows[:, 2:]
    if kind == "regressor":
        if name == "IsotonicRegression":
            return rows[:, :1], numbers
        several = np.stack([numbers, rows[:, 0]], axis=1)
        return rows[:, :3], numbers if tags.target_tags.single_output else several
    return rows, classes if tags.target_tags.required or name in _SUPERVISED else None


# Those that relate two tables.
_PAIRED = {"CCA", "PLSCanonical", "PLSSVD"}
# Transformers that take a target although their tags do not require one.
_SUPERVISED = {
    "GenericUnivariateSelect",
    "LinearDiscriminantAnalysis",
    "NeighborhoodComponentsAnalysis",
    "SelectKBest",
    "SelectPercentile",
    "TargetEncoder",
}


@cache
def _iris() -> tuple[Any, Any, Any]:
    """Fisher's irises in a fixed random order: rows, species, and petal width as a number to predict."""
    from sklearn.datasets import load_iris

    rows, classes = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    # As float32 holds them: what a device is given.
    rows = rows[order].astype(np.float32).astype(np.float64)
    return rows, classes[order], rows[:, 3] + 0.1
