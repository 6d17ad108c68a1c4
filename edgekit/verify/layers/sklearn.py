"""Inside a scikit-learn pipeline: what each of its steps hands to the next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import UnsupportedError
from edgekit.signature import Array
from edgekit.verify.layers.tap import Seen, Tap, Tensor, comparable, plain_name

if TYPE_CHECKING:
    from edgekit.sources.sklearn import SklearnSource


class PipelineTap(Tap):
    """A pipeline's steps, and its answers."""

    def __init__(self, source: SklearnSource) -> None:
        from sklearn.pipeline import Pipeline

        if not isinstance(source.estimator, Pipeline):
            why = f"a {type(source.estimator).__name__} has no steps that can be looked into"
            raise UnsupportedError("compare the layers of this model", why, "leave --layers off, or give a Pipeline")
        self.runtime = f"scikit-learn {metadata.version('scikit-learn')}"
        self._source = source

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call of every step, and one of the whole."""
        source = self._source
        value: Any = source._given({own: inputs[name] for own, name in source.input_of.items()})
        before = ""
        for name, step in source.estimator.steps[:-1]:
            value = step if step in {None, "passthrough"} else step.transform(value)
            dense = value.toarray() if hasattr(value, "toarray") else np.asarray(value)
            array = comparable(dense)
            if array is not None and (wanted is None or name in wanted):
                tensor = Tensor(
                    name, name, type(step).__name__, (before,) if before else (), frozenset({plain_name(name)})
                )
                seen(tensor, array)
            before = name
        for name, answer in source.predict(inputs).items():
            array = comparable(answer)
            key = f"output {name}"
            if array is not None and (wanted is None or key in wanted):
                final = type(source.estimator.steps[-1][1]).__name__
                seen(Tensor(key, source.estimator.steps[-1][0], final, (before,), frozenset(), name), array)
