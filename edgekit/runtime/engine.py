"""What every runtime offers a session: a model file, opened, in its own names, dtypes and layout."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgekit.errors import ExecutionError
from edgekit.runtime.operators import Operator
from edgekit.signature import Array, Signature


@dataclass
class Buffers:
    """A model's own input and output memory, for repeated calls without copies.

    Attributes:
        inputs: writable arrays by native name; the caller fills them.
        outputs: arrays by native name; each call overwrites them.
        invoke: runs the model on the buffers.
        owner: what the memory and the model belong to, where nothing else here keeps it.
    """

    inputs: dict[str, Array]
    outputs: dict[str, Array]
    invoke: Any
    owner: Any = None


class Engine(ABC):
    """One model file opened by one runtime.

    Attributes:
        name: the runtime and its version, as verdicts quote it (``"onnxruntime 1.32.0"``).
        signature: the file's own inputs and outputs.
        emulated: it computes what the model means, but is not what a device runs: its time says nothing.
        incomparable: why two calls may differ, so that answers prove nothing; empty where they do not.
        providers: the execution providers or delegates that the runtime really took, the preferred one first.
    """

    name: str
    signature: Signature
    emulated: ClassVar[bool] = False
    incomparable: str = ""
    providers: tuple[str, ...] = ()

    def notes(self) -> tuple[str, ...]:
        """What was noticed in the calls so far that a device will meet too, one line each."""
        return ()

    def placement(self) -> dict[str, tuple[str, ...]]:
        """The operators of the calls so far by what ran them; empty where the runtime does not tell."""
        return {}

    def operators(
        self, inputs: Mapping[str, Array], *, warmups: int, calls: int
    ) -> tuple[list[Operator], Sequence[int]]:
        """What each operator takes in several calls with the runtime's profiler, and what each call takes then.

        Args:
            inputs: native ones.
            warmups: calls before those that count.
            calls: calls that count.

        Raises:
            ExecutionError: the runtime has no profiler, or it failed.
        """
        del inputs, warmups, calls
        raise ExecutionError(f"profile a model on {self.name}", "it does not tell operators' times", "leave it off")

    @abstractmethod
    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call: native inputs to native outputs, which the caller owns.

        Raises:
            ExecutionError: the runtime failed.
        """

    def repeated(self, shapes: Mapping[str, tuple[int, ...]]) -> Callable[..., Sequence[Array] | None] | None:
        """A call like one of these input shapes before, without its checks: inputs to outputs, in the file's order.

        It answers ``None`` once something else has used the model; ``None`` itself where the runtime has no such way.
        """
        del shapes
        return None

    @abstractmethod
    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Memory for repeated calls with these input shapes.

        Raises:
            ExecutionError: the runtime has no memory to share for such inputs or outputs.
        """


class CopyingEngine(Engine):
    """An engine whose runtime shares no memory: buffers for repeated calls are copied at each."""

    def buffers(self, shapes: Mapping[str, tuple[int, ...]]) -> Buffers:
        """Arrays of their own; a first call tells the outputs' shapes."""
        inputs = {spec.name: np.zeros(shapes[spec.name], spec.dtype) for spec in self.signature.inputs}
        outputs = self.run(inputs)

        def invoke() -> None:
            for name, value in self.run(inputs).items():
                np.copyto(outputs[name], value)

        return Buffers(inputs, outputs, invoke)
