"""What is timed: a model by every way that it can be run, each a call without arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import edgekit
from classical_speed import peers
from classical_speed.models import ROWS, Combination, Fitted
from edgekit.errors import EdgekitError

Rows = NDArray[np.float32]
# Names of sides, as the results and the page have them.
PEER = "peer's file, onnxruntime"
ORIGINAL = "the original"
ONNX = "ONNX"
ONNX_WALKED = "ONNX, traversal"
TFLITE_CHOSEN = "TFLite of 1,000 rows, as chosen"
TFLITE_A_ROW = "TFLite of 1 row, 1,000 calls"
TFLITE = "TFLite"
COMPILED = "compiled C (tl2cgen)"
# Trees of no more inner nodes than this can be written as products of matrices at a bearable size.
_SMALL = 15
_NAMES = {"lookup": "look-ups below {top} levels", "gemm": "matrix products", "traversal": "traversal"}


@dataclass(frozen=True)
class Side:
    """One way to run a model.

    Attributes:
        call: what is timed.
        labels: the labels that it gives.
    """

    call: Callable[[], object]
    labels: Callable[[], NDArray[np.int64]]


def layout_name(layout: str, settings: Mapping[str, Any]) -> str:
    """The side of a TFLite file of 1,000 rows in a layout of the trees."""
    return f"TFLite of 1,000 rows, {_NAMES[layout].format(**settings)}"


@dataclass(frozen=True)
class Files:
    """What was made of a model.

    Attributes:
        plain: the peer's ONNX file.
        onnx: edgekit's ONNX file.
        tflite: edgekit's TFLite file of one row a call.
        tflite_rows: of 1,000 rows a call, the layout chosen by edgekit.
        layouts: by side, edgekit's file with the trees laid out in one way.
        notes: what the verdicts say of how the trees are laid out, by file.
        bytes: sizes by file, the peer's too.
        absent: why a side is missing, by side.
    """

    plain: bytes
    onnx: Path
    tflite: Path
    tflite_rows: Path
    layouts: Mapping[str, Path]
    notes: Mapping[str, str]
    bytes: Mapping[str, int]
    absent: dict[str, str]


def make_files(combination: Combination, fitted: Fitted, folder: Path) -> Files:
    """Convert by edgekit, in every layout too, and by the peer.

    Raises:
        EdgekitError: a conversion fails, or its file departs from the original.
    """
    model, rows = fitted
    plain = peers.onnx_file(model, combination.library, rows)
    whole = {"X": (ROWS, rows.shape[1])}
    made = {
        "onnx": _converted(model, "onnx", rows, folder / "onnx.edge", dynamic="batch"),
        "tflite": _converted(model, "tflite", rows, folder / "tflite.edge"),
        "tflite_rows": _converted(model, "tflite", rows, folder / "rows.edge", input_shapes=whole),
    }
    layouts, absent = {}, {}
    for side, layout, settings in _layouts(combination, model):
        module, names = _module(model, layout, settings)
        onnx = side == ONNX_WALKED
        # The batch of an ONNX file is open, as in edgekit's own.
        options: dict[str, Any] = {"dynamic": "batch"} if onnx else {"input_shapes": whole}
        path = folder / f"{len(layouts)}.edge"
        try:
            given = rows if onnx else rows[None]
            _converted(
                module, "onnx" if onnx else "tflite", given, path, input_names=("X",), output_names=names, **options
            )
            layouts[side] = path
        except EdgekitError as error:
            absent[side] = error.why
    notes = {name: _note(one.artifacts[0]) for name, one in made.items()}
    sizes = {name: int(one.artifacts[0]["bytes"]) for name, one in made.items()} | {"peer": len(plain)}
    return Files(plain, *(one.bundle for one in made.values()), layouts, notes, sizes, absent)


def _converted(model: Any, targets: str, samples: Any, output: Path, **options: Any) -> Any:
    made = edgekit.convert(model, to=targets, samples=samples[:64], output=output, force=True, **options)
    for failure in made.failed:
        raise failure.error
    return made


def _note(row: Mapping[str, Any]) -> str:
    return "; ".join(note for note in row["verdict"]["notes"] if "trees" in note)


def _layouts(combination: Combination, model: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The side, the layout and its settings of each file that is made to measure a layout."""
    if combination.kind == "other":
        return
    from edgekit.classical.trees.forest import forests

    module, _ = _module(model, "traversal", {})
    trees = [tree for part in forests(module) for tree in part.ensemble.trees]
    yield ONNX_WALKED, "traversal", {}
    wanted: list[tuple[str, dict[str, Any]]] = [("lookup", {"top": top, "rows": ROWS}) for top in (3, 4, 5)]
    wanted.append(("traversal", {}))
    if all(len(tree.feature) // 2 <= _SMALL for tree in trees):
        wanted.append(("gemm", {}))
    for layout, settings in wanted:
        # Trees have no more levels to compare than they are deep.
        if settings.get("top", 0) <= max(tree.depth() for tree in trees):
            yield layout_name(layout, settings), layout, settings


def _module(model: Any, layout: str, settings: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """A model as edgekit's torch module, its trees laid out in one way, and the outputs' names."""
    # LiteRT's own operators, which the layouts for TFLite are written in.
    import litert_torch.backend.experimental.torch_tfl  # noqa: F401 - registers them

    from edgekit.classical.assemble import assemble
    from edgekit.classical.trees.forest import lay_out
    from edgekit.sources import LoadRequest, wrap_object

    source: Any = wrap_object(model, LoadRequest(model="the model"))
    dtypes = {spec.name: spec.dtype for spec in source.signature.outputs}
    answers = [(kind, dtypes[name]) for name, kind in source.outputs.items()]
    module = assemble(source.estimator, answers, source.layout.texts, table=False)
    lay_out(module, layout, **settings)
    return module, list(source.outputs)


def one_row(fitted: Fitted, files: Files) -> dict[str, Side]:
    """Every way to run a row, the peer's first."""
    row = fitted.rows[:1]
    return {
        PEER: plain(files.plain, row),
        ONNX: bound(files.onnx, "onnx", row),
        TFLITE: bound(files.tflite, "tflite", row),
        ORIGINAL: original(fitted.model, row),
    }


def many_rows(combination: Combination, fitted: Fitted, files: Files, compiled: Path) -> dict[str, Side]:
    """Every way to run 1,000 rows, the peer's first; what is missing is told in ``files.absent``."""
    rows = fitted.rows
    sides = {
        PEER: plain(files.plain, rows),
        ONNX: bound(files.onnx, "onnx", rows),
        TFLITE_CHOSEN: bound(files.tflite_rows, "tflite", rows),
    }
    for side, path in files.layouts.items():
        sides[side] = bound(path, "onnx" if side == ONNX_WALKED else "tflite", rows)
    sides[TFLITE_A_ROW] = row_by_row(files.tflite, rows)
    sides[ORIGINAL] = original(fitted.model, rows)
    if combination.kind != "other":
        try:
            sides[COMPILED] = compiled_c(combination, fitted, compiled)
        except EdgekitError as error:
            files.absent[COMPILED] = error.why
    return sides


def plain(content: bytes, rows: Rows) -> Side:
    """ONNX Runtime's own ``run``."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Errors only: onnxmltools' LightGBM files declare one label, and each call of more rows would print a warning.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = {session.get_inputs()[0].name: rows}
    return Side(lambda: session.run(None, given), lambda: np.asarray(session.run(None, given)[0]).reshape(-1))


def bound(bundle: Path, target: str, rows: Rows) -> Side:
    """A bound session, its input filled beforehand."""
    session = edgekit.load(bundle, target=target, threads=1)
    call = session.bind(batch=len(rows))
    call.inputs["X"][...] = rows

    # `labels` keeps the session, which holds the file that the bound memory belongs to.
    return Side(call, lambda: session.run({"X": rows})["label"].reshape(-1))


def row_by_row(bundle: Path, rows: Rows) -> Side:
    """A session over a TFLite file of one row a call, given all rows."""
    session = edgekit.load(bundle, target="tflite", threads=1)
    given = {"X": rows}
    return Side(lambda: session.run(given), lambda: session.run(given)["label"].reshape(-1))


def original(model: Any, rows: Rows) -> Side:
    """The library that trained the model."""
    return Side(lambda: model.predict_proba(rows), lambda: np.asarray(model.predict(rows)).reshape(-1))


def compiled_c(combination: Combination, fitted: Fitted, folder: Path) -> Side:
    """The trees as C, compiled by gcc.

    Raises:
        ConversionError: see :func:`classical_speed.peers.compiled`.
    """
    predictor = peers.compiled(fitted.model, combination.library, folder)
    import tl2cgen

    rows = tl2cgen.DMatrix(fitted.rows)
    classes = fitted.model.classes_

    def labels() -> NDArray[np.int64]:
        scores = np.asarray(predictor.predict(rows)).reshape(ROWS, -1)
        best = scores[:, 0] > 0.5 if scores.shape[1] == 1 else scores.argmax(axis=1)
        return np.asarray(classes[best.astype(int)])

    return Side(lambda: predictor.predict(rows), labels)
