"""Inside an ONNX file: every node's outputs, on ONNX Runtime without its graph optimizations."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import ExecutionError, InputError
from edgekit.runtime.onnx import OnnxEngine
from edgekit.signature import Array
from edgekit.verify.layers.tap import Seen, Tap, Tensor, comparable, in_portions, living, plain_name

# Bytes of tensors fetched by one call: a runtime gives what is asked for all at once.
_PORTION = 256 << 20


class OnnxTap(Tap):
    """An ONNX model with every inner tensor made an output."""

    def __init__(
        self,
        path: Path,
        given: Callable[[Mapping[str, Array]], Mapping[str, Array]],
        outputs: Mapping[str, str],
        threads: int | None = None,
    ) -> None:
        """Open a file.

        Args:
            path: the model; weights in files beside it are left there.
            given: the original's inputs as the file takes them.
            outputs: the original's output names by the file's.
            threads: threads of the runtime.

        Raises:
            ExecutionError: the runtime cannot load it.
        """
        import onnx

        model = onnx.load(path, load_external_data=False)
        self._given = given
        self._tensors = _tensors(model.graph, outputs)
        there = {value.name for value in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in self._tensors if key not in there)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        external = sorted(_external(model.graph))
        source: Path | bytes
        if external:
            self._folder = _beside(path, external)
            source = Path(self._folder.name) / "model.onnx"
            onnx.save(model, source)
        else:
            source = model.SerializeToString()
        # The fetches are this tap's own; the engine reads the signature and reports what cannot be loaded.
        engine = OnnxEngine(source, threads=threads, optimize=False)
        self.runtime = engine.name
        self._session: Any = engine._session

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call, or several where the tensors are many and large."""
        names = [key for key in self._tensors if wanted is None or key in wanted]
        given = dict(self._given(inputs))

        def fetch(portion: list[str]) -> list[Any]:
            try:
                values: list[Any] = self._session.run(portion, given)
            except Exception as error:
                raise ExecutionError("run an ONNX model", str(error).strip().splitlines()[0]) from error
            return values

        def emit(name: str, value: Any) -> None:
            array = comparable(value)
            if array is not None:
                seen(self._tensors[name], array)

        in_portions(names, fetch, emit, _PORTION)

    def close(self) -> None:
        """Remove the copy of the graph."""
        if self._folder is not None:
            self._folder.cleanup()


def _tensors(graph: Any, outputs: Mapping[str, str]) -> dict[str, Tensor]:
    weights = {value.name for value in graph.initializer}
    alive = living(
        ((tuple(node.input), tuple(node.output)) for node in graph.node),
        (value.name for value in graph.input if value.name not in weights),
    )
    return {
        key: Tensor(
            key,
            node.name or key,
            node.op_type,
            tuple(name for name in node.input if name in alive),
            frozenset({plain_name(key)}),
            outputs.get(key, ""),
        )
        for node in graph.node
        for key in node.output
        if key in alive
    }


def _external(graph: Any) -> set[str]:
    return {
        entry.value
        for tensor in graph.initializer
        if tensor.HasField("data_location") and tensor.data_location == 1
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _beside(path: Path, names: list[str]) -> tempfile.TemporaryDirectory[str]:
    """A folder with the weights' files, on the same disk so that they need not be copied."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".edgekit-", dir=path.parent)
    except OSError:
        folder = tempfile.TemporaryDirectory(prefix="edgekit-")
    for name in names:
        target = (Path(folder.name) / name).resolve()
        if not target.is_relative_to(Path(folder.name).resolve()) or not (path.parent / name).is_file():
            raise InputError(f"load {path}", f"its weights in {name!r} are not beside it", "copy both files")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path.parent / name, target)
        except OSError:
            shutil.copyfile(path.parent / name, target)
    return folder
