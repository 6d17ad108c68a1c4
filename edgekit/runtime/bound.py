"""Repeated calls on fixed memory, with what has to be turned, cast or decoded at each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import EdgekitError, ExecutionError, InputError
from edgekit.preprocessing.terms import counts
from edgekit.runtime.affine import dequantize, quantize
from edgekit.runtime.codes import decode, encode
from edgekit.runtime.engine import Buffers
from edgekit.signature import Array, Signature, TensorSpec

if TYPE_CHECKING:
    from edgekit.bundle.binding import Binding, Quantization

_Step = Callable[[], None]


class BoundSession:
    """Repeated calls on fixed memory.

    Attributes:
        inputs: arrays to write into, by name.
        outputs: arrays to read from after each call, by name; the next call overwrites them.
    """

    def __init__(self, buffers: Buffers, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> None:
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)
        self._buffers = buffers
        self._invoke = buffers.invoke

    def __call__(self) -> None:
        """Run the model on what ``inputs`` holds.

        Raises:
            ExecutionError: the runtime failed.
            InputError: a value that the file's dtype cannot hold.
        """
        try:
            self._invoke()
        except EdgekitError:
            raise
        except Exception as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ExecutionError("run a bound model", said) from error


class _Turned(BoundSession):
    """With what is to be turned before and after: of a small model's call every instruction counts where nothing is."""

    def __init__(
        self,
        buffers: Buffers,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
        before: Iterable[_Step],
        after: Iterable[_Step],
    ) -> None:
        super().__init__(buffers, inputs, outputs)
        self._before = tuple(before)
        self._after = tuple(after)

    def __call__(self) -> None:
        for step in self._before:
            step()
        super().__call__()
        for step in self._after:
            step()


def bound(
    buffers: Buffers, inputs: Sequence[Binding], outputs: Sequence[Binding], signature: Signature
) -> BoundSession:
    """Buffers in the bundle's names: the file's own memory where it is alike, a copy beside it where it is not."""
    before: list[_Step] = []
    after: list[_Step] = []
    mine: dict[str, Array] = {}
    theirs: dict[str, Array] = {}
    for binding in inputs:
        native, spec = buffers.inputs[binding.native], signature.input(binding.name)
        view: Any = native if binding.transpose is None else native.transpose(np.argsort(binding.transpose))
        array = _beside(native, view, binding, spec)
        mine[binding.name] = array
        if binding.vectorizers:
            before.append(partial(_count, view, array, binding))
        elif binding.codes:
            before.append(partial(_encode, view, array, binding.codes))
        elif binding.quantization is not None:
            before.append(partial(_quantize, view, array, binding, binding.quantization))
        elif array is not native:
            before.append(partial(_copy_in, view, array, binding.name))
    specs = {spec.name: spec for spec in signature.outputs}
    for binding in outputs:
        native = buffers.outputs[binding.native]
        view = native if binding.transpose is None else native.transpose(binding.transpose)
        array = _beside(native, view, binding, specs[binding.name])
        theirs[binding.name] = array
        if binding.codes:
            after.append(partial(_decode, array, view, binding.codes))
        elif binding.quantization is not None:
            after.append(partial(_dequantize, array, view, binding.quantization))
        elif array is not native:
            after.append(partial(np.copyto, array, view, casting="unsafe"))
    if before or after:
        return _Turned(buffers, mine, theirs, before, after)
    return BoundSession(buffers, mine, theirs)


def _beside(native: Array, view: Array, binding: Binding, spec: TensorSpec) -> Array:
    """The file's own memory, or memory of the bundle's dtype and layout."""
    if binding.vectorizers:
        return np.full((len(view), *spec.shape[1:]), "", dtype=object)
    if binding.codes:
        return np.full(view.shape, binding.codes[0], dtype=object)
    if binding.transpose is None and native.dtype.name == spec.dtype:
        return native
    return np.zeros(view.shape, spec.dtype)


def _copy_in(target: Array, source: Array, name: str) -> None:
    np.copyto(target, source, casting="unsafe")
    if (
        target.dtype.itemsize < source.dtype.itemsize
        and source.dtype.kind in "iu"
        and not np.array_equal(target, source)
    ):
        raise InputError(f"input {name!r}", f"a value does not fit the file's {target.dtype}", "give smaller values")


def _count(target: Array, source: Array, binding: Binding) -> None:
    np.copyto(target, counts(source, binding.vectorizers), casting="unsafe")


def _quantize(target: Array, source: Array, binding: Binding, quantization: Quantization) -> None:
    np.copyto(target, quantize(source, binding, quantization))


def _dequantize(target: Array, source: Array, quantization: Quantization) -> None:
    np.copyto(target, dequantize(source, quantization), casting="unsafe")


def _encode(target: Array, source: Array, table: Sequence[str]) -> None:
    np.copyto(target, encode(source, table), casting="unsafe")


def _decode(target: Array, source: Array, table: Sequence[str]) -> None:
    target[...] = decode(source, table)
