"""A classical model, or a pipeline, opened for evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.coreml_reference.classical.columns import gather, scatter
from edgekit.coreml_reference.classical.pipeline import Assembly
from edgekit.coreml_reference.classical.registry import read_interface
from edgekit.coreml_reference.evaluator import Observer
from edgekit.coreml_reference.features import Feature, check_inputs
from edgekit.coreml_reference.model import Model, State
from edgekit.coreml_reference.package import Package
from edgekit.coreml_reference.precision import Precision
from edgekit.coreml_reference.trouble import Trouble


class ClassicalModel(Model):
    """A model of classical converters, or a pipeline of models.

    Raises:
        InputError: the file does not make sense.
        UnsupportedError: it is, or holds, a model of a kind that is not covered.
    """

    def __init__(self, package: Package, precision: Precision = "strict", seed: int = 0) -> None:
        interface = read_interface(package.model)
        self.inputs = interface.inputs
        self.outputs = interface.outputs
        self._assembly = Assembly(package, precision, seed)
        self.incomparable = next((one.incomparable for one in self._assembly.programs if one.incomparable), "")

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Where half precision broke in the ML Programs of a pipeline."""
        return tuple(trouble for program in self._assembly.programs for trouble in program.troubles)

    def watch(self) -> None:
        """Look for trouble of half precision from now on."""
        for program in self._assembly.programs:
            program.watch()

    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, observer: Observer | None = None
    ) -> dict[str, Any]:
        """One row; these models keep no state and have no operations to observe."""
        del state, observer
        return self.predict_rows([inputs])[0]

    def predict_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Many rows at once, which costs far less than one after the other.

        Raises:
            InputError: a row does not fit.
            ExecutionError: a row has no result.
        """
        if not rows:
            return []
        given = [self._check(row) for row in rows]
        columns = {f.name: gather(f, [row.get(f.name) for row in given]) for f in self.inputs}
        results = self._assembly.run(columns)
        listed = {f.name: scatter(f, results[f.name]) for f in self.outputs if f.name in results}
        return [{name: values[row] for name, values in listed.items()} for row in range(len(rows))]

    def _check(self, row: Mapping[str, Any]) -> dict[str, Any]:
        features = {feature.name: feature for feature in self.inputs}
        return check_inputs(
            self.inputs, {n: _fitted(features[n], value) if n in features else value for n, value in row.items()}
        )


def _fitted(feature: Feature, value: Any) -> Any:
    """An array with dimensions of size one more or less than declared, in the declared shape."""
    if feature.kind != "array" or feature.shapes or feature.ranges or isinstance(value, str | Mapping):
        return value
    array = np.asarray(value)
    if [size for size in array.shape if size != 1] == [size for size in feature.shape if size != 1] and feature.shape:
        return array.reshape(feature.shape)
    return array
