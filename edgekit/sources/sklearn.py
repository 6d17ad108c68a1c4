"""scikit-learn estimators: live objects, .skops files and (trusted only) pickles."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ExecutionError, InputError, missing
from edgekit.signature import Array, Signature, TensorSpec, dtype_name
from edgekit.sources.base import LoadRequest, Provenance, Source
from edgekit.sources.classical import ClassicalSource, check_request, codes_of_labels, plain
from edgekit.sources.inputs import renamed
from edgekit.sources.layout import MATRIX
from edgekit.sources.provenance import file_provenance
from edgekit.sources.sklearn_columns import final_of, inputs_of, layout_of, parts
from edgekit.sources.sklearn_files import read_estimator
from edgekit.sources.sklearn_samples import samples_of, with_missing

_PACKAGES = ("scikit-learn", "joblib", "skops")
# Libraries whose models are pickled alike, and have a source of their own.
_BOOSTERS = ("xgboost", "lightgbm")
# Rows of the trial run that tells the outputs' shapes: more than one, so that no output of one column hides.
_ROWS = 2


def load(request: LoadRequest) -> Source:
    """Load a .skops file, or (trusted only) a .joblib, .pkl or .pickle file; XGBoost's and LightGBM's models too.

    Raises:
        InputError: a pickle without trust, truncated, no estimator, or not fitted.
        MissingDependencyError: skops is not installed.
    """
    path = Path(request.model)
    native, notes = read_estimator(path, trust=request.trust)
    library = type(native).__module__.partition(".")[0]
    if library in _BOOSTERS:
        source: Source = importlib.import_module(f"edgekit.sources.{library}").wrap(native, request)
        source.provenance = file_provenance(path, *source.provenance.versions)
        return source
    return SklearnSource(native, request, file_provenance(path, *_PACKAGES), notes)


def wrap(native: Any, request: LoadRequest) -> SklearnSource:
    """A source around a live, fitted estimator.

    Raises:
        InputError: not fitted, or of a kind that answers in no arrays.
    """
    return SklearnSource(native, request, file_provenance(None, *_PACKAGES))


class SklearnSource(ClassicalSource):
    """A fitted estimator, called by names, answering in float32, int64 and text.

    Attributes:
        columns: each input's columns in the model's order, as it was fitted on them; ``{}`` where it knows no names.
        notes: what a reader of the results should know (saved by another version of scikit-learn).
        layout: how the model takes its rows.
        outputs: by output name in the signature, the output's kind: ``label``, ``probabilities``, ``scores``,
            ``prediction``, ``transformed`` or ``distances``.
    """

    framework = "sklearn"

    def __init__(self, native: Any, request: LoadRequest, provenance: Provenance, notes: tuple[str, ...] = ()) -> None:
        self.native = native
        self.provenance = provenance
        self.notes = notes
        _require_fitted(native)
        self.accepts_nan = _accepts_nan(native)
        self.layout = layout_of(native, request)
        self.estimator = native.best_estimator_ if hasattr(native, "best_estimator_") else native
        kinds = _kinds(native)
        own = self.layout.inputs
        self.input_of = dict(zip(own, renamed(own, request.input_names, "input"), strict=True))
        self.outputs = dict(zip(renamed(kinds, request.output_names, "output"), kinds, strict=True))
        # scikit-learn computes in float64, but k-means fitted on float32 takes nothing else.
        single = any(
            getattr(getattr(part, "cluster_centers_", None), "dtype", None) == np.float32 for _, part in parts(native)
        )
        self._dtype = np.float32 if single else np.float64
        self.columns = self.layout.column_names(self.input_of)
        self.codes = self._codes()
        own_columns = zip(self.layout.inputs, self.layout.columns, strict=False)
        self.terms = {self.input_of[name]: column.terms for name, column in own_columns if column.terms}
        self.signature = self._signature(request)

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The estimator's answers; floats are given to it as float64, in which scikit-learn computes.

        Raises:
            ExecutionError: the estimator refused the values.
        """
        given = self._given(self.layout.to_own({own: inputs[name] for own, name in self.input_of.items()}))
        try:
            with warnings.catch_warnings():
                # The columns' order is the signature's, and a warning on each row would say no more.
                warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
                answers = {name: getattr(self.native, _METHODS[kind])(given) for name, kind in self.outputs.items()}
        except Exception as error:
            why = f"{type(error).__name__}: {_line(error)}"
            raise ExecutionError(f"run the original {type(final_of(self.native)).__name__}", why) from error
        count = len(next(iter(inputs.values())))
        return {name: _rows(plain(value), self.outputs[name], count) for name, value in answers.items()}

    def own_samples(self, seed: int) -> dict[str, Array] | None:
        """Rows drawn from the model's thresholds, ranges, categories and terms, those that the original can answer."""
        rows = samples_of(self.native, self.layout, seed)
        if rows is None:
            return None
        candidates = [rows]
        if self.accepts_nan and self.layout.own == "matrix" and rows[MATRIX].dtype == np.float32:
            # A step that takes missing values may hand them to one that does not.
            candidates = [{MATRIX: with_missing(rows[MATRIX])}, rows]
        for candidate in candidates:
            named = {self.input_of[own]: array for own, array in self.layout.from_own(candidate).items()}
            try:
                self.predict(named)
            except ExecutionError:
                continue
            return named
        return None

    def layers_of(self, operator: str) -> list[str]:
        """The steps, by the pipeline's own names, whose class is the operator's last part."""
        wanted = operator.rpartition(".")[2]
        return [path for path, part in parts(self.native) if path and type(part).__name__ == wanted]

    def _codes(self) -> dict[str, tuple[str, ...]]:
        own = self.layout.inputs
        texts = {self.input_of[name]: texts for name, texts in zip(own, self.layout.texts, strict=False) if texts}
        return texts | codes_of_labels(self.estimator, self.outputs)

    def _given(self, rows: Mapping[str, Array]) -> Any:
        """The rows as the estimator was fitted: a matrix, a list of texts, or a table."""
        wide = {name: array.astype(self._dtype) if array.dtype.kind == "f" else array for name, array in rows.items()}
        if self.layout.own != "table":
            return wide[MATRIX]
        flat = {column.name: wide[column.name][:, 0] for column in self.layout.columns}
        if not self.layout.named:
            return np.stack([array.astype(object) for array in flat.values()], axis=1)
        try:
            import pandas as pd
        except ImportError as error:
            raise missing("run a model that takes a DataFrame", "pandas", "sklearn") from error
        return pd.DataFrame(flat)

    def _signature(self, request: LoadRequest) -> Signature:
        inputs = self.layout.specs(self.input_of)
        self.rows = check_request(inputs, request)
        answers = self._trial(request)
        if any(kind == "label" and answers[name].ndim != 1 for name, kind in self.outputs.items()):
            raise _several_labels(self.native)
        decided = self._decided_by()
        outputs = tuple(
            TensorSpec(name, dtype_name(a), (None, *a.shape[1:]), decided if kind == "label" else "")
            for (name, a), kind in zip(answers.items(), self.outputs.values(), strict=True)
        )
        return Signature(inputs, outputs)

    def _decided_by(self) -> str:
        """The scores behind the label; of trees and their ensembles none: their labels are to agree on every row."""
        if any(hasattr(part, "tree_") or hasattr(part, "_predictors") for _, part in parts(final_of(self.native))):
            return ""
        return next((name for name, kind in self.outputs.items() if kind in {"probabilities", "scores"}), "")

    def _trial(self, request: LoadRequest) -> dict[str, Array]:
        """The answers to two rows: the user's where there are some that fit, else of values that the model knows."""
        known = {self.input_of[own]: array for own, array in inputs_of(self.layout, _ROWS).items()}
        example = dict(request.example)
        if "" in example:
            example = {self.input_of.get(MATRIX, ""): example[""]}
        if set(example) == set(known):
            taken = {name: np.asarray(example[name])[:_ROWS] for name in known}
            if all(taken[name].shape == known[name].shape for name in known):
                known = {name: _as_column(name, array, known[name].dtype) for name, array in taken.items()}
        try:
            return self.predict(known)
        except ExecutionError as error:
            todo = "see whether predict() works" if request.example else "give --samples with rows that it can answer"
            raise InputError(error.asked, error.why, todo) from error


# An output's kind → the method that gives it.
_METHODS = {
    "label": "predict",
    "prediction": "predict",
    "probabilities": "predict_proba",
    "scores": "decision_function",
    "transformed": "transform",
    "distances": "transform",
}


def _require_fitted(native: Any) -> None:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(native, BaseEstimator):
        why = f"it is a {type(native).__name__}, not a scikit-learn estimator"
        raise InputError("load a scikit-learn model", why, "save the fitted estimator itself")
    try:
        for _, part in parts(native):
            check_is_fitted(part)
    except (NotFittedError, TypeError) as error:
        name = type(native).__name__
        raise InputError(f"convert a {name}", f"it is not fitted ({_line(error)})", "call fit() first") from error


def _accepts_nan(native: Any) -> bool:
    """Whether any step takes missing values: a pipeline's own tag does not say so of its imputer."""
    from sklearn.utils import get_tags

    return any(bool(get_tags(part).input_tags.allow_nan) for _, part in parts(native))


def _kinds(native: Any) -> tuple[str, ...]:
    """The outputs that an estimator has, by what it is."""
    from sklearn.base import is_classifier, is_outlier_detector, is_regressor

    asked = f"convert a {type(final_of(native)).__name__}"
    if is_classifier(native):
        _require_one_label(native, asked)
        scores = [kind for kind in ("probabilities", "scores") if hasattr(native, _METHODS[kind])]
        return ("label", *scores[:1])
    if is_outlier_detector(native):
        if not hasattr(native, "predict"):
            raise InputError(asked, "it scores only what it was fitted on", "fit it with novelty=True")
        return ("label", "scores") if hasattr(native, "decision_function") else ("label",)
    if is_regressor(native):
        return ("prediction",)
    if hasattr(native, "predict"):  # clusterers, mixtures
        return ("label", "distances") if hasattr(native, "transform") else ("label",)
    if hasattr(native, "transform"):
        return ("transformed",)
    raise InputError(asked, "it can neither predict nor transform new rows", "give a model that can")


def _require_one_label(native: Any, asked: str) -> None:
    classes = getattr(native, "classes_", None)
    if isinstance(classes, list):
        raise _several_labels(native)
    if classes is not None and classes.dtype.kind == "f" and not np.equal(np.mod(classes, 1), 0).all():
        raise InputError(asked, "its labels are fractions", "fit it on integer or text labels")


def _several_labels(native: Any) -> InputError:
    asked = f"convert a {type(final_of(native)).__name__}"
    return InputError(asked, "it answers several labels a row", "fit one classifier a label")


def _as_column(name: str, array: Array, dtype: Any) -> Array:
    try:
        return array.astype(dtype)
    except ValueError as error:
        why = "they are text, and no step of the model knows which texts the column may hold"
        todo = "encode it in the model: a OneHotEncoder or OrdinalEncoder that was fitted on it"
        raise InputError(f"samples for input {name!r}", why, todo) from error


def _rows(value: Array, kind: str, count: int) -> Array:
    """One row of a transformer's answer as a row: SparsePCA gives a single one without its first dimension."""
    return value.reshape(count, -1) if kind == "transformed" and value.ndim == 1 else value


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
