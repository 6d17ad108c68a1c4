"""What the tests of XGBoost and LightGBM have in common."""

from pathlib import Path
from typing import Any

import numpy as np

from edgekit.convert import registry
from edgekit.convert.options import ConvertOptions, legal_names
from edgekit.runtime.loading import load
from edgekit.signature import Array
from edgekit.sources import wrap_object
from edgekit.sources.base import LoadRequest
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance


def at_thresholds(rows: Array, features: Any, thresholds: Any, count: int = 2000) -> Array:
    """Rows of which a few values are exactly a threshold, the numbers next to it, or missing."""
    rng = np.random.default_rng(0)
    found = np.asarray(rows, np.float32)[rng.integers(0, len(rows), count)]
    near = np.asarray(thresholds, np.float64).astype(np.float32)
    values = np.stack([near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))])
    values = np.concatenate([values, np.full_like(values[:1], np.nan)])
    # Devices may take numbers this close to zero for zero.
    values = np.where(np.abs(values) < np.finfo(np.float32).tiny, np.float32(0), values)
    for _ in range(6):
        chosen = rng.integers(0, len(near), count)
        found[np.arange(count), np.asarray(features)[chosen]] = values[rng.integers(0, 4, count), chosen]
    return found


def assert_exported(native: Any, rows: Array, folder: Path, *targets: str, sqnr_db: float = 90) -> None:
    """The model converted by the routes of its framework answers these rows as the original does."""
    rows = np.asarray(rows, np.float32)
    source = wrap_object(native, LoadRequest(model="live"))
    reference = source.predict({"X": rows})
    for target in targets:
        names, outputs = legal_names(source.signature, target)
        path, many = folder / f"model{registry.SUFFIXES[target]}", target == "onnx"
        options = ConvertOptions(names, outputs, {"X": rows[:2]}, dynamic_batch=many)
        registry.get(source.framework, target).convert(source, options, path)
        session = load(path)
        answers = [session.run({names["X"]: part}) for part in ([rows] if many else rows[:, None])]
        found = {
            spec.name: np.concatenate([one[outputs[spec.name]] for one in answers]).astype(spec.dtype)
            for spec in source.signature.outputs
        }
        verdict = compare([reference], [found], Tolerance(sqnr_db=sqnr_db), executed_by=session.runtime)
        assert verdict, (target, verdict.problems)
