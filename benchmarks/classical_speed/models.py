"""Which models are measured, on which data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from benchmark_data import tabular
from numpy.typing import NDArray

ROWS = 1000


@dataclass(frozen=True)
class Combination:
    """A model on a data set.

    Attributes:
        data: the table's name.
        model: what the model is called.
        kind: ``forest``, ``boosting`` or ``other`` (no trees).
        library: ``sklearn``, ``xgboost`` or ``lightgbm``.
        make: the model, not fitted.
    """

    data: str
    model: str
    kind: str
    library: str
    make: Callable[[], Any]

    @property
    def name(self) -> str:
        """Of both."""
        return f"{self.data} {self.model}"


class Fitted(NamedTuple):
    """A fitted model and ROWS rows that it was not fitted on."""

    model: Any
    rows: NDArray[np.float32]


def fitted(combination: Combination) -> Fitted:
    """Fit a combination's model.

    Raises:
        InputError: the data are not here.
        MissingDependencyError: what reads them is not installed.
    """
    split = tabular(combination.data).split()
    model = combination.make().fit(split.train_features, split.train_labels)
    # A table of fewer rows gives some of them twice.
    return Fitted(model, np.resize(split.test_features, (ROWS, split.test_features.shape[1])))


def _forest(name: str, count: int, **settings: Any) -> Any:
    from sklearn import ensemble

    return getattr(ensemble, name)(count, random_state=0, **settings)


def _gradient_boosting(count: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(n_estimators=count, random_state=0)


def _histogram_boosting(count: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=count, early_stopping=False, random_state=0)


def _xgboost(count: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=count, n_jobs=1, random_state=0)


def _lightgbm(count: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=count, n_jobs=1, random_state=0, verbosity=-1)


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def _perceptron() -> Any:
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), MLPClassifier(early_stopping=True, random_state=0))


_RANDOM_FOREST = partial(_forest, "RandomForestClassifier", 100)
MATRIX = (
    Combination("spam", "RandomForest(100)", "forest", "sklearn", _RANDOM_FOREST),
    Combination("spam", "GradientBoosting(100)", "boosting", "sklearn", partial(_gradient_boosting, 100)),
    Combination("spam", "XGBoost(100)", "boosting", "xgboost", partial(_xgboost, 100)),
    Combination("spam", "scaler, LogisticRegression", "other", "sklearn", _logistic_regression),
    # Whole, its trees would have half a million nodes.
    Combination("letter", "RandomForest(100)", "forest", "sklearn", partial(_RANDOM_FOREST, min_samples_leaf=5)),
    # 26 trees a round, one a letter.
    Combination("letter", "XGBoost(20)", "boosting", "xgboost", partial(_xgboost, 20)),
    Combination("letter", "LightGBM(20)", "boosting", "lightgbm", partial(_lightgbm, 20)),
    Combination("satellite", "ExtraTrees(100)", "forest", "sklearn", partial(_forest, "ExtraTreesClassifier", 100)),
    Combination("satellite", "HistGradientBoosting(50)", "boosting", "sklearn", partial(_histogram_boosting, 50)),
    Combination("satellite", "scaler, MLP(100)", "other", "sklearn", _perceptron),
    Combination("shuttle", "RandomForest(100)", "forest", "sklearn", _RANDOM_FOREST),
    Combination("shuttle", "LightGBM(50)", "boosting", "lightgbm", partial(_lightgbm, 50)),
)
