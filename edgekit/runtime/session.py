"""A model ready to be called: inputs by name in, outputs by name out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import InputError
from edgekit.preprocessing.terms import counts
from edgekit.runtime.affine import dequantize, quantize
from edgekit.runtime.bound import BoundSession, bound
from edgekit.runtime.codes import decode, encode
from edgekit.runtime.direct import Direct, as_they_are, direct_call
from edgekit.runtime.engine import Engine
from edgekit.runtime.operators import Operator
from edgekit.signature import Array, Signature, TensorSpec
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

if TYPE_CHECKING:
    from edgekit.bundle.binding import Binding

# Counts of terms are made for so many rows at once that they stay below this.
_MOST_COUNTED_BYTES = 64_000_000
# One recorded run: inputs and the original's outputs, in the bundle's names.
Recorded = tuple[Mapping[str, Array], Mapping[str, Array]]


class Session:
    """A model opened by a runtime, called in the bundle's names, dtypes and layout (or, ``native``, in the file's own).

    Attributes:
        signature: what :meth:`run` takes and gives.
        runtime: the runtime and its version (``"litert 2.3.0"``).
        emulated: the runtime computes what the model means, but is not what a device runs.
        incomparable: why two calls may differ, so that answers prove nothing; empty where they do not.
        providers: the execution providers or delegates that the runtime really took, the preferred one first.
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
        self.providers = engine.providers
        self._golden = golden
        self._direct: Direct | None = None
        self._tolerance = tolerance or Tolerance()
        self._specs = {spec.name: spec for spec in self.signature.outputs}
        self._rows = None if self._native else _rows_a_call(engine.signature, self.signature, self._inputs)
        self._most_rows = self._rows or _rows_counted(self._inputs)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call.

        Raises:
            InputError: names, dtypes or shapes that are not the signature's.
            ExecutionError: the runtime failed.
        """
        direct = self._direct
        if direct is not None and isinstance(inputs, dict) and (answer := direct(inputs)) is not None:
            return answer
        self.signature.check(inputs)
        if self._native:
            return self._engine.run(inputs)
        size = self._most_rows
        if size is None or _rows(inputs) == size or (self._rows is None and _rows(inputs) < size):
            return self._call(inputs)
        return self._in_parts(inputs, size)

    def _call(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        given = {binding.native: to_native(inputs[binding.name], binding) for binding in self._inputs}
        outputs = self._engine.run(given)
        answers = {b.name: from_native(outputs[b.native], b, self._specs[b.name]) for b in self._outputs}
        self._direct = self._directly(inputs, given, outputs, answers)
        return answers

    def _directly(
        self,
        inputs: Mapping[str, Array],
        given: Mapping[str, Array],
        outputs: Mapping[str, Array],
        answers: Mapping[str, Array],
    ) -> Direct | None:
        """The shortest way for the next call, where the file took and gave this one's arrays as they were."""
        takes, gives = as_they_are(self._inputs, inputs, given), as_they_are(self._outputs, answers, outputs)
        shapes = {name: array.shape for name, array in given.items()}
        repeated = self._engine.repeated(shapes) if takes and gives else None
        if repeated is None or takes is None or gives is None:
            return None
        native = self._engine.signature
        places = [(mine, native.output_names.index(theirs)) for theirs, mine in gives.items()]
        return direct_call(repeated, inputs, [takes[name] for name in native.input_names], places)

    def _in_parts(self, inputs: Mapping[str, Array], size: int) -> dict[str, Array]:
        """A batch in calls of ``size`` rows; what the last one lacks of a file's own is filled with its last row."""
        count = _rows(inputs)
        if not count:
            raise InputError("run a batch", f"it has no rows, and the model file takes {size} a call", "give a row")
        short = -count % size if self._rows else 0
        whole = {name: np.concatenate([a, a[-1:].repeat(short, axis=0)]) if short else a for name, a in inputs.items()}
        answers = [self.run({name: a[at : at + size] for name, a in whole.items()}) for at in range(0, count, size)]
        return {name: np.concatenate([answer[name] for answer in answers])[:count] for name in answers[0]}

    def notes(self) -> tuple[str, ...]:
        """What was noticed in the calls so far that a device will meet too, such as values that overflow."""
        return self._engine.notes()

    def placement(self) -> dict[str, tuple[str, ...]]:
        """The operators of the calls so far by what ran them; empty where the runtime does not tell.

        ONNX Runtime tells where the session was loaded with a ``profile``, and once.
        """
        return self._engine.placement()

    def operators(
        self, inputs: Mapping[str, Array], *, warmups: int, calls: int
    ) -> tuple[list[Operator], Sequence[int]]:
        """What each operator takes in several calls, in nanoseconds, and what each call takes with the profiler on.

        ONNX Runtime tells where the session was loaded with a ``profile``, and once.

        Args:
            inputs: of every call; of a file that takes a fixed number of rows, as many of them.
            warmups: calls before those that count.
            calls: calls that count.

        Raises:
            InputError: names, dtypes or shapes that are not the signature's.
            ExecutionError: the runtime has no profiler, or it failed.
        """
        self.signature.check(inputs)
        rows = self._rows
        if rows is not None:
            inputs = {name: np.resize(array, (rows, *array.shape[1:])) for name, array in inputs.items()}
        given = inputs if self._native else {one.native: to_native(inputs[one.name], one) for one in self._inputs}
        return self._engine.operators(given, warmups=warmups, calls=calls)

    def __repr__(self) -> str:
        """What it takes and gives, and on what it runs."""
        takes, gives = (", ".join(map(str, specs)) for specs in (self.signature.inputs, self.signature.outputs))
        return f"<Session on {self.runtime}: ({takes}) -> ({gives})>"

    def bind(self, *, native: bool = False, batch: int | None = None) -> BoundSession:
        """Memory of the session's own for repeated calls: fill ``inputs``, call, read ``outputs``.

        Args:
            native: buffers in the file's own names and layout: nothing is copied. Otherwise an input or output whose
                layout or dtype differs from the file's is copied once at each call.
            batch: the size of dynamic leading dimensions, 1 if not said.

        Raises:
            InputError: another number of rows than the file takes.
        """
        shapes = {
            spec.name: tuple((batch or 1) if size is None else size for size in spec.shape)
            for spec in self._engine.signature.inputs
        }
        if self._rows is not None and batch not in {None, self._rows}:
            takes = "one row" if self._rows == 1 else f"{self._rows} rows"
            raise InputError(f"bind a batch of {batch}", f"the model file takes {takes} a call", "leave batch off")
        buffers = self._engine.buffers(shapes)
        for array in buffers.inputs.values():
            # A runtime's memory comes as it is found, and an index among it may lie anywhere.
            if array.dtype.kind != "O":
                array.fill(0)
        if native or self._native:
            return BoundSession(buffers, buffers.inputs, buffers.outputs)
        return bound(buffers, self._inputs, self._outputs, self.signature)

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
            decided_by=self.signature.decided_by,
        )


def _rows(inputs: Mapping[str, Array]) -> int:
    return len(next(iter(inputs.values())))


def _rows_a_call(native: Signature, signature: Signature, bindings: Iterable[Binding]) -> int | None:
    """How many rows the file takes a call, where rows come in any number and the file's is fixed."""
    specs = {spec.name: spec for spec in native.inputs}
    pairs = [(signature.input(binding.name).shape, specs[binding.native].shape) for binding in bindings]
    sizes = {file[0] if mine[:1] == (None,) and file else None for mine, file in pairs}
    return sizes.pop() if len(sizes) == 1 else None


def _rows_counted(bindings: Iterable[Binding]) -> int | None:
    """How many rows at most to count terms of at once."""
    widths = [one.width for binding in bindings for one in binding.vectorizers]
    return max(_MOST_COUNTED_BYTES // (4 * sum(widths)), 1) if widths else None


def to_native(array: Array, binding: Binding) -> Array:
    """An input of the bundle's as the file takes it.

    Raises:
        InputError: an integer that the file's narrower dtype cannot hold, something among texts that is none, or NaN
            where the file takes integers.
    """
    if binding.vectorizers:
        return counts(array, binding.vectorizers).astype(binding.dtype, copy=False)
    if binding.codes:
        return encode(array, binding.codes).astype(binding.dtype)
    turned = array if binding.transpose is None else np.ascontiguousarray(array.transpose(binding.transpose))
    if binding.quantization is not None:
        return quantize(turned, binding, binding.quantization)
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
    if binding.codes:
        return decode(array, binding.codes)
    turned = array if binding.transpose is None else np.ascontiguousarray(array.transpose(binding.transpose))
    # Core ML has no arrays without dimensions: a lone number comes as an array of one.
    if spec.shape == () and turned.shape == (1,):
        turned = turned.reshape(())
    if binding.quantization is not None:
        turned = dequantize(turned, binding.quantization)
    return turned if spec.dtype in {"string", _name(turned)} else turned.astype(spec.dtype)


def _name(array: Array) -> str:
    return str(array.dtype.name)
