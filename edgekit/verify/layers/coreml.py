"""Inside a Core ML package: every operation's results, on edgekit's Core ML reference."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import UnsupportedError
from edgekit.runtime.coreml_reference import NAME
from edgekit.signature import Array
from edgekit.verify.layers.tap import Numbered, Seen, Tap, Tensor, comparable, plain_name


class CoremlTap(Tap):
    """An ML Program on the reference evaluator, watched for what half precision breaks."""

    runtime = NAME

    def __init__(
        self,
        path: Path,
        given: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        outputs: Mapping[str, str],
    ) -> None:
        """Open a package.

        Args:
            path: the package.
            given: the original's inputs as the package takes them.
            outputs: the original's output names by the package's.

        Raises:
            UnsupportedError: it is no ML Program, or has an operation that the reference does not cover.
        """
        from edgekit.coreml_reference.model import ProgramModel, open_model

        model = open_model(path)
        if not isinstance(model, ProgramModel):
            why = "only ML Programs have layers that can be looked into"
            raise UnsupportedError(f"compare the layers of {path.name}", why, "leave --layers off")
        model.watch()
        self._model = model
        self._given = given
        self._outputs = outputs
        self._inputs = frozenset(feature.name for feature in model.inputs)

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call; each tensor is shown as it arises."""
        from edgekit.coreml_reference.interface import to_feature
        from edgekit.coreml_reference.program import Name

        key_of = Numbered()
        alive: dict[str, str] = {name: name for name in self._inputs}

        def observe(operation: Any, results: tuple[Any, ...]) -> None:
            read = [one.name for given in operation.inputs.values() for one in given if isinstance(one, Name)]
            reads = tuple(alive[name] for name in read if name in alive)
            for declared, value in zip(operation.outputs, results, strict=True):
                # A nested block reads what stands around it: its operations count as depending on the inputs.
                if not reads and not operation.blocks:
                    continue
                key = alive[declared.name] = key_of(declared.name)
                array = comparable(value)
                if array is not None and (wanted is None or key in wanted):
                    names = frozenset(map(plain_name, (declared.name, operation.name)))
                    output = self._outputs.get(declared.name, "")
                    seen(Tensor(key, operation.name, operation.type, reads, names, output), array)

        given = self._given(inputs)
        self._model.predict(
            {one.name: to_feature(one, given[one.name]) for one in self._model.inputs}, observer=observe
        )

    def troubles(self) -> tuple[str, ...]:
        """What half precision broke, one line an operation."""
        return tuple(map(str, self._model.troubles))
