"""The others: ONNX files of skl2onnx and onnxmltools, and trees compiled as C by tl2cgen.

What edgekit does not install itself lies in ``build/peers`` (``make bench-classical`` puts it there), behind
everything else on the path, so that all sides run in one process on the same numpy.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.errors import ConversionError, MissingDependencyError

FOLDER = Path(__file__).resolve().parents[2] / "build" / "peers"
# The seconds that compiling a model may take.
_LONGEST = 90.0
# Those of onnxmltools' converters that serve both libraries.
_OPSET = 15
_COMPILE = """
import sys
sys.path.append(sys.argv[1])
import tl2cgen, treelite
model = treelite.Model.deserialize(sys.argv[2])
tl2cgen.export_lib(
    model, toolchain="gcc", libpath=sys.argv[3], params={"parallel_comp": 32}, nthread=1, options=["-O1"]
)
"""


def find_peers() -> None:
    """Put ``build/peers`` on the path, last."""
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


def onnx_file(model: Any, library: str, rows: NDArray[np.float32]) -> bytes:
    """The file that others make: skl2onnx's of scikit-learn, onnxmltools' of XGBoost and LightGBM.

    Raises:
        MissingDependencyError: onnxmltools is not installed.
    """
    if library == "sklearn":
        from skl2onnx import to_onnx

        options = {id(model): {"zipmap": False}}
        return bytes(to_onnx(model, rows[:1], target_opset=18, options=options).SerializeToString())
    if importlib.util.find_spec("onnxmltools") is None:
        raise MissingDependencyError("convert by onnxmltools", "it is not installed", "run: make bench-classical")
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    types = [("X", FloatTensorType([None, rows.shape[1]]))]
    if library == "xgboost":
        return bytes(onnxmltools.convert_xgboost(model, None, types, target_opset=_OPSET).SerializeToString())
    made = onnxmltools.convert_lightgbm(model, None, types, target_opset=_OPSET, zipmap=False)
    return bytes(made.SerializeToString())


def compiled(model: Any, library: str, folder: Path) -> Any:
    """A predictor (``tl2cgen.Predictor``) of the model's trees as C, compiled at first and kept in ``folder``.

    Raises:
        ConversionError: tl2cgen is not installed, the trees are none that treelite reads, or gcc takes too long.
    """
    if any(importlib.util.find_spec(name) is None for name in ("tl2cgen", "treelite")):
        raise ConversionError("compile as C", "tl2cgen is not installed", "run: make bench-classical")
    import tl2cgen

    trees = _treelite(model, library)
    folder.mkdir(parents=True, exist_ok=True)
    library_file = folder / f"{hashlib.sha256(trees.serialize_bytes()).hexdigest()[:16]}.so"
    if not library_file.exists():
        _compile(trees, library_file)
    return tl2cgen.Predictor(str(library_file), nthread=1)


def _treelite(model: Any, library: str) -> Any:
    import treelite

    try:
        if library == "xgboost":
            return treelite.frontend.from_xgboost(model.get_booster())
        if library == "lightgbm":
            return treelite.frontend.from_lightgbm(model.booster_)
        return treelite.sklearn.import_model(model)
    except (treelite.TreeliteError, NotImplementedError, TypeError) as error:
        raise ConversionError("compile as C", str(error).splitlines()[0]) from error


def _compile(trees: Any, output: Path) -> None:
    """By a process of its own, so that gcc can be ended with it."""
    written, made = output.with_suffix(".treelite"), output.with_suffix(".new.so")
    trees.serialize(str(written))
    command = [sys.executable, "-c", _COMPILE, str(FOLDER), str(written), str(made)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise ConversionError("compile as C", f"gcc takes more than {_LONGEST:.0f} s") from None
        finally:
            written.unlink()
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise ConversionError("compile as C", lines[-1])
    made.replace(output)
