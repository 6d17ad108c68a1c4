"""A model as a page takes it: one file, and arrays in the file's own names, dtypes and layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bundle import Bundle
from edgekit.bundle.binding import Binding
from edgekit.bundle.digest import companions
from edgekit.errors import ExecutionError
from edgekit.runtime.engine import CopyingEngine
from edgekit.runtime.loading import choose, target_of
from edgekit.runtime.session import Recorded, to_native
from edgekit.signature import Array, Shape, Signature
from edgekit.verify.tolerance import Tolerance


@dataclass(frozen=True)
class PageModel:
    """A model and its first input, with what a bundle knows of it.

    Attributes:
        target: its format.
        content: the file.
        first: the input of every timed call, by native name.
        signature: the file's own; without inputs of a model file, whose names the input has.
        bundle_signature: the bundle's; ``None`` of a model file.
        inputs: how each of the bundle's inputs stands in the file.
        outputs: likewise.
        golden: the recorded runs that have outputs.
        tolerance: the bounds of their comparison.
    """

    target: str
    content: bytes | memoryview
    first: Mapping[str, Array]
    signature: Signature
    bundle_signature: Signature | None = None
    inputs: tuple[Binding, ...] = ()
    outputs: tuple[Binding, ...] = ()
    golden: Sequence[Recorded] = ()
    tolerance: Tolerance | None = None

    @staticmethod
    def read(one: Mapping[str, Any]) -> PageModel:
        """A model of a worker's request.

        Raises:
            ExecutionError: it is several files, or takes texts.
        """
        path = Path(one["path"])
        given = _arrays(one["inputs"]) if one["inputs"] else None
        if target_of(path) is not None:
            if companions(path):
                raise _several(path)
            return PageModel(one["target"], path.read_bytes(), _numbers(path, given or {}), Signature((), ()))
        bundle = Bundle.open(path)
        artifact = choose(bundle, one["target"], one["scheme"], formats=(one["target"],))
        if artifact.files:
            raise _several(path)
        golden, bindings = bundle.golden(), artifact.inputs
        shapes = {spec.name: spec.shape for spec in artifact.signature.inputs}
        values: Mapping[str, Array] = golden[0][0] if given is None else given
        return PageModel(
            artifact.target,
            bundle.model_bytes(artifact),
            _numbers(
                path, {each.native: _rows(to_native(values[each.name], each), shapes[each.native]) for each in bindings}
            ),
            artifact.signature,
            bundle.manifest.signature,
            bindings,
            artifact.outputs,
            [run for run in golden if run[1]],
            artifact.verdict.tolerance,
        )


class PageEngine(CopyingEngine):
    """A model that is open in a page, one call after the other."""

    def __init__(
        self, name: str, signature: Signature, call: Callable[[Mapping[str, Array]], dict[str, Array]]
    ) -> None:
        """Take calls.

        Args:
            name: the runtime and its version.
            signature: the model file's own.
            call: gives native inputs to the page, and its outputs back.
        """
        self.name, self.signature, self._call = name, signature, call

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call."""
        return self._call(inputs)


def _arrays(file: str) -> dict[str, Array]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _rows(array: Array, shape: Shape) -> Array:
    """As many rows as the file takes a call, where it takes a fixed number."""
    if not shape or shape[0] is None or len(array) == shape[0]:
        return array
    return np.resize(array, (shape[0], *array.shape[1:]))


def _numbers(path: Path, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            why = f"its input {name!r} is text, and pages are sent numbers"
            raise ExecutionError(f"measure {path.name} in a browser", why, "take --target tflite")
    return arrays


def _several(path: Path) -> ExecutionError:
    why = "its weights are in a file of their own, and a page takes one file"
    return ExecutionError(f"measure {path.name} in a browser", why, "take another artifact: --target, --scheme")
