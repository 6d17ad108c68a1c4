"""Fitted estimators against their torch modules, in torch and (where asked) through the three exporters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.classical import build
from edgekit.convert import registry
from edgekit.convert.options import ConvertOptions, legal_names
from edgekit.runtime.codes import decode
from edgekit.runtime.loading import load
from edgekit.signature import Array, TensorSpec
from edgekit.sources import wrap_object
from edgekit.sources.base import LoadRequest
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance

_METHODS = {
    "prediction": "predict",
    "probabilities": "predict_proba",
    "scores": "decision_function",
    "transformed": "transform",
    "distances": "transform",
}


def original(estimator: Any, kind: str, rows: Array) -> Array:
    """What the original answers to float32 rows, given as float64 as `SklearnSource` gives them."""
    wide = rows.astype(np.float64)
    if kind == "label":
        labels = estimator.predict(wide)
        classes = getattr(estimator, "classes_", None)
        if classes is None:
            return np.asarray(labels)
        return np.array([list(classes).index(label) for label in labels])
    value = getattr(estimator, _METHODS[kind])(wide)
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value)


def assert_agrees(estimator: Any, rows: Array, *kinds: str, sqnr_db: float = 90, ties: int = 0) -> dict[str, Array]:
    """The module's answers of these kinds are the original's: floats within `sqnr_db`, integers equal."""
    rows = np.asarray(rows, np.float32)
    module = build(estimator)
    with torch.no_grad():
        answers = {kind: value.numpy() for kind, value in module.answers(torch.from_numpy(rows)).items()}
    for kind in kinds or answers:
        wanted, found = original(estimator, kind, rows), answers[kind]
        assert found.shape == wanted.shape, (kind, found.shape, wanted.shape)
        if wanted.dtype.kind in "iub" or kind == "label":
            assert int((found != wanted).sum()) <= ties, (kind, np.flatnonzero(found != wanted))
            continue
        assert np.array_equal(np.isnan(found), np.isnan(wanted)), kind
        signal = float(np.nansum(wanted.astype(np.float64) ** 2))
        noise = float(np.nansum((found.astype(np.float64) - wanted) ** 2))
        reached = np.inf if noise == 0 else 10 * np.log10(max(signal, 1e-300) / noise)
        assert reached >= sqnr_db, (kind, reached)
    return answers


def assert_exports(estimator: Any, rows: Array, folder: Path, *targets: str, sqnr_db: float = 80) -> None:
    """The model converted by the routes to tflite and coreml answers these rows as the original does."""
    rows = np.asarray(rows, np.float32)
    source = wrap_object(estimator, LoadRequest(model="live"))
    inputs = {"X": rows}
    reference = source.predict(inputs)
    for target in targets or ("tflite", "coreml"):
        names, outputs = legal_names(source.signature, target)
        path = folder / f"model{registry.SUFFIXES[target]}"
        registry.get(source.framework, target).convert(source, ConvertOptions(names, outputs, {"X": rows[:2]}), path)
        session = load(path)
        answers = [session.run({names["X"]: row[None]}) for row in rows]
        found = {
            spec.name: _named(np.concatenate([one[outputs[spec.name]] for one in answers]), spec, source.codes)
            for spec in source.signature.outputs
        }
        verdict = compare([reference], [found], Tolerance(sqnr_db=sqnr_db), executed_by=session.runtime)
        assert verdict, (target, verdict.problems)


def _named(values: Array, spec: TensorSpec, codes: Mapping[str, tuple[str, ...]]) -> Array:
    return decode(values, codes[spec.name]) if spec.name in codes else values.astype(spec.dtype)
