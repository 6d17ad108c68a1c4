"""A model ready to be called: inputs by name in, outputs by name out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import ExecutionError, InputError
from edgekit.runtime.engine import Buffers, Engine
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

if TYPE_CHECKING:
    from edgekit.bundle.manifest import Binding

# One recorded run: inputs and the original's outputs, in the bundle's names.
Recorded = tuple[Mapping[str, Array], Mapping[str, Array]]


class Session:
    """A model opened by a runtime, called in the bundle's names, dtypes and layout (or, ``native``, in the file's own).

    Attributes:
        signature: what :meth:`run` takes and gives.
        runtime: the runtime and its version (``"litert 2.3.0"``).
        emulated: the runtime computes what the model means, but is not what a device runs.
        incomparable: why two calls may differ, so that answers prove nothing; empty where they do not.
    """

    def __init__(
        self,
        engine: Engine,
        signature: Signature | None = None,
        inputs: Iterable[Binding] = (),
        outputs: Iterable[Binding] = (),
        *,
        golden: Callable[[], Iterable[Recorded]] | None = None,
        tolerance: Tolerance | None = None,
    ) -> None:
        """Open a session over an engine; without a signature and bindings it speaks the file's own names.

        Args:
            engine: the opened model file.
            signature: the bundle's signature.
            inputs: how each of the bundle's inputs stands in the file.
            outputs: likewise.
            golden: the recorded runs that :meth:`self_test` compares with, read when asked.
            tolerance: the bounds of :meth:`self_test`.
        """
        self._engine = engine
        self.signature = signature or engine.signature
        self.runtime = engine.name
        self._inputs = tuple(inputs)
        self._outputs = tuple(outputs)
        self._native = signature is None
        self.emulated = engine.emulated
        self.incomparable = engine.incomparable
        self._golden = golden
        self._tolerance = tolerance or Tolerance()
        self._specs = {spec.name: spec for spec in self.signature.outputs}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call.

        Raises:
            InputError: names, dtypes or shapes that are not the signature's.
            ExecutionError: the runtime failed.
        """
        self.signature.check(inputs)
        if self._native:
            return self._engine.run(inputs)
        given = {binding.native: to_native(inputs[binding.name], binding) for binding in self._inputs}
        outputs = self._engine.run(given)
        return {b.name: from_native(outputs[b.native], b, self._specs[b.name]) for b in self._outputs}

    def notes(self) -> tuple[str, ...]:
        """What was noticed in the calls so far that a device will meet too, such as values that overflow."""
        return self._engine.notes()

    def __repr__(self) -> str:
        """What it takes and gives, and on what it runs."""
        takes, gives = (", ".join(map(str, specs)) for specs in (self.signature.inputs, self.signature.outputs))
        return f"<Session on {self.runtime}: ({takes}) -> ({gives})>"

    def bind(self, *, native: bool = False, batch: int = 1) -> BoundSession:
        """Memory of the session's own for repeated calls: fill ``inputs``, call, read ``outputs``.

        Args:
            native: buffers in the file's own names and layout: nothing is copied. Otherwise an input or output whose
                layout or dtype differs from the file's is copied once at each call.
            batch: the size of dynamic leading dimensions.
        """
        shapes = {
            spec.name: tuple(batch if size is None else size for size in spec.shape)
            for spec in self._engine.signature.inputs
        }
        buffers = self._engine.buffers(shapes)
        if native or self._native:
            return BoundSession(buffers, buffers.inputs, buffers.outputs, (), ())
        return _bound(buffers, self._inputs, self._outputs, self.signature)

    def self_test(self) -> Verdict:
        """Run the bundle's golden samples here and compare with the original's recorded outputs.

        Raises:
            InputError: the session was not loaded from a bundle with golden samples.
        """
        recorded = list(self._golden()) if self._golden else []
        if not recorded or not all(outputs for _, outputs in recorded):
            raise InputError("self_test", "there are no recorded outputs", "load a bundle that was verified")
        return compare(
            [outputs for _, outputs in recorded],
            [self.run(inputs) for inputs, _ in recorded],
            self._tolerance,
            executed_by=self.runtime,
            notes=self.notes(),
        )


class BoundSession:
    """Repeated calls on fixed memory.

    Attributes:
        inputs: arrays to write into, by name.
        outputs: arrays to read from after each call, by name; the next call overwrites them.
    """

    def __init__(
        self,
        buffers: Buffers,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
        before: tuple[tuple[Array, Array], ...],
        after: tuple[tuple[Array, Array], ...],
    ) -> None:
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)
        self._buffers = buffers
        self._invoke = buffers.invoke
        self._before = before
        self._after = after

    def __call__(self) -> None:
        """Run the model on what ``inputs`` holds.

        Raises:
            ExecutionError: the runtime failed.
        """
        for target, source in self._before:
            np.copyto(target, source, casting="unsafe")
            if target.dtype.itemsize < source.dtype.itemsize and source.dtype.kind in "iu":
                _check_narrowed(target, source, self.inputs)
        try:
            self._invoke()
        except Exception as error:
            raise ExecutionError("run a bound model", str(error).splitlines()[0]) from error
        for target, source in self._after:
            np.copyto(target, source, casting="unsafe")


def _check_narrowed(narrowed: Array, given: Array, inputs: Mapping[str, Array]) -> None:
    if not np.array_equal(narrowed, given):
        name = next(name for name, array in inputs.items() if array is given)
        raise InputError(f"input {name!r}", f"a value does not fit the file's {narrowed.dtype}", "give smaller values")


def to_native(array: Array, binding: Binding) -> Array:
    """An input of the bundle's as the file takes it.

    Raises:
        InputError: an integer that the file's narrower dtype cannot hold.
    """
    turned = array if binding.transpose is None else np.ascontiguousarray(array.transpose(binding.transpose))
    if binding.dtype in {"string", _name(turned)}:
        return turned
    narrowed = turned.astype(binding.dtype)
    if turned.dtype.kind in "iu" and not np.array_equal(narrowed, turned):
        raise InputError(
            f"input {binding.name!r}", f"a value does not fit the file's {binding.dtype}", "give smaller values"
        )
    return narrowed


def from_native(array: Array, binding: Binding, spec: TensorSpec) -> Array:
    """An output of the file's as the bundle gives it."""
    turned = array if binding.transpose is None else np.ascontiguousarray(array.transpose(binding.transpose))
    # Core ML has no arrays without dimensions: a lone number comes as an array of one.
    if spec.shape == () and turned.shape == (1,):
        turned = turned.reshape(())
    return turned if spec.dtype in {"string", _name(turned)} else turned.astype(spec.dtype)


def _name(array: Array) -> str:
    return str(array.dtype.name)


def _bound(
    buffers: Buffers, inputs: tuple[Binding, ...], outputs: tuple[Binding, ...], signature: Signature
) -> BoundSession:
    """Buffers in the bundle's names: the file's own memory where it is alike, a copy beside it where it is not."""
    before, after = [], []
    mine: dict[str, dict[str, Array]] = {"inputs": {}, "outputs": {}}
    dtypes = {spec.name: spec.dtype for spec in signature.inputs}
    for binding in inputs:
        native = buffers.inputs[binding.native]
        view: Any = native if binding.transpose is None else native.transpose(np.argsort(binding.transpose))
        alike = binding.transpose is None and native.dtype.name == dtypes[binding.name]
        array = native if alike else np.zeros(view.shape, dtypes[binding.name])
        mine["inputs"][binding.name] = array
        if not alike:
            before.append((view, array))
    dtypes = {spec.name: spec.dtype for spec in signature.outputs}
    for binding in outputs:
        native = buffers.outputs[binding.native]
        view = native if binding.transpose is None else native.transpose(binding.transpose)
        alike = binding.transpose is None and native.dtype.name == dtypes[binding.name]
        array = native if alike else np.zeros(view.shape, dtypes[binding.name])
        mine["outputs"][binding.name] = array
        if not alike:
            after.append((array, view))
    return BoundSession(buffers, mine["inputs"], mine["outputs"], tuple(before), tuple(after))
