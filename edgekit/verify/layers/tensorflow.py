"""Inside a TensorFlow model, Keras's too: every node of its frozen graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from edgekit.errors import ExecutionError
from edgekit.signature import Array
from edgekit.verify.layers.tap import Seen, Tap, Tensor, comparable, in_portions, living, plain_name

if TYPE_CHECKING:
    from edgekit.sources.tensorflow import TensorFlowSource

_PORTION = 256 << 20
# Nodes that hand on what they were given.
_PASSING = {"Identity", "IdentityN", "NoOp", "Placeholder", "Const"}


class TensorFlowTap(Tap):
    """A concrete function, its variables frozen, pruned to whatever tensors are asked for."""

    def __init__(self, source: TensorFlowSource) -> None:
        import tensorflow as tf
        from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

        self.runtime = f"tensorflow {tf.__version__}"
        self._source = source
        inputs = {spec.name: f"input_{index}" for index, spec in enumerate(source.signature.inputs)}
        outputs = {name: f"output_{index}" for index, name in enumerate(source.signature.output_names)}
        function = source.concrete_function(inputs, outputs)
        self._frozen: Any = convert_variables_to_constants_v2(function, lower_control_flow=False)
        # The frozen function keeps the order of the inputs and of the sorted outputs.
        names = [name for _, name in sorted((theirs, name) for name, theirs in outputs.items())]
        operations = self._frozen.graph.get_operations()
        placeholders = [tensor.name for tensor in self._frozen.inputs]
        output_of = _origins(list(zip(self._frozen.outputs, names, strict=True)))
        self._tensors = _tensors(operations, placeholders, output_of)
        self._pruned: dict[tuple[str, ...], Any] = {}

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call, or several where the tensors are many and large."""
        import tensorflow as tf

        given = [tf.convert_to_tensor(inputs[spec.name], dtype=spec.dtype) for spec in self._source.signature.inputs]

        def fetch(portion: list[str]) -> list[Any]:
            key = tuple(portion)
            if key not in self._pruned:
                tensors = [self._frozen.graph.get_tensor_by_name(name) for name in portion]
                self._pruned[key] = self._frozen.prune(self._frozen.inputs, tensors)
            try:
                return [value.numpy() for value in self._pruned[key](*given)]
            except Exception as error:
                raise ExecutionError("run the original node by node", str(error).strip().splitlines()[0]) from error

        def emit(name: str, value: Any) -> None:
            array = comparable(value)
            if array is not None:
                seen(self._tensors[name], array)

        in_portions([key for key in self._tensors if wanted is None or key in wanted], fetch, emit, _PORTION)


def _origins(outputs: list[tuple[Any, str]]) -> dict[str, str]:
    """The tensors behind the identities at the graph's end, which are what converters keep."""
    found: dict[str, str] = {}
    for tensor, name in outputs:
        origin = tensor
        while origin.op.type == "Identity":
            origin = origin.op.inputs[0]
        # One tensor may be two outputs: the second stays what it is.
        found.setdefault(origin.name, name)
    return found


def _tensors(operations: list[Any], inputs: list[str], output_of: Mapping[str, str]) -> dict[str, Tensor]:
    links = [(tuple(x.name for x in op.inputs), tuple(x.name for x in op.outputs)) for op in operations]
    alive = living(links, inputs)
    return {
        key: Tensor(
            key,
            op.name,
            op.type,
            tuple(name for name in reads if name in alive),
            frozenset({plain_name(key)}),
            output_of.get(key, ""),
        )
        for op, (reads, gives) in zip(operations, links, strict=True)
        for tensor, key in zip(op.outputs, gives, strict=True)
        if key in alive and op.type not in _PASSING and tensor.dtype.is_floating
    }
